"""Class and redshift in one softmax: the outputs, the loss, the summary, and the network on the real sky."""

import numpy as np
import pytest
import torch

from workshop_utils import classify_spectra, identify_spectra, measure_redshift
from workshop_utils.apply import object_network, summarise_objects
from workshop_utils.networks import NOTHING, OBJECTS, OUTPUT_BINS, OUTPUT_BOX, OUTPUT_CLASS, OUTPUT_Z, object_loss
from workshop_utils.scores import expected_calibration_error, object_scores, velocity_error
from workshop_utils.sources import real_spectra
from workshop_utils.spectra import standardise
from workshop_utils.training import OBJECT_SHARES, predict, simulate_objects

CLASS_OF = {"QSO": "quasar", "GALAXY": "galaxy", "STAR": "star", "SKY": "nothing"}


@pytest.fixture(scope="module")
def sky():
    """The real sky as `identify_spectra` sees it, beside its labels."""
    labels = real_spectra(tuple(CLASS_OF))
    return labels.reset_index(drop=True), identify_spectra(labels.file).reset_index(drop=True)


def called(table):
    return np.array(OBJECTS)[table[[f"p_{name}" for name in OBJECTS]].to_numpy().argmax(1)]


def test_every_output_stands_for_one_thing():
    assert len(OUTPUT_Z) == len(OUTPUT_BOX) == len(OUTPUT_CLASS) == sum(map(len, OUTPUT_BINS)) + NOTHING - 1
    assert OUTPUT_CLASS.bincount().tolist() == [len(OUTPUT_BINS[0]), len(OUTPUT_BINS[1]), NOTHING - 2, 1]


@pytest.mark.parametrize(("box", "z"), [(0, 2.0), (1, 0.3), (5, 0.0), (NOTHING, 0.0)])
def test_loss_is_least_where_the_truth_is(box, z):
    target = torch.tensor([[float(box), z]])
    near = (torch.log1p(OUTPUT_Z) - np.log1p(z)).abs().masked_fill(OUTPUT_BOX != box, torch.inf).argmin()
    scores = torch.zeros(1, len(OUTPUT_Z))
    losses = [object_loss(scores + 8 * torch.eye(len(OUTPUT_Z))[k], target) for k in range(0, len(OUTPUT_Z), 7)]
    at_truth = object_loss(scores + 8 * torch.eye(len(OUTPUT_Z))[near], target)
    assert at_truth <= min(losses) + 1e-6 and object_loss(scores, target) == pytest.approx(np.log(len(OUTPUT_Z)), 1e-4)


def test_a_batch_holds_all_classes_and_no_test_seed():
    flux, target, sn = simulate_objects(100, seed=5_000_011)
    again = simulate_objects(100, seed=5_000_011)
    assert torch.equal(flux, again[0]) and bool(flux.isfinite().all()) and sn.shape == (100,)
    counts = [int((target[:, 0] == box).sum()) for box in (0, 1, NOTHING)]
    assert counts == [
        round(100 * OBJECT_SHARES[0]),
        round(100 * OBJECT_SHARES[1]),
        100 - round(100 * sum(OBJECT_SHARES)),
    ]


def test_scores_ask_for_class_and_redshift():
    p = np.eye(4)[[0, 0, 1, 3]]
    scores = object_scores(p, [2.0, 2.0, 0.1, 0], [[1.9, 2.1]] * 4, [0, 1, 1, 3], [2.0, 2.0, 0.1001, 0])
    assert scores["quasar"] == 1 and scores["galaxy"] == 0.5 and scores["nothing"] == 1 and scores["accuracy"] == 0.75
    lost = object_scores(p, [np.nan, 2.0, 0.1, 0], [[1.9, 2.1]] * 4, [0, 1, 1, 3], [2.0, 2.0, 0.1001, 0])
    assert lost["quasar"] == 0 and lost["accuracy"] == 0.5  # no redshift is no right one


def test_probabilities_sum_to_one_and_the_views_agree(sky):
    labels, table = sky
    columns = [f"p_{name}" for name in OBJECTS]
    assert list(table.columns) == [*columns, "z", "z_low", "z_high", "confidence", "problem"]
    assert np.allclose(table[columns].sum(1), 1, atol=1e-5)
    some = labels.file[::40]
    assert measure_redshift(some).equals(identify_spectra(some)[["z", "z_low", "z_high", "confidence", "problem"]])
    assert classify_spectra(some).equals(identify_spectra(some)[[*columns, "problem"]])
    assert table.confidence.between(0, 1).all()


def test_stars_and_empty_fibres_have_no_redshift_and_a_sentence(sky):
    _, table = sky
    without = np.isin(called(table), ["star", "nothing"])
    assert table.z[without].isna().all() and (table.problem[without].str.len() > 20).all()
    known = table[~without]
    assert (known.problem == "").all() and known.z.between(known.z_low, known.z_high).mean() > 0.95


def test_the_real_sky(sky):
    """The bars of the course: quasars and galaxies by class and redshift, stars, and fibres that saw nothing."""
    labels, table = sky
    kind = labels["class"].map(CLASS_OF).to_numpy()
    found, dv = called(table), np.abs(velocity_error(table.z, labels.z))
    quasar, galaxy = kind == "quasar", kind == "galaxy"
    assert np.mean(dv[quasar] < 6000) >= 0.975 and np.mean(dv[galaxy] < 3000) >= 0.93
    assert np.mean(quasar[quasar] & (dv[quasar] > 6000) & (table.confidence[quasar] > 0.9)) <= 0.01
    assert np.mean(found[kind == "nothing"] == "nothing") >= 0.92 and np.mean(found[quasar] == "nothing") <= 0.015
    assert np.mean(found[kind == "star"] == "star") >= 0.93
    assert np.mean((found == kind)[quasar | galaxy]) >= 0.96


def test_the_simulated_sky_and_its_calibration():
    flux, target, sn = simulate_objects(3000, seed=5_000_012, shares=(0.25, 0.25, 0.25))
    network, shares = object_network()
    output = torch.cat([predict(network, standardise(part)[:, None]) for part in flux.split(500)])
    found = summarise_objects(output.softmax(1), shares).numpy()
    kind = OUTPUT_CLASS[torch.searchsorted(OUTPUT_BOX, target[:, 0].contiguous())].numpy()
    scores = object_scores(found[:, :4], found[:, 4], found[:, 5:7], kind, target[:, 1])
    assert scores["accuracy"] > 0.96 and scores["star"] > 0.95 and scores["nothing"] > 0.95
    assert 0.62 < scores["coverage"] < 0.74
    right = (found[:, :4].argmax(1) == kind) & ((kind > 1) | (np.abs(velocity_error(found[:, 4], target[:, 1])) < 6000))
    assert expected_calibration_error(found[:, 7], right) < 0.02
    assert right[(kind < 2) & (sn.numpy() > 4)].mean() > 0.985
