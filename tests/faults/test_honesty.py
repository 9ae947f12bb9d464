"""Nobody fooled: real data judge and never teach, train and test never meet, and luck looks like luck."""

import ast
import os
import re
import subprocess
import sys
import textwrap
from collections import Counter

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from conftest import ROOT
from workshop_utils import scores
from workshop_utils.apply import class_network, redshift_network, summarise_probability
from workshop_utils.scores import class_scores, redshift_scores, temper
from workshop_utils.simulate import simulate_quasars, simulate_strain
from workshop_utils.simulate.files import write_g2net, write_sdss
from workshop_utils.spectra import split_by_thing, standardise
from workshop_utils.training import batch_seed, dataset_batches, predict, simulate_classes, train

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def code_of(path):
    """Source of each code cell of a notebook."""
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


# ------------------------------------------------------------------------------- real data never teach

GUARD = textwrap.dedent("""
    import importlib.util, os, sys
    from pathlib import Path
    REAL, SHIPPED = os.environ["WORKSHOP_DATA"], str(Path(sys.argv[1]) / "data" / "real")

    def guard(event, arguments):
        # every way to open a file ends in one of these events of the interpreter; h5py's do in the functions below
        if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith((REAL, SHIPPED)):
            raise AssertionError(f"a training read {arguments[0]}, which is for evaluation only")

    import h5py, torch
    from workshop_utils import networks, sources, spectra, training
    from workshop_utils.simulate import simulate_quasars

    opened = h5py.File.__init__
    h5py.File.__init__ = lambda self, name, *rest, **more: (guard("open", [name]), opened(self, name, *rest, **more))[1]
    sys.addaudithook(guard)
    torch.set_num_threads(1)

    def learn(batches):
        inputs, targets = batches(0)
        width = inputs.flatten(1).shape[1]
        network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(width, 1))
        def loss(output, target):
            return (output[:, 0] - target.float().reshape(len(target), -1)[:, -1]).square().mean()
        training.train(network, batches, loss, 2, validate=lambda network: 0.0, every=1)
""")
PATHS = {
    "every kind of batches": """
        made = [name for name in dir(training) if name.endswith("_batches") and name != "dataset_batches"]
        assert len(made) >= 2, made
        for name in made:
            learn(getattr(training, name)(4, seed=5))
        quasars = simulate_quasars(20, seed=1)
        learn(training.dataset_batches(spectra.standardise(quasars.flux)[:, None], quasars.z, 5, seed=1))
    """,
    "make checkpoints": """
        spec = importlib.util.spec_from_file_location("make_checkpoints", sys.argv[1] + "/tools/make_checkpoints.py")
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        import pathlib, tempfile
        tool.ROOT = pathlib.Path(tempfile.mkdtemp())  # the checkpoints that ship stay
        for name in [name for name in dir(tool) if name.startswith("simulate_")]:  # the same code, fewer samples
            def fewer(n, *rest, simulate=getattr(tool, name), **more):
                return simulate(min(n, 60), *rest, **more)
            setattr(tool, name, fewer)
        for name, (build, steps, batch, *rest) in tool.RECIPES.items():
            tool.RECIPES[name] = (build, steps, 4, *rest)
            tool.make(name, 2, None)
    """,
}


@pytest.fixture(scope="module")
def evaluation_only(tmp_path_factory):
    """A folder laid out as that of the real data, and marked like it; what lies there stands for the real sky."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "README.md").write_text("Real data for checking, never for training. Evaluate on them only.\n")
    write_sdss(simulate_quasars(8, seed=77), folder / "sdss")
    rng = torch.Generator().manual_seed(1)
    blocks = [(1e-21 * torch.randn(4, 3, 4096, generator=rng, dtype=torch.float64), torch.tensor([0, 1, 0, 1]))]
    write_g2net(blocks, folder / "g2net")
    return folder


def guarded(program, folder):
    environment = {**os.environ, "WORKSHOP_DATA": str(folder), "WORKSHOP_PROFILE": "ci"}
    program = GUARD + textwrap.dedent(program)
    return subprocess.run([sys.executable, "-c", program, str(ROOT)], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("path", PATHS)
def test_no_training_reads_a_file_that_is_for_evaluation_only(evaluation_only, path, count):
    done = guarded(PATHS[path], evaluation_only)
    assert done.returncode == 0, done.stderr[-2000:]
    count("training paths that opened no file marked evaluation only")


@pytest.mark.parametrize(
    "reader",
    [
        "spectra.read_sdss(file).flux",
        "sources.real_spectra().z",
        "__import__('numpy').load(strain)",
        "__import__('h5py').File(REAL + '/a.hdf5')",
        "__import__('workshop_utils.strain').strain.read_gwosc(SHIPPED + '/strain/GW150914-H1.hdf5')",
    ],
)
def test_a_training_that_does_would_be_caught(evaluation_only, reader, full):
    """The guard sees every reader: FITS, the table of real spectra, npy, HDF5."""
    if not full and "h5py" not in reader:
        pytest.skip("only with --full")
    program = f"""
        file = REAL + "/sdss/spec-0000-00000-0001.fits"
        strain = REAL + "/g2net/train/0/0/0/x.npy"
        def batches(step):
            {reader}
            return torch.zeros(2, 3), torch.zeros(2)
        learn(batches)
    """
    done = guarded(program, evaluation_only)
    assert done.returncode != 0 and "which is for evaluation only" in done.stderr, done.stderr[-2000:]


def test_notebooks_never_train_where_they_read_real_data(executed, count):
    """No cell both opens a real file and takes a step downhill, and no name bound to real data is trained on."""
    for name, (folder, _) in executed.items():
        log = (folder.parent / f"{folder.name}.log").read_text().splitlines()
        assert log, name
        for cell in "\n".join(log).split("cell\n"):
            lines = set(cell.splitlines())
            assert not {"real", "step"} <= lines, f"{name}: a cell read real data and trained"
        count("training paths that opened no file marked evaluation only", "step" in log)


TRAINING = ("train", "dataset_batches", "backward", "fit_temperature")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_names_of_real_data_are_not_trained_on(path):
    """In a notebook, what comes from `real_spectra` or the functions of real strain reaches no call that trains."""
    real, trains = set(), []
    readers = {"real_spectra", "fetch_sdss", "own_spectra", "real_strain", "read_gwosc", "g2net_labels", "read_g2net"}
    for source in code_of(path):
        for node in ast.walk(ast.parse(source)):
            used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            calls = {called(part) for part in ast.walk(node) if isinstance(part, ast.Call)}
            if isinstance(node, ast.Assign) and (calls & readers or used & real):
                real |= {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
            if isinstance(node, ast.Call) and called(node) in TRAINING:
                trains.append((ast.unparse(node), used))
    assert not [call for call, used in trains if used & real], path.stem


def called(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


# ------------------------------------------------------------------------------- it says what it shows

MAKERS = re.compile(r"\b(simulate_(quasars|galaxies|classes|strain)|write_kaggle|write_sdss)\(")
REAL = re.compile(r"\b(real_spectra|own_spectra|fetch_sdss|real_strain|read_gwosc|g2net_labels)\(")


def said(cell):
    """What a cell printed or drew text of."""
    texts = []
    for output in cell.outputs:
        shown = output.get("data", {})
        texts += [output.get("text", ""), *(str(shown[kind]) for kind in shown if kind.startswith("text"))]
    return " ".join(texts)


def test_notebooks_say_of_every_data_set_whether_it_is_simulated_or_real(executed, count):
    """Printed by the cell that makes or reads the data, or by one of the next three."""
    silent = []
    for name, (_, book) in executed.items():
        cells = [cell for cell in book.cells if cell.cell_type == "code"]
        for i, cell in enumerate(cells):
            either = REAL.search(cell.source) or "real" in cell.source  # simulated where there is nothing real
            for pattern, words in ((MAKERS, "simulat|real" if either else "simulat"), (REAL, "simulat|real")):
                if "def " not in cell.source.split("\n")[0] and pattern.search(cell.source):
                    if re.search(words, " ".join(said(near) for near in cells[i : i + 4]), re.IGNORECASE):
                        count("data sets in notebooks that say whether they are simulated or real")
                    else:
                        silent.append(f"{name}: {pattern.search(cell.source)[0]} in {cell.source[:60]!r}")
    assert not silent, "\n".join(silent)


# ------------------------------------------------------------------------------- train and test never meet


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_seed_of_a_simulation_is_used_twice_in_a_notebook(path):
    """So that no sample drawn for training or fitting is drawn again for a test."""
    seeds = Counter()
    for source in code_of(path):
        for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
            if re.match(r"simulate_(quasars|galaxies|classes|strain)$", called(call)):
                given = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "seed")]
                seeds.update((called(call), value.value) for value in given if isinstance(value, ast.Constant))
    assert not [use for use, n in seeds.items() if n > 1]


@given(st.integers(1, 2**11 - 1), st.integers(0, 2**20 - 1), st.integers(1, 2**11 - 1), st.integers(0, 2**20 - 1))
def test_seeds_of_batches_differ_from_each_other_and_from_those_of_test_sets(seed, step, other_seed, other_step):
    one, two = batch_seed(seed, step), batch_seed(other_seed, other_step)
    assert (one == two) == ((seed, step) == (other_seed, other_step))
    assert 2**31 <= one < 2**32  # torch reads 32 bits, and a test set's seed must lie below 2**31


def test_a_test_set_cannot_be_asked_for_with_a_seed_of_training():
    for seed in (batch_seed(1, 0), batch_seed(2047, 2**20 - 1), 2**31, -1):
        with pytest.raises(ValueError, match="must lie between 0 and"):
            simulate_quasars(2, seed=seed)


@given(st.lists(st.integers(-2, 40), min_size=1, max_size=200), st.floats(0.05, 0.95), st.integers(0, 2**31 - 1))
def test_no_object_is_on_both_sides_of_a_split(thing_id, share, seed):
    thing_id = np.array(thing_id)
    test = split_by_thing(thing_id, share, seed)
    known = thing_id > 0
    assert not set(thing_id[test & known]) & set(thing_id[~test & known])
    again = split_by_thing(np.append(thing_id, [7, 9]), share, seed)
    np.testing.assert_array_equal(again[:-2], test)  # more spectra move no object


# ------------------------------------------------------------------------------- luck looks like luck


@pytest.fixture(scope="module")
def classes():
    """Simulated spectra and labels that no training has seen, and what the shipped classifier says."""
    flux, label = simulate_classes(600, seed=7_000_002)
    network, temperature = class_network()
    return label.numpy(), temper(predict(network, standardise(flux)[:, None]), temperature)[:, 0]


def test_with_labels_shuffled_the_scores_of_classes_fall_to_chance(classes):
    label, p = classes
    true = class_scores(p, label == 0)
    shuffled = [class_scores(p, np.random.default_rng(i).permutation(label) == 0) for i in range(20)]
    assert true["auc"] > 0.97
    for key in ("auc", "accuracy"):
        values = np.array([one[key] for one in shuffled])
        assert abs(values.mean() - 0.5) < 4 * 0.025 / np.sqrt(20) and np.abs(values - 0.5).max() < 0.1  # 600 objects
        assert true[key] > values.max() + 0.2


def test_with_redshifts_shuffled_the_scores_fall_to_chance():
    """Chance: how often the redshift of another quasar of the same sky lies within 6,000 km/s."""
    quasars = simulate_quasars(600, seed=7_000_003)
    network = redshift_network()
    found = summarise_probability(predict(network, standardise(quasars.flux)[:, None]).softmax(1), network.z)
    z, low, high = found[:, 0].numpy(), found[:, 1].numpy(), found[:, 2].numpy()
    truth = quasars.z.numpy()
    chance = (np.abs(scores.velocity_error(truth[:, None], truth)) < 6000).mean()
    for i in range(5):
        wrong = np.random.default_rng(i).permutation(truth)
        assert abs(redshift_scores(z, wrong)["accuracy_6000"] - chance) < 4 * np.sqrt(chance / 600)
        assert scores.interval_coverage(low, high, wrong)[0] < 0.1
    assert redshift_scores(z, truth)["accuracy_6000"] > 0.95 and chance < 0.1


def test_with_labels_shuffled_a_network_learns_nothing():
    """Trained on labels dealt at random it is, over many deals, no better than a coin on fresh spectra."""
    flux, label = simulate_classes(640, seed=7_000_004)
    new, truth = simulate_classes(600, seed=7_000_005)
    inputs, new = standardise(flux)[:, None], standardise(new)[:, None]

    def learned(target, seed):
        torch.manual_seed(seed)
        parts = nn.AvgPool1d(32), nn.Flatten(), nn.Linear(144, 32), nn.ReLU(), nn.Linear(32, 2), nn.LogSoftmax(1)
        network = nn.Sequential(*parts)
        train(network, dataset_batches(inputs, target, 64, seed=1), nn.functional.nll_loss, 60, learning_rate=3e-3)
        return class_scores(predict(network, new).exp()[:, 0].numpy(), truth.numpy() == 0)["auc"]

    deals = [label[torch.randperm(640, generator=torch.Generator().manual_seed(i))] for i in range(20)]
    by_chance = np.array([learned(target, i) for i, target in enumerate(deals)])
    assert learned(label, 0) > 0.9 > by_chance.max()
    assert abs(by_chance.mean() - 0.5) < 4 * by_chance.std() / np.sqrt(20)


def test_strain_without_signals_is_not_detected_more_than_with_labels_dealt():
    """The area under the ROC curve of the loudest sample, with targets dealt at random: one half."""
    strain = simulate_strain(400, seed=7_000_006)
    loud, target = strain.strain.abs().amax((1, 2)).numpy(), strain.signal.numpy() > 0
    dealt = [class_scores(loud / loud.max(), np.random.default_rng(i).permutation(target))["auc"] for i in range(20)]
    assert abs(np.mean(dealt) - 0.5) < 0.05
