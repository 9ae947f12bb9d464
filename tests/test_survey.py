"""A survey as one array: nothing lost, doubled or out of order, whatever happens on the way; damage is found."""

import json
import os
import shutil
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from workshop_utils import spectra, survey
from workshop_utils.simulate.files import write_g2net, write_kaggle
from workshop_utils.spectra import N_PIXELS, SpectrumError, kaggle_labels, standardise
from workshop_utils.strain import N_SAMPLES, StrainError, design_asd, g2net_labels, read_g2net, whiten
from workshop_utils.survey import SurveyError, open_survey, prepare_spectra, prepare_strain
from workshop_utils.training import dataset_batches


@pytest.fixture(scope="module")
def kaggle(tmp_path_factory):
    return write_kaggle(tmp_path_factory.mktemp("kaggle") / "quasar.h5", 155, seed=4)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(survey, "BLOCK", 16)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_rows_and_labels_are_those_of_the_source_in_its_order(kaggle, tmp_path, small_blocks):
    values, labels, card = prepare_spectra(kaggle, tmp_path / "s")
    expected = kaggle_labels(kaggle)
    assert len(expected) > 5 * 16 and len(expected) % 16 and len(card["sha256"]) == -(-len(expected) // 16)
    pd.testing.assert_frame_equal(labels.drop(columns="usable"), expected, check_dtype=False, rtol=1e-7)
    assert labels.usable.all()
    with h5py.File(kaggle) as file:
        exact = standardise(file["flux"][:][expected.row])
    assert values.shape == (len(expected), 1, N_PIXELS) and values.dtype == torch.float16
    # half precision: 11 binary digits of each value, below 1/16,384 steps of 2^-24
    np.testing.assert_allclose(values[:, 0].float(), exact, rtol=2**-11, atol=2**-24)
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["card.json", "labels.csv", "values.npy"]


def test_half_precision_loses_far_less_than_the_noise(kaggle, tmp_path):
    values, labels, _ = prepare_spectra(kaggle, tmp_path / "s")
    with h5py.File(kaggle) as file:
        exact = standardise(file["flux"][:][labels.row])
    noise = np.abs(np.diff(exact)).mean(1) / 1.128  # mean difference of two neighbours: 2/sqrt(pi) sigma
    rounding = np.abs(values[:, 0].float().numpy() - exact).std(1)
    assert np.median(rounding / noise) < 0.01 and np.all(rounding < 0.02 * noise)


def test_again_with_the_same_source_opens_and_with_another_refuses(kaggle, tmp_path, monkeypatch):
    first = prepare_spectra(kaggle, tmp_path / "s")
    with monkeypatch.context() as patch:
        patch.setattr(survey, "take_up", None)  # would be called to write
        again = prepare_spectra(kaggle, tmp_path / "s")
    assert torch.equal(first.values, again.values)
    with pytest.raises(SurveyError, match="something else than .*quasar.h5"):
        prepare_spectra(kaggle, tmp_path / "s", z_conf=0)


def test_a_killed_run_goes_on_with_nothing_lost_or_doubled(kaggle, tmp_path, small_blocks, monkeypatch):
    """Killed after a block was written, before it counted."""
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
        import os, signal, sys
        from workshop_utils import survey
        survey.BLOCK, write = 16, survey.append
        def deadly(file, half):
            write(file, half)
            if file.tell() > 3 * 16 * 9236:
                os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        survey.append = deadly
        survey.prepare_spectra(sys.argv[1], sys.argv[2])
    """)
    )
    run = subprocess.run([sys.executable, script, kaggle, tmp_path / "s"], capture_output=True)
    part = tmp_path / "s.part"
    assert run.returncode != 0 and not (tmp_path / "s").exists(), run.stderr.decode()
    assert len(json.loads((part / "card.json").read_text())["sha256"]) == 2
    read, blocks = [], spectra.kaggle_blocks

    def spy(path, rows, block):
        read.extend(rows)
        return blocks(path, rows, block)

    monkeypatch.setattr(survey, "kaggle_blocks", spy)
    prepare_spectra(kaggle, tmp_path / "s")
    assert read == list(kaggle_labels(kaggle).row[32:]) and not part.exists()
    prepare_spectra(kaggle, tmp_path / "whole")
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


def interrupted(kaggle, folder, monkeypatch, blocks):
    """Stop by hand after so many blocks; the folder with what there is."""
    with monkeypatch.context() as patch:
        counted = iter(range(blocks))
        whole = survey.append

        def stop(file, half):
            if next(counted, None) is None:
                raise KeyboardInterrupt
            whole(file, half)

        patch.setattr(survey, "append", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare_spectra(kaggle, folder)
    return folder.with_name(folder.name + ".part")


def flip_byte(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_what_was_damaged_while_it_waited_is_made_again(kaggle, tmp_path, small_blocks, monkeypatch):
    part = interrupted(kaggle, tmp_path / "s", monkeypatch, 4)
    flip_byte(part / "values.npy", 128 + 20 * 2 * N_PIXELS)  # in the second block
    prepare_spectra(kaggle, tmp_path / "s")
    prepare_spectra(kaggle, tmp_path / "whole")
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


@pytest.mark.parametrize("spoil", ["other selection", "cut card", "cut values", "no values"])
def test_what_is_of_no_use_is_begun_anew(kaggle, tmp_path, small_blocks, monkeypatch, spoil):
    part = interrupted(kaggle, tmp_path / "s", monkeypatch, 4)
    if spoil == "cut card":
        (part / "card.json").write_text('{"source"')
    if spoil == "cut values":
        (part / "values.npy").write_bytes(b"\x93NUMPY")
    if spoil == "no values":
        (part / "values.npy").unlink()
    options = {"z_conf": 0} if spoil == "other selection" else {}
    prepare_spectra(kaggle, tmp_path / "s", **options)
    prepare_spectra(kaggle, tmp_path / "whole", **options)
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


def test_damage_is_found_by_its_checksum(kaggle, tmp_path, small_blocks):
    prepare_spectra(kaggle, tmp_path / "s")
    assert open_survey(tmp_path / "s", check=True).labels.usable.all()
    flip_byte(tmp_path / "s" / "values.npy", 128 + 40 * 2 * N_PIXELS)
    open_survey(tmp_path / "s")  # quick: does not look
    with pytest.raises(SurveyError, match="1 of .* blocks differ from their checksums, first rows 32 to 47"):
        open_survey(tmp_path / "s", check=True)


@pytest.mark.parametrize(
    "name, words",
    [
        ("card.json", "no prepared survey"),
        ("labels.csv", "labels.csv is not whole|labels.csv is damaged"),
        ("values.npy", "values.npy or labels.csv is not whole"),
    ],
)
def test_missing_and_cut_files_are_named(kaggle, tmp_path, name, words):
    prepare_spectra(kaggle, tmp_path / "s")
    path = tmp_path / "s" / name
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SurveyError, match=words):
        open_survey(tmp_path / "s")
    path.unlink()
    with pytest.raises(SurveyError, match=words):
        open_survey(tmp_path / "s")


def test_a_full_disk_is_said_before_anything_is_written(kaggle, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10**5)
    monkeypatch.setattr(survey.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(SurveyError, match=r"needs 0\.00 GB, but this disk has 0\.00 GB free; make room"):
        prepare_spectra(kaggle, tmp_path / "s")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_on_the_way_loses_nothing(kaggle, tmp_path, small_blocks, monkeypatch):
    class Full:
        name = "values.npy"

        def write(self, data):
            raise OSError(28, "No space left on device")

    whole, full = survey.append, iter([False, False, True])
    with monkeypatch.context() as patch:
        patch.setattr(survey, "append", lambda file, half: whole(Full() if next(full) else file, half))
        with pytest.raises(SurveyError, match=r"values.npy: it cannot be written \(No space left.*goes on from here"):
            prepare_spectra(kaggle, tmp_path / "s")
    assert len(survey.read_card(tmp_path / "s.part")["sha256"]) == 2
    prepare_spectra(kaggle, tmp_path / "s")
    assert not survey.damaged_blocks(tmp_path / "s", survey.read_card(tmp_path / "s"))


def test_spectra_that_hold_no_numbers_are_marked(kaggle, tmp_path, small_blocks):
    path = shutil.copy(kaggle, tmp_path / "bad.h5")
    rows = kaggle_labels(path).row
    with h5py.File(path, "r+") as file:
        file["flux"][rows[3], 100] = np.nan
        file["flux"][rows[39], 100] = np.inf  # clipped, as any outlier
        file["flux"][rows[40]] = np.nan
    values, labels, card = prepare_spectra(path, tmp_path / "s")
    assert list(np.flatnonzero(~labels.usable)) == card["unusable"] == [3, 40]
    assert values.isfinite().all() and not values[[3, 40]].any() and values[[4, 39]].any(-1).all()


def test_values_beyond_half_precision_are_no_numbers_either():
    values = torch.ones(4, 2, 3)
    values[1, 0, 0], values[2, 1, 2] = 1e5, -65504
    half, unusable = survey.to_half(values)
    assert list(unusable) == [1] and half[2, 1, 2] == -65504 and not half[1].any()
    assert half.sum(dtype=float) == 3 * 6 - 1 - 65504


def test_a_source_without_wanted_rows_or_no_source_is_refused(kaggle, tmp_path):
    with pytest.raises(SurveyError, match="quasar.h5: no row is left"):
        prepare_spectra(kaggle, tmp_path / "s", classes=(7,))
    with pytest.raises(SpectrumError, match="does not exist"):
        prepare_spectra(tmp_path / "absent.h5", tmp_path / "s")


def test_memory_does_not_grow_with_the_survey(tmp_path):
    """20,000 spectra of zeros, 370 MB when read, that take no room in the file."""
    resource = pytest.importorskip("resource")
    with h5py.File(tmp_path / "large.h5", "w") as file:
        file.create_dataset("flux", (20_000, N_PIXELS), np.float32, chunks=(64, N_PIXELS))
        for name in spectra.KAGGLE_LABELS:
            file[name] = np.full(20_000, 3)
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
        import resource, sys
        from workshop_utils import survey
        survey.BLOCK = 128
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        survey.prepare_spectra(sys.argv[1], sys.argv[2])
        sys.exit(f"grown by {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before}")
    """)
    )
    run = [sys.executable, script, tmp_path / "large.h5", tmp_path / "s"]
    said = subprocess.run(run, capture_output=True, text=True).stderr
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(said.rsplit(maxsplit=1)[-1]) * unit < 150e6, said
    assert resource and len(open_survey(tmp_path / "s").values) == 20_000


def test_training_reads_the_rows_it_was_given_once_an_epoch(kaggle, tmp_path):
    values, labels, _ = prepare_spectra(kaggle, tmp_path / "s")
    test = spectra.split_by_thing(labels.thing_id, test_share=0.3)
    z, rows = torch.tensor(labels.z.to_numpy()), np.flatnonzero(~test)
    batches = dataset_batches(values, z, 10, seed=1, rows=rows)
    seen = [batches(step) for step in range(len(rows) // 10)]
    assert torch.cat([part for _, part in seen]).unique().numel() <= len(rows)
    place = {tuple(value[0, ::500].tolist()): row for row, value in enumerate(values)}
    shown = [place[tuple(value[0, ::500].tolist())] for spectra_, _ in seen for value in spectra_]
    assert len(shown) == len(set(shown)) == len(rows) // 10 * 10 and set(shown) <= set(rows)
    assert all(z[place[tuple(v[0, ::500].tolist())]] == t for s, ts in seen for v, t in zip(s, ts, strict=True))


# Strain -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def g2net(tmp_path_factory):
    """A tree of 40 samples of noise; every third has "signal"."""
    rng = torch.Generator().manual_seed(2)
    asd = torch.tensor(design_asd(np.fft.rfftfreq(N_SAMPLES, 1 / 2048)), dtype=torch.float64)
    waves = torch.randn(40, 3, asd.shape[-1], dtype=torch.complex128, generator=rng)
    strain = torch.fft.irfft(waves * asd.nan_to_num(posinf=0) * (N_SAMPLES * 1024) ** 0.5, N_SAMPLES)
    target = torch.arange(40) % 3 == 0
    parts = zip(strain.split(16), target.split(16), strict=True)
    return strain, write_g2net(parts, tmp_path_factory.mktemp("data") / "g2net")


def test_an_interrupted_tree_leaves_nothing_and_an_old_one_stays(g2net, tmp_path):
    strain, folder = g2net

    def stopped():
        yield strain[:2], torch.zeros(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_g2net(stopped(), tmp_path / "g2net")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileExistsError, match="is there already"):
        write_g2net([], folder)
    assert len(g2net_labels(folder)) == 40


def test_g2net_tree_is_that_of_the_competition(g2net):
    strain, folder = g2net
    labels = g2net_labels(folder)
    assert len(labels) == 40 and labels.target.sum() == 14 and labels.id.is_monotonic_increasing
    for name, file in zip(labels.id, labels.file, strict=True):
        assert file.endswith(f"{name[0]}/{name[1]}/{name[2]}/{name}.npy".replace("/", os.sep)) and len(name) == 10
    assert np.load(labels.file[0]).dtype == np.float64 and np.load(labels.file[0]).shape == (3, N_SAMPLES)
    found = torch.from_numpy(read_g2net(labels.file)).double()
    assert all((found[i] - strain).abs().amax((1, 2)).min() < 1e-6 * strain.abs().max() for i in range(40))


def test_strain_is_whitened_in_the_order_of_the_labels(g2net, tmp_path, small_blocks):
    _, folder = g2net
    values, labels, card = prepare_strain(folder, tmp_path / "s")
    expected = g2net_labels(folder)
    assert list(labels.id) == list(expected.id) and list(labels.target) == list(expected.target)
    exact = whiten(torch.from_numpy(read_g2net(expected.file)))
    torch.testing.assert_close(values.float(), exact, rtol=2**-11, atol=2**-24)
    assert values.shape == (40, 3, N_SAMPLES) and len(card["sha256"]) == 3 and labels.usable.all()
    assert values[:, :, 400:-400].float().std() == pytest.approx(1, abs=0.02) and values.abs().max() < 10


def test_strain_goes_on_after_a_bad_file_was_replaced(g2net, tmp_path, small_blocks):
    _, folder = g2net
    folder = shutil.copytree(folder, tmp_path / "g2net")
    file = g2net_labels(folder).file[20]
    good = shutil.copy(file, tmp_path / "good.npy")
    with open(file, "r+b") as handle:
        handle.truncate(1000)
    with pytest.raises(StrainError, match=os.path.basename(file)):
        prepare_strain(folder, tmp_path / "s")
    assert len(survey.read_card(tmp_path / "s.part")["sha256"]) == 1
    shutil.copy(good, file)
    prepare_strain(folder, tmp_path / "s")
    prepare_strain(folder, tmp_path / "whole")
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")
