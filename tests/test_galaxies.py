"""The simulated galaxies: reproducible, with the breaks, lines and ratios of real ones."""

import numpy as np
import pytest
import torch

from workshop_utils.simulate import simulate_galaxies
from workshop_utils.simulate.galaxies import CONTINUA, starlight
from workshop_utils.simulate.rest_frame import REST_WAVELENGTH, interpolation_weights, line_profile, whole_pixels
from workshop_utils.spectra import N_PIXELS, WAVELENGTH


def test_shapes_types_and_finite_values():
    galaxies = simulate_galaxies(300, seed=1)
    assert galaxies.flux.shape == galaxies.ivar.shape == (300, N_PIXELS)
    assert galaxies.z.shape == galaxies.sn.shape == (300,)
    for column in galaxies:
        assert column.dtype == torch.float32 and bool(column.isfinite().all())
    assert bool((galaxies.ivar >= 0).all()) and bool((galaxies.z > 0).all()) and bool((galaxies.z <= 1.5).all())
    assert 0.25 < np.mean(galaxies.ivar[:, 4200:4500].sum(1).numpy() == 0) < 0.75  # SDSS-I ends at 9,200 A


def test_same_seed_same_bytes_other_seed_other_sky():
    first, again, other = (simulate_galaxies(40, seed=s) for s in (7, 7, 8))
    for a, b, c in zip(first, again, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


@pytest.mark.parametrize("z", [[-0.1, 1.0], [1.0, 1.6], [1.0], [float("nan"), 1.0]])
def test_impossible_redshifts_are_refused(z):
    with pytest.raises(ValueError, match="between 0 and 1.5"):
        simulate_galaxies(2, seed=0, z=z)


def test_signal_to_noise_and_coverage_can_be_given():
    galaxies = simulate_galaxies(200, seed=2, ln_sn=(3.0, 0.0), partial=0.0)
    assert 0.75 < np.median(galaxies.sn) / np.exp(3.0) < 1  # that of the sky's noise; the galaxy's own comes on top
    assert galaxies.sn.log().std() < 0.3
    assert bool((galaxies.ivar[:, 4200:4500] > 0).all())


def narrow_break(wavelength, flux):
    """D4000 of Balogh et al. (1999): the flux in 4,000-4,100 A over that in 3,850-3,950 A."""
    red, blue = ((wavelength > low) & (wavelength < high) for low, high in ((4000, 4100), (3850, 3950)))
    return flux[..., red].mean(-1) / flux[..., blue].mean(-1)


def test_break_grows_with_the_age_of_the_stars():
    breaks = [narrow_break(REST_WAVELENGTH, starlight(k, 110.0)) for k in range(len(CONTINUA))]
    assert breaks == sorted(breaks, reverse=True)
    assert breaks[0] == pytest.approx(1.95, abs=0.15) and breaks[-1] == pytest.approx(0.95, abs=0.06)


def test_breaks_of_the_sample_are_those_of_surveys():
    galaxies = simulate_galaxies(600, seed=3, z=[0.1] * 600, ln_sn=(3.0, 0.1), partial=0.0)
    d4000 = narrow_break(WAVELENGTH / 1.1, galaxies.flux).numpy()
    low, high = np.percentile(d4000, [5, 95])
    assert 1.0 < low < 1.25 and 1.75 < high < 2.05  # Kauffmann et al. 2003, Fig. 2


def test_emission_goes_with_young_stars_and_has_the_ratios_of_gas():
    galaxies = simulate_galaxies(800, seed=4, z=[0.1] * 800, ln_sn=(4.0, 0.1), partial=0.0)
    flux, rest = galaxies.flux, WAVELENGTH / 1.1

    def strength(line, half=12):
        near = np.abs(rest - line) < half
        around = (np.abs(rest - line) < 45) & (np.abs(rest - line) > 28)
        step = torch.tensor(np.gradient(rest)[near], dtype=torch.float32)
        return ((flux[:, near] - flux[:, around].median(1, keepdim=True).values) * step).sum(1)

    continuum = flux[:, np.abs(rest - 6480) < 40].median(1).values
    width = (strength(6564.61) / continuum).numpy()
    d4000 = narrow_break(rest, flux).numpy()
    assert np.median(width[d4000 > 1.8]) < 2 and np.median(width[d4000 < 1.35]) > 20
    strong = width > 60
    decrement = (strength(6564.61) / strength(4862.68))[torch.tensor(strong)].numpy()
    assert 2.86 < np.median(decrement) < 6  # case B or more: dust reddens
    doublet = (strength(5008.24) / strength(4960.30))[torch.tensor(strong)].numpy()
    assert np.median(doublet) == pytest.approx(3, rel=0.15)


def test_absorption_lines_are_as_wide_as_the_stars_are_fast():
    near = np.abs(REST_WAVELENGTH - 8544.44) < 40
    depth = [1 - starlight(0, width)[near].min() / starlight(0, width)[near].max() for width in (110.0, 350.0)]
    assert depth[0] > 1.15 * depth[1]


def test_line_profile_has_its_equivalent_width():
    profile = line_profile(5000.0, 7.0, 300.0)
    assert np.sum(profile * np.gradient(REST_WAVELENGTH)) == pytest.approx(7.0, rel=1e-3)


def test_redshifts_become_whole_pixels():
    shift, z = whole_pixels(torch.tensor([0.0, 0.1, 1.0]))
    assert shift.tolist() == [0, 414, 3010]
    assert z.numpy() == pytest.approx([0, 0.1, 1.0], abs=3e-4)


def test_weights_interpolate():
    knots = torch.tensor([0.0, 1.0, 3.0])
    weights = interpolation_weights(torch.tensor([-1.0, 0.25, 2.0, 9.0]), knots)
    assert weights.sum(1).tolist() == [1.0] * 4
    assert (weights @ knots).tolist() == [0.0, 0.25, 2.0, 3.0]
