"""measure_redshift as an astronomer meets it: good files, bad files, and the real sky."""

import json

import numpy as np
import pytest
import torch

from workshop_utils import measure_redshift
from workshop_utils.apply import REDSHIFT_CHECKPOINT, redshift_network, shortest_interval, summarise_probability
from workshop_utils.networks import CNN, log_redshift_mse
from workshop_utils.scores import interval_coverage, redshift_scores, velocity_error
from workshop_utils.simulate import simulate_quasars
from workshop_utils.sources import real_spectra, shipped
from workshop_utils.spectra import LOGLAM, standardise
from workshop_utils.training import load_checkpoint, predict

COLUMNS = ["z", "z_low", "z_high", "confidence", "problem"]


@pytest.fixture(scope="module")
def sky():
    """Fresh simulated quasars that no training and no other test has seen."""
    return simulate_quasars(1000, seed=5_000_001)


def write_simulated(write_sdss, folder, sky, k):
    """Row k of `sky` as an SDSS file."""
    flux, ivar = sky.flux[k].numpy(), sky.ivar[k].numpy()
    return write_sdss(folder / f"spec-{k}.fits", loglam=LOGLAM, flux=flux, ivar=ivar, z=float(sky.z[k]))


def test_good_and_bad_files_in_one_call(tmp_path, write_sdss, sky):
    bright = np.argsort(-sky.sn.numpy())[:3]
    good = [write_simulated(write_sdss, tmp_path, sky, k) for k in bright]
    text = tmp_path / "notes.fits"
    text.write_text("not a spectrum")
    files = [good[0], tmp_path / "missing.fits", good[1], text, good[2]]
    table = measure_redshift(files)
    assert list(table.columns) == COLUMNS and table.index.name == "file"
    assert list(table.index) == [str(f) for f in files]
    ok = table[table.problem == ""]
    assert list(ok.index) == [str(f) for f in good]
    assert np.abs(velocity_error(ok.z, sky.z[bright])).max() < 6000
    assert (ok.z_low <= ok.z).all() and (ok.z <= ok.z_high).all() and ok.confidence.between(0, 1.000001).all()
    bad = table[table.problem != ""]
    assert bad[COLUMNS[:4]].isna().all(axis=None)
    assert "missing.fits" in bad.problem.iloc[0] and "notes.fits" in bad.problem.iloc[1]
    assert "\n" not in bad.problem.str.cat()


def test_one_path_alone_is_a_list_of_one(tmp_path, write_sdss):
    path = write_sdss(tmp_path / "spec.fits")
    assert measure_redshift(str(path)).equals(measure_redshift([path]))


def test_nothing_usable_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"None of the 2 files can be used\..*a\.fits"):
        measure_redshift([tmp_path / "a.fits", tmp_path / "b.fits"])
    with pytest.raises(ValueError, match="No files were given"):
        measure_redshift([])


def test_brightness_does_not_change_the_redshift(tmp_path, write_sdss, sky):
    flux, ivar = sky.flux[0].numpy(), sky.ivar[0].numpy()
    scaled = [
        write_sdss(tmp_path / f"{a:g}.fits", loglam=LOGLAM, flux=a * flux, ivar=ivar / a**2) for a in (1, 1e-3, 1e5)
    ]
    table = measure_redshift(scaled)
    assert np.allclose(table.z, table.z.iloc[0], rtol=1e-4)


def test_shift_network_that_ships(sky):
    network = redshift_network()
    found = summarise_probability(predict(network, standardise(sky.flux)[:, None]).softmax(1), network.z)
    z, low, high, confidence = found.numpy().T
    assert redshift_scores(z, sky.z)["accuracy_6000"] >= 0.98
    assert 0.6 < interval_coverage(low, high, sky.z)[0] < 0.99
    wrong = np.abs(velocity_error(z, sky.z)) > 6000
    assert np.median(confidence[wrong]) < 0.8 < np.median(confidence[~wrong])


def test_cnn_that_ships(sky):
    network = CNN()
    card = load_checkpoint(network, shipped("checkpoints/redshift_cnn_mse.safetensors"))
    output = predict(network, standardise(sky.flux)[:, None])
    assert redshift_scores(torch.expm1(output[:, 0]), sky.z)["accuracy_6000"] >= 0.93
    assert log_redshift_mse(output, sky.z) < 0.01
    assert card["spectra"] == card["steps"] * card["batch"]


def test_cards_lie_beside_the_checkpoints():
    for name in (REDSHIFT_CHECKPOINT, "checkpoints/redshift_cnn_mse.safetensors"):
        card = json.loads(shipped(name).with_suffix(".json").read_text())
        assert {"seed", "steps", "spectra", "test", "torch", "seconds", "trained_on"} <= card.keys()


def test_summary_of_two_peaks():
    z = redshift_network().z
    probability = torch.zeros(1, len(z))
    probability[0, 1000], probability[0, 1500] = 0.7, 0.3
    best, low, high, confidence = summarise_probability(probability, z)[0].tolist()
    assert best == pytest.approx(float(z[1000]), rel=1e-5) and confidence == pytest.approx(0.7)
    assert low < best < high < float(z[1001])


def test_shortest_interval_of_a_gaussian():
    x = torch.arange(200.0)
    probability = torch.softmax(-0.5 * ((x - 100) / 10) ** 2, 0)[None]
    low, high = (end.item() for end in shortest_interval(probability))
    assert low == pytest.approx(100 - 9.945, abs=0.4) and high == pytest.approx(100 + 9.945, abs=0.4)


def test_real_quasars():
    real = real_spectra()
    table, z = measure_redshift(real.file), real.z.to_numpy()
    assert redshift_scores(table.z, z)["accuracy_6000"] >= 0.97
    assert 0.6 <= interval_coverage(table.z_low, table.z_high, z)[0] <= 0.85
