"""The simulated sky: reproducible, physical, and with the statistics it claims."""

import numpy as np
import pytest
import torch

from workshop_utils.simulate import simulate_quasars
from workshop_utils.simulate.noise import LN_SN_MEAN
from workshop_utils.simulate.quasars import REDSHIFT_COUNTS, draw_redshifts
from workshop_utils.spectra import N_PIXELS, WAVELENGTH, standardise


def test_shapes_types_and_finite_values():
    quasars = simulate_quasars(300, seed=1, flat=0.5)
    assert quasars.flux.shape == quasars.ivar.shape == (300, N_PIXELS)
    assert quasars.z.shape == quasars.sn.shape == (300,)
    for column in quasars:
        assert column.dtype == torch.float32 and bool(column.isfinite().all())
    assert bool((quasars.ivar >= 0).all()) and bool((quasars.z >= 0).all()) and bool((quasars.z <= 5.5).all())


def test_same_seed_same_bytes_other_seed_other_sky():
    first, again, other = (simulate_quasars(40, seed=s) for s in (7, 7, 8))
    for a, b, c in zip(first, again, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_rows_keep_the_order_of_the_redshifts_given():
    z = [3.0, 0.5, 2.0, 1.0]
    assert simulate_quasars(4, seed=0, z=z).z.numpy() == pytest.approx(z, abs=5e-4)  # rounded to whole pixels


@pytest.mark.parametrize("z", [[-0.1, 1.0], [1.0, 5.6], [1.0], [float("nan"), 1.0]])
def test_impossible_redshifts_are_refused(z):
    with pytest.raises(ValueError, match="between 0 and 5.5"):
        simulate_quasars(2, seed=0, z=z)


def test_redshifts_follow_the_survey():
    z = draw_redshifts(20000, torch.Generator().manual_seed(0)).numpy()
    share = np.histogram(z, 0.25 * np.arange(len(REDSHIFT_COUNTS) + 1))[0] / len(z)
    expected = np.array(REDSHIFT_COUNTS) / sum(REDSHIFT_COUNTS)
    assert np.abs(share - expected).max() < 0.012  # four standard errors of the fullest bin
    assert np.median(z) == pytest.approx(1.63, abs=0.1)  # DR16Q


def test_signal_to_noise_follows_the_survey():
    sn = simulate_quasars(1000, seed=3).sn.numpy()
    assert np.median(np.log(sn)) == pytest.approx(LN_SN_MEAN, abs=0.1)
    assert np.percentile(sn, [5, 95]) == pytest.approx([1.0, 13.1], rel=0.35)


def test_noise_is_as_large_as_ivar_says():
    quasars = simulate_quasars(200, seed=4)
    difference = (quasars.flux[:, 2:] - quasars.flux[:, :-2]) / np.sqrt(2)  # next neighbours are correlated
    variance = 0.5 * (1 / quasars.ivar[:, 2:] + 1 / quasars.ivar[:, :-2])
    pull = (difference / variance.sqrt())[variance.isfinite()]
    robust_sigma = 1.4826 * pull.abs().median()
    assert robust_sigma == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(("z", "line"), [(2.5, 1215.7), (2.5, 1549.1), (1.2, 2798.8), (0.4, 4862.7), (0.2, 6564.6)])
def test_lines_stand_where_the_redshift_puts_them(z, line):
    mean = standardise(simulate_quasars(150, seed=5, z=[z] * 150).flux).mean(0).numpy()
    velocity = 299792.458 * np.log(WAVELENGTH / (line * (1 + z)))
    near = np.abs(velocity) < 8000
    slope = np.interp(velocity, [-8000, 8000], [mean[near][:50].mean(), mean[near][-50:].mean()])
    peak = velocity[near][(mean - slope)[near].argmax()]
    assert abs(peak) < 1200  # outflows move C IV by some hundred km/s


def median_flux(z, low, high, seed=6, n=200):
    """Median flux of n quasars at redshift z between two rest wavelengths (A)."""
    rest = WAVELENGTH / (1 + z)
    flux = simulate_quasars(n, seed=seed, z=[z] * n).flux
    return float(flux[:, (rest > low) & (rest < high)].median(1).values.median())


def test_the_forest_absorbs_as_much_as_observed():
    continuum = (1100 / 1335) ** -1.75
    transmission = median_flux(3.5, 1050, 1150) / median_flux(3.5, 1290, 1380) / continuum
    assert transmission == pytest.approx(np.exp(-5.54e-3 * (1100 * 4.5 / 1215.67) ** 3.18), rel=0.25)  # Kamble 2020


def test_little_light_is_left_beyond_the_lyman_limit():
    assert median_flux(4.5, 680, 720) < 0.5 * median_flux(4.5, 930, 970)


def test_some_spectra_cover_part_of_the_grid_and_are_filled_with_the_edge_value():
    quasars = simulate_quasars(400, seed=8)
    missing = quasars.ivar[:, 4200:4500].sum(1) == 0
    assert 0.08 < missing.float().mean() < 0.25
    filled = quasars.flux[missing][:, 4200:4500]
    assert torch.equal(filled, filled[:, :1].expand_as(filled))
