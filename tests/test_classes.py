"""Quasar or galaxy: the batches, the network, the scores, and classify_spectra as an astronomer meets it."""

import json

import numpy as np
import pytest
import torch

from workshop_utils import classify_spectra
from workshop_utils.apply import CLASS_CHECKPOINT, class_network
from workshop_utils.networks import classifier
from workshop_utils.scores import (
    area_under_curve,
    calibration_table,
    class_scores,
    expected_calibration_error,
    fit_temperature,
    purity_completeness,
    roc_curve,
    temper,
)
from workshop_utils.simulate import simulate_galaxies, simulate_quasars
from workshop_utils.sources import real_spectra, shipped
from workshop_utils.spectra import LOGLAM, standardise
from workshop_utils.training import class_batches, predict, simulate_classes

COLUMNS = ["p_quasar", "p_galaxy", "p_star", "p_nothing", "problem"]

# Batches ------------------------------------------------------------------------------------------------------


def test_batches_hold_both_classes_equally_and_follow_from_their_number():
    batch = class_batches(20, seed=1)
    x, label = batch(3)
    assert x.shape == (20, 1, 4618) and x.dtype == torch.float32 and label.dtype == torch.int64
    assert label.bincount().tolist() == [10, 10]
    assert x.mean(-1).abs().max() < 1e-4 and torch.allclose(x.std(-1), torch.ones(20, 1), atol=1e-3)
    again, same = batch(3)
    assert torch.equal(x, again) and torch.equal(label, same)
    assert not torch.equal(x, batch(4)[0])


def test_classes_cannot_be_told_by_coverage_or_brightness():
    flux, label = simulate_classes(1000, seed=5)
    red = flux[:, 4250:4500]
    ends_early = (red == red[:, :1]).all(1)
    shares = [float(ends_early[label == k].float().mean()) for k in (0, 1)]
    assert shares[0] == pytest.approx(shares[1], abs=0.12)


def test_classes_refuse_bad_seeds():
    with pytest.raises(ValueError, match="seed is -1"):
        simulate_classes(4, seed=-1)
    with pytest.raises(ValueError, match="training seeds"):
        class_batches(4, seed=0)


# Network ------------------------------------------------------------------------------------------------------


def test_classifier_answers_with_log_probabilities():
    noise = torch.randn(3, 1, 4618, generator=torch.Generator().manual_seed(0))
    output = predict(classifier(), noise)
    assert output.shape == (3, 2)
    assert output.exp().sum(1).tolist() == pytest.approx([1, 1, 1], abs=1e-5)


# Scores, worked out by hand ------------------------------------------------------------------------------------


def test_purity_and_completeness():
    p, truth = [0.9, 0.8, 0.7, 0.2, 0.1], [True, False, True, True, False]
    assert purity_completeness(p, truth) == pytest.approx((2 / 3, 2 / 3))
    assert purity_completeness(p, truth, 0.85) == pytest.approx((1, 1 / 3))
    purity, completeness = purity_completeness(p, truth, 0.95)
    assert np.isnan(purity) and completeness == 0


def test_roc_counts_objects_of_equal_probability_together():
    false, true, threshold = roc_curve([0.9, 0.5, 0.5, 0.1], [True, True, False, False])
    assert false.tolist() == [0, 0, 0.5, 1] and true.tolist() == [0, 0.5, 1, 1]
    assert threshold.tolist() == [np.inf, 0.9, 0.5, 0.1]


def test_area_is_the_chance_to_order_a_pair():
    rng = np.random.default_rng(0)
    truth = rng.random(300) < 0.4
    p = np.round(rng.normal(truth, 1), 1)  # rounded, so that some are equal
    pairs = np.sign(p[truth][:, None] - p[~truth][None])
    assert area_under_curve(p, truth) == pytest.approx((pairs.mean() + 1) / 2)
    assert area_under_curve(-p, truth) == pytest.approx((1 - pairs.mean()) / 2)


def test_calibration_error_is_the_distance_of_promise_and_outcome():
    p = np.repeat([0.25, 0.95], 100)
    truth = np.concatenate([np.arange(100) < 25, np.arange(100) < 75])
    table = calibration_table(p, truth)
    assert table.confidence.tolist() == pytest.approx([0.25, 0.95]) and table.n.tolist() == [100, 100]
    assert table.share.tolist() == pytest.approx([0.25, 0.75])
    assert expected_calibration_error(p, truth) == pytest.approx(0.1)
    assert expected_calibration_error([1.0, 0.0], [True, False]) == 0


def test_temperature_makes_too_sure_a_network_honest():
    rng = np.random.default_rng(1)
    odds = rng.normal(0, 2, 20000)
    label = (rng.random(20000) > 1 / (1 + np.exp(-odds))).astype(int)
    honest = np.log(np.column_stack([1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(odds))]))
    log_p = np.log(temper(honest, 1 / 2.5))  # 2.5 times too sure
    temperature = fit_temperature(log_p, label)
    assert temperature == pytest.approx(2.5, rel=0.05)
    before, after = (expected_calibration_error(temper(log_p, t)[:, 0], label == 0) for t in (1, temperature))
    assert after < 0.01 < 0.05 < before


def test_class_scores_of_a_rare_class():
    truth = np.arange(140) < 130
    scores = class_scores(np.full(140, 0.9), truth)  # "everything is a quasar"
    assert scores["accuracy"] == pytest.approx(13 / 14) and scores["balanced_accuracy"] == 0.5
    assert scores["purity"] == pytest.approx(13 / 14) and scores["completeness"] == 1 and scores["auc"] == 0.5


# The network that ships, and classify_spectra ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint():
    try:
        return shipped(CLASS_CHECKPOINT)
    except FileNotFoundError:
        pytest.skip("no quasar_or_galaxy checkpoint")


def test_shipped_classifier_is_as_good_and_as_honest_as_its_card_says(checkpoint):
    card = json.loads(checkpoint.with_suffix(".json").read_text())
    assert card["test"]["accuracy"] >= 0.97 and card["test"]["calibration_error"] <= 0.03
    network, temperature = class_network()
    flux, label = simulate_classes(600, seed=5_000_002)
    p = temper(predict(network, standardise(flux)[:, None]), temperature)[:, 0]
    scores = class_scores(p, label == 0)
    assert scores["accuracy"] == pytest.approx(card["test"]["accuracy"], abs=0.02)
    assert scores["calibration_error"] < 0.03


def test_good_and_bad_files_in_one_call(tmp_path, write_sdss, checkpoint):
    quasars, galaxies = simulate_quasars(30, seed=11, z=[2.2] * 30), simulate_galaxies(30, seed=12, z=[0.2] * 30)
    files = []
    for name, sky in {"quasar": quasars, "galaxy": galaxies}.items():
        k = int(sky.sn.argmax())
        ivar = sky.ivar[k].numpy()
        files.append(write_sdss(tmp_path / f"{name}.fits", loglam=LOGLAM, flux=sky.flux[k].numpy(), ivar=ivar))
    files.insert(1, tmp_path / "missing.fits")
    table = classify_spectra(files)
    assert list(table.columns) == COLUMNS and table.index.name == "file"
    assert list(table.index) == [str(file) for file in files]
    assert table.p_quasar.iloc[0] > 0.9 and table.p_galaxy.iloc[2] > 0.9
    assert table.iloc[[0, 2], :4].sum(1).tolist() == pytest.approx([1, 1])
    assert table.iloc[1, :4].isna().all() and "missing.fits" in table.problem.iloc[1]
    assert table.problem.iloc[[0, 2]].tolist() == ["", ""]
    assert classify_spectra(files[0]).equals(classify_spectra(files[:1]))


def test_nothing_usable_is_an_error(tmp_path, checkpoint):
    with pytest.raises(ValueError, match=r"None of the 1 files can be used\..*a\.fits"):
        classify_spectra([tmp_path / "a.fits"])


def test_real_quasars_and_galaxies(checkpoint):
    table = real_spectra(("QSO", "GALAXY"))
    answer = classify_spectra(table.file)
    p = (answer.p_quasar / (answer.p_quasar + answer.p_galaxy)).to_numpy()
    assert class_scores(p, table["class"].to_numpy() == "QSO")["balanced_accuracy"] >= 0.95
