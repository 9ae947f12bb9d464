"""The simulated sky against the real one, as populations: percentiles, never single objects."""

import numpy as np
import pytest

from workshop_utils import populations
from workshop_utils.apply import read_files
from workshop_utils.simulate import simulate_empty, simulate_quasars
from workshop_utils.sources import real_spectra
from workshop_utils.spectra import LIGHT_SPEED, WAVELENGTH

BRIGHT = 4  # S/N above which a line's height is not noise's


@pytest.fixture(scope="module")
def skies():
    """Real quasars, and simulated ones at the same redshifts: flux, ivar, z of those with S/N > 4."""
    table = real_spectra()
    spectra, _ = read_files(table.file)
    flux, ivar = (np.array([getattr(spectrum, name) for spectrum in spectra]) for name in ("flux", "ivar"))
    bright = table.sn_median.to_numpy() > BRIGHT
    z = table.z.to_numpy()[bright]
    made = simulate_quasars(12 * len(z), seed=6100, z=np.repeat(z, 12))
    chosen = (made.sn > BRIGHT).numpy()
    return (flux[bright], ivar[bright], z), tuple(column.numpy()[chosen] for column in made[:3])


@pytest.fixture(scope="module")
def strengths(skies):
    return [populations.line_strengths(*sky) for sky in skies]


@pytest.mark.parametrize("line", populations.STRENGTH_LINES)
def test_line_strengths_agree_within_a_quarter(strengths, line):
    real, simulated = (populations.percentiles(table).loc[line] for table in strengths)
    assert real["n"] >= 30 and simulated["n"] >= 150
    for level in (16, 50, 84):
        assert 0.75 < simulated[level] / real[level] < 1.25, (line, level, real[level], simulated[level])


def test_continua_have_the_slopes_of_real_ones(skies):
    real, simulated = (np.nanmedian(populations.continuum_slope(*sky)) for sky in skies)
    assert abs(real - simulated) < 0.35


def test_signal_to_noise_falls_and_rises_with_wavelength_as_in_real_spectra(skies):
    real, simulated = (np.nanmedian(populations.noise_profile(*sky[:2]), 0) for sky in skies)
    assert np.abs(real / simulated - 1).max() < 0.25


def test_noise_of_neighbours_is_correlated_as_in_real_spectra():
    """In faint BOSS spectra, where noise rules what is left after a running mean."""
    table = real_spectra().query("sn_median < 3")
    boss = table[table.plate_mjd_fiber.str.split("-").str[0].astype(int) >= 3510]
    spectra, _ = read_files(boss.file)
    real = [np.array([getattr(spectrum, name) for spectrum in spectra]) for name in ("flux", "ivar")]
    made = simulate_quasars(200, seed=6101, ln_sn=(0.7, 0.3))
    of_real, of_made = (
        np.nanmedian(populations.noise_autocorrelation(*sky), 0) for sky in (real, [x.numpy() for x in made[:2]])
    )
    assert 0.1 < of_real[0] < 0.35 and abs(of_real[0] - of_made[0]) < 0.1 and abs(of_made[1]) < 0.05


def test_broad_absorption_is_as_common(skies):
    depth = [populations.trough_depth(*sky) for sky in skies]
    shares = [np.mean(each[np.isfinite(each)] > 0.3) for each in depth]
    n = np.isfinite(depth[0]).sum()
    assert n > 30 and abs(shares[0] - shares[1]) < 3 * np.sqrt(0.12 * 0.88 / n)


def test_empty_fibres_are_like_real_ones():
    """Medians of what the subtraction of the sky left, in the 94 real ones (all of SDSS-I) and in simulated ones."""
    spectra, _ = read_files(real_spectra(("SKY",)).file)
    real = [np.array([getattr(spectrum, name) for spectrum in spectra]) for name in ("flux", "ivar")]
    made = [column.numpy() for column in simulate_empty(300, seed=6102, partial=1.0)[:2]]
    real, made = (populations.percentiles(populations.sky_residuals(*sky)) for sky in (real, made))
    assert abs(real.loc["level", 50] - made.loc["level", 50]) < 0.1
    assert (np.abs(real.loc["step", [16, 84]] - made.loc["step", [16, 84]]) < 0.15).all()
    for name in real.index.drop(["level", "step"]):
        assert 0.75 < made.loc[name, 50] / real.loc[name, 50] < 1.4, (name, real.loc[name, 50], made.loc[name, 50])


def test_measures_find_what_was_put_in():
    z = np.array([2.0, 2.5])
    rest = WAVELENGTH / (1 + z[:, None])
    flux = (rest / 3000) ** -1.5
    ivar = np.full_like(flux, 400.0)
    assert np.allclose(populations.continuum_slope(flux, ivar, z), -1.5, atol=0.02)
    v = LIGHT_SPEED * (1 - rest / 1549.06)
    trough = np.where((v > 5000) & (v < 9000), 0.4, 1.0)
    assert np.allclose(populations.trough_depth(flux * trough, ivar, z), 0.6, atol=0.05)
    assert np.isnan(populations.line_strength(flux, ivar, z, "Hb")).all()  # out of view
    rng = np.random.default_rng(1)
    white = rng.normal(size=(50, 4619))
    assert abs(populations.noise_autocorrelation(white[:, 1:], np.ones((50, 4618)))[:, 0].mean()) < 0.05
    mixed = (white[:, 1:] + 0.3 * white[:, :-1]) / np.sqrt(1.09)
    assert 0.2 < populations.noise_autocorrelation(mixed, np.ones((50, 4618)))[:, 0].mean() < 0.32
