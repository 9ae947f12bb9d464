"""Populations of spectra in numbers, to ask whether a simulated sky is like the real one.

Everything here takes arrays on the course's grid and returns one number for each spectrum, NaN where it cannot be
measured. Compare percentiles of two populations, never single objects.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from .shapes import ArrayLike
from .spectra import LIGHT_SPEED, LOGLAM, MAD_TO_SIGMA, WAVELENGTH

SMOOTHING = 9  # pixels of the running mean, 620 km/s
NEAR = 0.012  # in ln(wavelength): a line's peak is looked for within 3,600 km/s
BESIDE = (0.03, 0.06)  # in ln(wavelength): where the continuum beside a line is measured, 9,000 to 18,000 km/s away
# Vacuum wavelengths in A (Vanden Berk et al. 2001), and on which sides the continuum is free of other strong lines.
STRENGTH_LINES = {
    "Lya": (1215.67, (1,)),  # blueward lies the forest
    "CIV": (1549.06, (-1, 1)),
    "CIII]": (1908.73, (-1, 1)),
    "MgII": (2798.75, (-1, 1)),
    "Hb": (4862.68, (-1,)),  # redward lies [O III]
    "[OIII]": (5008.24, (1,)),
}


def smooth(flux: ArrayLike, width: int = SMOOTHING):
    """Running mean (n, 4618) over `width` pixels; the ends are repeated."""
    padded = np.pad(np.asarray(flux, np.float64), ((0, 0), (width // 2, width // 2)), mode="edge")
    total = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), 1)
    return (total[:, width:] - total[:, :-width]) / width


def line_strength(flux: ArrayLike, ivar: ArrayLike, z: ArrayLike, line: str):
    """Height of an emission line: the highest of the smoothed flux near it over the continuum beside it.

    Parameters
    ----------
    flux, ivar : arrays, shape (n, 4618)
        On the course's grid, as in `Spectrum`.
    z : array, shape (n,)
        Redshifts.
    line : str
        One of `STRENGTH_LINES`.

    Returns
    -------
    array, shape (n,)
        1 where there is no line; NaN where line or continuum are not in view.

    >>> import numpy as np
    >>> from workshop_utils.spectra import WAVELENGTH
    >>> flux = 1 + 2 * np.exp(-0.5 * ((WAVELENGTH - 3000 * 2.79875) / 40) ** 2)
    >>> line_strength(flux[None], np.ones((1, 4618)), [2.0], "MgII").round(1)
    array([3.])
    """
    rest, sides = STRENGTH_LINES[line]
    flux, seen = smooth(flux), np.asarray(ivar) > 0
    strengths = np.full(len(flux), np.nan)
    for i, redshift in enumerate(np.asarray(z, float)):
        x = np.log(WAVELENGTH / (rest * (1 + redshift)))
        peak = (np.abs(x) < NEAR) & seen[i]
        beside = np.zeros_like(peak)
        for side in sides:
            beside |= (side * x > BESIDE[0]) & (side * x < BESIDE[1]) & seen[i]
        if peak.sum() > 100 and beside.sum() > 50 and (level := np.median(flux[i, beside])) > 0:
            strengths[i] = flux[i, peak].max() / level
    return strengths


def line_strengths(flux: ArrayLike, ivar: ArrayLike, z: ArrayLike):
    """Table with a column for each of `STRENGTH_LINES` and a row for each spectrum (see `line_strength`).

    >>> line_strengths(np.ones((1, 4618)), np.ones((1, 4618)), [2.0]).columns.tolist()
    ['Lya', 'CIV', 'CIII]', 'MgII', 'Hb', '[OIII]']
    """
    return pd.DataFrame({line: line_strength(flux, ivar, z, line) for line in STRENGTH_LINES})


def percentiles(table: pd.DataFrame, levels: ArrayLike = (16, 50, 84)):
    """Percentiles of each column of a table, NaN left out: a row per column, and n.

    >>> float(percentiles(pd.DataFrame({'Lya': [1.0, 2.0, 3.0]})).loc['Lya', 50])
    2.0
    """
    rows = {name: np.nanpercentile(values, levels) for name, values in table.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(levels)).assign(n=table.notna().sum())


def continuum_slope(
    flux: ArrayLike,
    ivar: ArrayLike,
    z: ArrayLike,
    windows: Sequence = ((1690, 1740), (2200, 2230), (3010, 3030), (4200, 4230), (5100, 5250)),
):
    """Slope (n,) of ln(flux) against ln(wavelength) through rest-frame windows (A) with little line emission."""
    rest = WAVELENGTH / (1 + np.asarray(z, float)[:, None])
    points = []
    for low, high in windows:
        inside = (rest > low) & (rest < high) & (np.asarray(ivar) > 0)
        mean = np.where(inside, flux, 0).sum(1) / np.maximum(inside.sum(1), 1)
        points.append(np.where((inside.sum(1) > 20) & (mean > 0), np.log(np.maximum(mean, 1e-9)), np.nan))
    y, x = np.array(points).T, np.log([np.sqrt(low * high) for low, high in windows])
    slopes = np.full(len(y), np.nan)
    for i, row in enumerate(y):
        if (good := np.isfinite(row)).sum() >= 2:
            slopes[i] = np.polyfit(x[good], row[good], 1)[0]
    return slopes


def noise_profile(flux: ArrayLike, ivar: ArrayLike, edges: ArrayLike = (3700, 4500, 5500, 6500, 7500, 8500, 9100)):
    """Median signal-to-noise ratio (n, band) per pixel in bands of wavelength (A), relative to that of all pixels."""
    flux, ivar = np.asarray(flux), np.asarray(ivar)
    sn = np.where(ivar > 0, np.abs(flux) * np.sqrt(ivar), np.nan)
    bands = [sn[:, (low < WAVELENGTH) & (high > WAVELENGTH)] for low, high in zip(edges[:-1], edges[1:], strict=True)]
    return np.stack([np.nanmedian(band, 1) for band in bands], 1) / np.nanmedian(sn, 1)[:, None]


def noise_autocorrelation(
    flux: ArrayLike, ivar: ArrayLike, lags: ArrayLike = (1, 2, 3), between: Sequence[float] = (3.80, 3.88)
):
    """Autocorrelation (n, lag) of what is left after a running mean of 51 pixels, in units of the noise."""
    part = slice(*np.searchsorted(LOGLAM, between))
    residual = (np.asarray(flux) - smooth(flux, 51)) * np.sqrt(np.asarray(ivar))
    residual = residual[:, part]
    scatter = MAD_TO_SIGMA * np.median(np.abs(residual), 1, keepdims=True)
    residual = np.clip(residual, -4 * scatter, 4 * scatter)
    variance = (residual**2).mean(1)
    return np.stack([(residual[:, k:] * residual[:, :-k]).mean(1) / variance for k in lags], 1)


def trough_depth(flux: ArrayLike, ivar: ArrayLike, z: ArrayLike, velocities: ArrayLike = (3000, 12000)):
    """Deepest absorption (n,) blueward of C IV, as a share of the continuum: flux smoothed over 2,000 km/s.

    The continuum is a straight line between 1,445 and 1,700 A in the rest frame.
    """
    flux, out = smooth(flux, 29), np.full(len(flux), np.nan)
    for i, redshift in enumerate(np.asarray(z, float)):
        rest, seen = WAVELENGTH / (1 + redshift), np.asarray(ivar[i]) > 0
        ends = [(np.abs(rest - place) < 12) & seen for place in (1445, 1700)]
        velocity = LIGHT_SPEED * (1 - rest / 1549.06)
        trough = (velocity > velocities[0]) & (velocity < velocities[1]) & seen
        if min(ends[0].sum(), ends[1].sum(), trough.sum()) > 20:
            level = np.interp(rest[trough], [1445, 1700], [np.median(flux[i, end]) for end in ends])
            if level.min() > 0:
                out[i] = 1 - (flux[i, trough] / level).min()
    return out


def sky_residuals(
    flux: ArrayLike, ivar: ArrayLike, edges: ArrayLike = (3850, 5000, 6100, 7300, 8300, 9150), bin_pixels: int = 64
):
    """What is left in empty fibres, in units of the stated noise: a table with a row for each spectrum.

    Columns: `level` (median) and `scatter` (robust standard deviation) of all pixels; `step` between the medians on
    both sides of 6,000 A, where the spectrographs' arms meet; and for each band of wavelength (A) the scatter of means
    over 64 pixels relative to what independent pixels would give (1): residuals that vary slowly make it larger.

    >>> white = np.random.default_rng(1).normal(size=(1, 4618))
    >>> sky_residuals(2 + white, np.ones((1, 4618)))[["level", "scatter"]].round(1).values.tolist()
    [[2.0, 1.0]]
    """
    rows = []
    for x, seen in zip(np.asarray(flux) * np.sqrt(np.asarray(ivar)), np.asarray(ivar) > 0, strict=True):
        centred = x[seen] - np.median(x[seen])
        row = {"level": np.median(x[seen]), "scatter": MAD_TO_SIGMA * np.median(np.abs(centred))}
        left, right = (seen & (WAVELENGTH > low) & (WAVELENGTH < low + 300) for low in (5500, 6100))
        row["step"] = np.median(x[right]) - np.median(x[left]) if left.any() and right.any() else np.nan
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            band = x[seen & (WAVELENGTH > low) & (WAVELENGTH < high)]
            means = band[: len(band) // bin_pixels * bin_pixels].reshape(-1, bin_pixels).mean(1)
            noise = MAD_TO_SIGMA * np.median(np.abs(band - np.median(band))) if len(band) else np.nan
            row[f"{low} A"] = means.std() * bin_pixels**0.5 / noise if len(means) > 2 else np.nan
        rows.append(row)
    return pd.DataFrame(rows)
