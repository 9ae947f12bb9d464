"""Numbers that must not depend on the unit, the grid's origin, the machine's precision or the process."""

import copy
import hashlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_bad_files import write_fits

from workshop_utils import measure_redshift
from workshop_utils.apply import class_network, redshift_network, summarise_probability, waves_network
from workshop_utils.scores import temper, velocity_error
from workshop_utils.simulate import simulate_quasars, simulate_strain
from workshop_utils.spectra import LOGLAM, standardise
from workshop_utils.strain import check_strain, design_asd, read_g2net, whiten


@pytest.fixture(scope="module")
def bright():
    """Six bright simulated quasars that no training has seen."""
    quasars = simulate_quasars(200, seed=7_000_001)
    rows = quasars.sn.argsort(descending=True)[:6]
    return type(quasars)(*(part[rows] for part in quasars))


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    """Return spec(flux, ivar, loglam), which measures the redshift of a file with these columns."""
    path = tmp_path_factory.mktemp("spec") / "spec.fits"
    return lambda *columns: measure_redshift(write_fits(path, *columns, dtype="f8")).z.iloc[0]


def measured(flux):
    """Redshift, interval and confidence (n, 4), and probability of a quasar (n,), from raw flux (n, 4618)."""
    x = standardise(flux)[:, None]
    network, (classes, temperature) = redshift_network(), class_network()
    with torch.no_grad():
        return (summarise_probability(network(x).softmax(1), network.z).numpy(), temper(classes(x), temperature)[:, 0])


@pytest.fixture(scope="module")
def as_it_is(bright):
    return measured(bright.flux)


@given(st.floats(-34, 34))
def test_any_positive_constant_gives_the_same_answers(bright, as_it_is, power):
    """From 1e-34 to 1e34: what float32 can hold of the flux."""
    plain, quasar = as_it_is
    scaled, scaled_quasar = measured((bright.flux.double() * 10**power).float())
    assert np.abs(velocity_error(scaled[:, 0], plain[:, 0])).max() < 1  # km/s
    np.testing.assert_allclose(scaled, plain, rtol=1e-3)
    np.testing.assert_allclose(scaled_quasar, quasar, atol=1e-3)


@given(st.floats(-16, 16), st.floats(0.001, 1000))
def test_any_positive_constant_gives_the_same_answers_from_files(bright, spec, power, factor):
    flux, ivar = bright.flux[0].double().numpy(), bright.ivar[0].double().numpy()
    constant = factor * 10**power
    (plain, scaled) = (spec(flux * by, ivar / by**2, LOGLAM) for by in (1, constant))
    assert abs(velocity_error(scaled, plain)) < 1


@given(st.integers(0, 5), st.integers(-400, 400))
def test_a_shift_of_the_grid_by_whole_pixels_shifts_the_answer_by_as_many(bright, spec, i, pixels):
    """Every line moves by so many pixels of 69 km/s: 1 + z is multiplied by 10^(1e-4 pixels)."""
    flux, ivar = bright.flux[i].numpy(), bright.ivar[i].numpy()
    plain, moved = (spec(flux, ivar, LOGLAM + 1e-4 * k) for k in (0, pixels))
    expected = (1 + plain) * 10 ** (1e-4 * pixels) - 1
    assert abs(velocity_error(moved, expected)) < 500  # of a bin of 276 km/s and the noise at the ends


def test_strain_does_not_underflow():
    """Noise of the design, 1e-21 and down to 1e-23, whitened in float32 as in float64: unit variance, no zeros."""
    rng = torch.Generator().manual_seed(1)
    noise = torch.randn(4, 3, 4096, generator=rng, dtype=torch.float64)
    for size in (1e-19, 1e-21, 1e-23):
        single, double = whiten((size * noise).float()), whiten(size * noise)
        assert single.dtype == torch.float32 and single.isfinite().all() and (single != 0).float().mean() > 0.99
        assert (single - double).abs().max() / double.abs().max() < 1e-4
    assert (check_strain(1e-21 * noise) != 0).all()
    asd = np.asarray(design_asd(np.linspace(20, 500, 100)))
    assert (asd.astype(np.float32) > 0).all() and (asd.astype(np.float32) ** 2 == 0).any()  # why it is never a PSD


def test_strain_does_not_underflow_in_files(tmp_path):
    strain = 1e-21 * np.random.default_rng(0).normal(size=(3, 4096))
    np.save(tmp_path / "a.npy", strain)
    np.testing.assert_allclose(read_g2net(tmp_path / "a.npy")[0], strain, rtol=1e-6)


def moved_to(where, x):
    """Network or tensor in another place: a device, or in double precision on the CPU."""
    return copy.deepcopy(x).double() if where == "float64" else copy.deepcopy(x).to(where)


@pytest.mark.parametrize("where", ["float64", "cuda", "mps"])
def test_answers_agree_with_those_of_a_gpu_and_of_double_precision(bright, where):
    """Redshifts to 10 km/s, probabilities of a class to 1e-3, log odds to 0.01, whitened strain to 1e-3 sigma."""
    if where != "float64" and not getattr(torch, where).is_available():
        pytest.skip(f"no {where} here")
    strain = simulate_strain(8, seed=7_000_003).strain
    white, spectra = whiten(strain), standardise(bright.flux)[:, None]
    assert (whiten(moved_to(where, strain)).cpu() - white).abs().max() < 1e-3
    assert (standardise(moved_to(where, bright.flux)).cpu() - spectra[:, 0]).abs().max() < 1e-3
    networks = [redshift_network(), class_network()[0], waves_network()]
    with torch.no_grad():
        pairs = [(network(x), moved_to(where, network)(moved_to(where, x)).cpu().float())
                 for network, x in zip(networks, (spectra, spectra, white), strict=True)]  # fmt: skip
    (here, there), classes, log_odds = pairs
    z = [summarise_probability(scores.softmax(1), networks[0].z)[:, 0].numpy() for scores in (here, there)]
    assert np.abs(velocity_error(*z)).max() < 10
    assert (classes[0].softmax(1) - classes[1].softmax(1)).abs().max() < 1e-3
    assert (log_odds[0] - log_odds[1]).abs().max() < 0.01


PROGRAM = textwrap.dedent("""
    import hashlib, sys
    import torch
    from workshop_utils import simulate, training
    from workshop_utils.networks import ShiftNetwork
    torch.set_num_threads(1)
    digest = hashlib.sha256()
    for name in sorted(dir(simulate)):
        if name.startswith("simulate_"):
            for part in getattr(simulate, name)(5, seed=11):
                digest.update(part.numpy().tobytes())
    flux, label = training.simulate_classes(6, seed=11)
    digest.update(flux.numpy().tobytes() + label.numpy().tobytes())
    torch.manual_seed(3)
    network = ShiftNetwork()
    training.train(network, training.quasar_batches(8, seed=3), network.loss, 3)
    training.save_checkpoint(network, sys.argv[1], {"seed": 3})
    digest.update(open(sys.argv[1], "rb").read())
    print(digest.hexdigest())
""")


def test_identical_seeds_give_identical_bytes_in_two_processes(tmp_path, count):
    """Spectra, strain, labels, and the checkpoint of a training, to the last bit."""
    said = []
    for i in range(2):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / f"{i}.safetensors")]
        said.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    assert said[0] == said[1] and len(said[0]) == 64
    files = [hashlib.sha256((tmp_path / f"{i}.safetensors").read_bytes()).hexdigest() for i in range(2)]
    assert files[0] == files[1]
    count("pairs of processes with identical seeds and identical bytes")
