"""detect_waves and the network behind it: the simulated sky, the competition's, GW150914, and strain that is none."""

import numpy as np
import pytest
import torch

from workshop_utils import detect_waves, strain
from workshop_utils.apply import WAVES_CHECKPOINT, noise_of, waves_network
from workshop_utils.networks import (
    CNN,
    MatchedFilterNetwork,
    StrainCNN,
    coincident_snr,
    detection_loss,
    matched_filter,
    matched_filter_snr,
    template_kernels,
)
from workshop_utils.scores import area_under_curve, expected_calibration_error
from workshop_utils.simulate import simulate_strain
from workshop_utils.sources import shipped
from workshop_utils.strain import StrainError, g2net_labels, read_g2net, read_gwosc, whiten, windows
from workshop_utils.training import load_checkpoint, predict, strain_batches, train


@pytest.fixture(scope="module")
def sky():
    """Samples with the competition's S/N law that no training and no other test has seen."""
    return simulate_strain(1500, seed=5_000_002)


def test_untrained_network_is_a_matched_filter(sky):
    """Before training its odds rank samples nearly as the matched filter does."""
    white = whiten(sky.strain[:200])
    network = MatchedFilterNetwork(8)
    with torch.no_grad():
        odds = network(white)[:, 0]
    assert odds.shape == (200,)
    rank = torch.stack([odds, matched_filter_snr(white, 8)]).argsort(1).argsort(1).double()
    assert torch.corrcoef(rank)[0, 1] > 0.8


def test_detector_that_is_off_counts_for_nothing(sky):
    strain = sky.strain[:20].clone()
    strain[:, 2] = 0
    power = coincident_snr(matched_filter(whiten(strain), MatchedFilterNetwork(4).templates))
    assert (power[..., 2] == 0).all() and (power[..., :2] > 0).all()


def test_training_beats_the_start():
    """A few steps on fresh samples lower the loss on others; the same for the paper's CNN, by its arguments only."""
    torch.manual_seed(0)
    network = MatchedFilterNetwork(8)
    samples = simulate_strain(300, 12)
    white = whiten(samples.strain)
    with torch.no_grad():
        before = detection_loss(network(white), samples.signal)
    train(network, strain_batches(32, 21), detection_loss, 40, learning_rate=4e-2)
    with torch.no_grad():
        assert detection_loss(network(white), samples.signal) < before - 0.05
    cnn = CNN(length=4096, channels=3, outputs=1, widths=(4, 4, 4), hidden=(8, 8))
    train(cnn, strain_batches(8, 22), detection_loss, 2)
    assert cnn(white[:2]).shape == (2, 1)


def test_detector_that_ships(sky):
    """At least as good as the matched filter, and its probabilities mean what they say."""
    p, truth = detect_waves(sky.strain), sky.signal.numpy() > 0
    assert p.shape == (1500,) and p.dtype == np.float64 and ((p >= 0) & (p <= 1)).all()
    auc = area_under_curve(p, truth)
    assert auc > area_under_curve(matched_filter_snr(whiten(sky.strain)), truth)
    assert auc > 0.82
    glitchy = simulate_strain(1500, 5_000_031, signals=0.4, off=0.2, glitches=1.0)  # as a detector that has glitches
    assert expected_calibration_error(detect_waves(glitchy.strain), glitchy.signal.numpy() > 0) < 0.06
    card = load_checkpoint(MatchedFilterNetwork(), shipped(WAVES_CHECKPOINT))
    assert card["samples"] == card["steps"] * card["batch"] and card["test"]["auc"] > card["test"]["matched_filter_auc"]


def test_kernels_of_the_cnn_hear_a_wave_in_any_phase():
    """However a wave is turned, the squares of what both phases hear of it add up to the same."""
    for cosine, sine in template_kernels(3)[:, 0].unflatten(0, (3, 2)):
        assert abs(float(cosine @ sine)) < 0.1  # a quarter of a turn apart
        for angle in torch.linspace(0, 6.28, 13):
            heard = torch.stack([cosine, sine]) @ (angle.cos() * cosine + angle.sin() * sine)
            assert float(heard.square().sum()) == pytest.approx(1, abs=0.2)


def test_cnn_begins_as_a_matched_filter(sky):
    """Untrained it tells waves from noise, once its batch normalisation has met strain; begun at random, hardly."""
    area = {}
    for templates in (False, True):
        torch.manual_seed(0)
        network = StrainCNN(8, templates, neurons=5)
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm1d):
                layer.momentum = None  # what it met, not a running mean that begins at 0
        with torch.no_grad():
            network.train()(strain_batches(256, 24)(0)[0])
        says = predict(network, whiten(sky.strain[:500]), 64)[:, 0]
        area[templates] = area_under_curve(says, sky.signal[:500] > 0)
    assert area[True] > 0.7 and area[True] > area[False] + 0.1


def test_cnn_that_ships(sky):
    """As good as the matched filter, on samples that neither its training nor its choice has seen."""
    network = StrainCNN(templates=False)
    load_checkpoint(network, shipped("checkpoints/gravitational_waves_cnn.safetensors"))
    white = whiten(sky.strain)
    area = area_under_curve(predict(network, white, 64)[:, 0], sky.signal > 0)
    assert area > area_under_curve(matched_filter_snr(white), sky.signal > 0) - 0.01


def test_hanford_and_livingston_alone():
    """Without Virgo loud signals are still found, and noise is still noise."""
    loud = simulate_strain(100, 13, signals=1.0, snr=16.0).strain
    noise = simulate_strain(100, 13, signals=0.0).strain
    loud[:, 2] = noise[:, 2] = 0
    assert np.median(detect_waves(loud)) > 0.99 and np.median(detect_waves(noise)) < 0.35


def test_an_asd_that_is_none_is_refused(sky):
    few = sky.strain[:4]
    asd = strain.measure_asd(sky.strain)
    assert detect_waves(few, asd).shape == (4,)
    gap = asd.clone()
    gap[1, 100] = torch.nan
    for wrong, words in (
        (asd**2, "root of the power"),
        (gap, "L1: an asd"),
        (asd[0], "it must be"),
        (asd[:2], "it must"),
    ):
        with pytest.raises(StrainError, match=words):
            detect_waves(few, wrong)
    with pytest.raises(StrainError, match="no samples"):
        detect_waves(few[:0])


def test_types_and_companions_do_not_matter(sky):
    """float64, numpy or torch, one sample or many: the same answer."""
    few = sky.strain[:20]
    p = detect_waves(few)
    assert np.allclose(detect_waves(few.double().numpy()), p, atol=1e-4)
    loud = simulate_strain(1, 14, signals=1.0, snr=60.0)
    assert detect_waves(loud.strain)[0] > 0.999
    assert np.allclose(detect_waves(few[3]), p[3], atol=1e-4) and detect_waves(few[3]).shape == (1,)


def test_noise_unlike_the_design_is_measured(sky):
    """Noise three times as loud is measured from 16 samples or more; from fewer it is refused."""
    asd, alpha = noise_of(sky.strain[:50])
    louder, longer = noise_of(3 * sky.strain[:50])
    assert longer > alpha
    assert (louder / asd)[:, 100:900].median() == pytest.approx(3, rel=0.05)
    assert detect_waves(3 * sky.strain[:200])[sky.signal[:200] == 0].mean() < 0.5
    with pytest.raises(StrainError, match=r"H1: its noise is .* give at least 16"):
        detect_waves(3 * sky.strain[:5])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: x[:, :2], "it must be \\(n, 3, 4096\\)"),
        (lambda x: x[..., :4000], "it must be \\(n, 3, 4096\\)"),
        (lambda x: x * np.where(np.arange(4096) == 7, np.nan, 1), "sample 0, H1: values that are not finite"),
        (lambda x: x * 1e22, "looks whitened"),
        (lambda x: x * 0, "all three detectors are zero"),
        (lambda x: (x * 1e25).astype(int), "must be float32 or float64"),
        (lambda x: x.astype(np.float16), "must be float32 or float64"),
    ],
)
def test_strain_that_is_none(sky, spoil, message):
    with pytest.raises(ValueError, match=message):
        detect_waves(spoil(sky.strain[:3].double().numpy()))


def test_real_competition_samples(real_folder):
    """149 samples of the g2net competition, never trained on: AUC at least 0.85."""
    labels = g2net_labels(real_folder / "g2net")
    p = detect_waves(read_g2net(labels.file))
    assert area_under_curve(p, labels.target == 1) >= 0.85


def test_gw150914(real_folder):
    """The highest of all windows holds the merger, and no window without it has half its log-odds."""
    records = [read_gwosc(path) for path in sorted((real_folder / "gw150914").glob("*.hdf5"))]
    assert [record.detector for record in records] == ["H1", "L1"]
    strain = torch.as_tensor(np.stack([records[0].strain, records[1].strain, 0 * records[0].strain]))
    cut, start = windows(strain, 0.1)
    p = detect_waves(cut)
    log_odds, merger = np.log(p / (1 - p)), 16.4 - start.numpy()
    assert 1.2 < merger[p.argmax()] < 2.0
    without = (merger < 0) | (merger > 2)
    assert log_odds[without].max() < 0.5 * log_odds.max()
    best = whiten(cut[p.argmax()][None], noise_of(cut.float())[0], alpha=0.2).float()
    with torch.no_grad():
        steps = waves_network().log_odds(best)[0].logsumexp(0)
    found = start[p.argmax()] + 1.3 + steps.argmax() * 2 / 512
    assert abs(float(found) - 16.42) < 0.1
