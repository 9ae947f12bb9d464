"""The wavelength grid of the course, and how a spectrum is brought onto it and standardised."""

from typing import NamedTuple

import numpy as np
import torch

from ..shapes import ArrayLike

LOGLAM = 3.5522 + 1e-4 * np.arange(4618)  # log10(wavelength / A), the paper's grid: 3,566 to 10,325 A
WAVELENGTH = 10**LOGLAM
N_PIXELS = len(LOGLAM)
LIGHT_SPEED = 299792.458  # km/s, exact by definition of the metre
CLIP_SIGMAS = 10.0  # standardise() clips at this many robust standard deviations from the median
MAD_TO_SIGMA = 1.4826  # median absolute deviation -> standard deviation of a Gaussian: 1 / 0.67449
MIN_PIXELS = 100  # fewer usable pixels hold no redshift: read_sdss() refuses them
EDGE_PIXELS = 50  # the value outside a spectrum's coverage is the median of so many pixels at its end


class SpectrumError(ValueError):
    """A spectrum or survey file cannot be used; the message names the file, what is wrong and what to do."""


class Spectrum(NamedTuple):
    """One spectrum on the grid ``LOGLAM``."""

    flux: np.ndarray  # (4618,) float32, 1e-17 erg/s/cm2/A
    ivar: np.ndarray  # (4618,) float32, 0 = no data there
    z: float  # redshift stored in the file, nan if none
    kind: str  # class stored in the file: "QSO", "GALAXY", "STAR" or ""
    sn_median: float  # median signal-to-noise ratio per pixel


def standardise(flux: ArrayLike):
    """Clip outliers, then bring every spectrum to mean 0 and standard deviation 1.

    Values beyond ``CLIP_SIGMAS`` robust standard deviations (1.4826 times the median absolute deviation) from
    the median are set to that limit. Both medians are taken over every 8th pixel of the 4,618, for speed. The
    result does not change when the flux is multiplied by a positive constant.

    Parameters
    ----------
    flux : numpy array or torch tensor, shape (..., pixel)

    Returns
    -------
    The same type, shape and device; float32 unless the input is float64. A constant spectrum becomes zeros.

    >>> x = standardise(5 + 2 * np.random.default_rng(1).normal(size=4618))
    >>> round(float(abs(x.mean())), 3), round(float(x.std()), 3)
    (0.0, 1.0)
    """
    if not torch.is_tensor(flux):
        flux = np.asarray(flux)
        dtype = np.float64 if flux.dtype == np.float64 else np.float32
        return standardise(torch.from_numpy(np.array(flux, dtype))).numpy()
    flux = flux if flux.dtype == torch.float64 else flux.float()
    step = max(1, flux.shape[-1] // 577)
    flux = flux - flux[..., ::step].median(-1, keepdim=True).values
    scale = MAD_TO_SIGMA * flux[..., ::step].abs().median(-1, keepdim=True).values
    scale = torch.where(scale > 0, scale, flux.abs().amax(-1, keepdim=True))  # when most pixels are equal
    flux = (flux / torch.where(scale > 0, scale, 1)).clamp(-CLIP_SIGMAS, CLIP_SIGMAS)
    flux = flux - flux.mean(-1, keepdim=True)
    # the standard deviation, now that the mean is 0; a third of the time of flux.std()
    deviation = torch.linalg.vector_norm(flux, dim=-1, keepdim=True) / flux.shape[-1] ** 0.5
    return flux / torch.where(deviation > 0, deviation, 1)


def resample(loglam: ArrayLike, flux: ArrayLike, ivar: ArrayLike):
    """Bring a spectrum onto the grid ``LOGLAM``.

    The flux is interpolated linearly between good pixels (finite, ivar > 0), so bad pixels are bridged on the
    way. The ivar is that of the nearest pixel: interpolation must not make data look better than they are.
    Outside the coverage the flux is the median of the outermost 50 good pixels, and the ivar is 0.

    Parameters
    ----------
    loglam, flux, ivar : arrays, shape (n,)
        log10 of the vacuum wavelength in Angstrom (ascending), flux and its inverse variance.

    Returns
    -------
    flux, ivar : float32 arrays, shape (4618,)

    Raises
    ------
    SpectrumError
        Where the arrays do not fit together or hold no usable pixel on the grid.
    """
    loglam, flux, ivar = (np.asarray(array, np.float64) for array in (loglam, flux, ivar))
    check_arrays(loglam, flux, ivar)
    good = usable(flux, ivar)
    on_grid = good & (loglam >= LOGLAM[0]) & (loglam <= LOGLAM[-1])
    if not good.any():
        raise SpectrumError("no usable pixel: ivar is 0 or flux not finite in all of them; use another spectrum")
    if not on_grid.any():
        low, high = 10 ** loglam[good][[0, -1]]
        raise SpectrumError(
            f"no usable pixel between {WAVELENGTH[0]:.0f} and {WAVELENGTH[-1]:.0f} A: "
            f"the spectrum covers {low:.0f} to {high:.0f} A; use an optical spectrum"
        )
    first, last = np.flatnonzero(good)[[0, -1]]
    pixel = np.interp(LOGLAM, loglam, np.arange(len(loglam)), left=-1, right=len(loglam))
    nearest = np.rint(pixel).astype(int)
    below, above = nearest < first, nearest > last
    new_flux = np.interp(LOGLAM, loglam[good], flux[good])
    new_flux[below] = np.median(flux[good][:EDGE_PIXELS])
    new_flux[above] = np.median(flux[good][-EDGE_PIXELS:])
    new_ivar = np.where(good, ivar, 0)[nearest.clip(first, last)]
    new_ivar[below | above] = 0
    return to_float32(new_flux), to_float32(new_ivar)


def to_float32(values: np.ndarray):
    """Return values as float32; those too large for it become the largest it knows, rather than inf."""
    largest = np.finfo(np.float32).max
    return values.clip(-largest, largest).astype(np.float32)


def usable(flux: ArrayLike, ivar: ArrayLike):
    """Pixels with a finite flux and a positive, finite inverse variance: boolean array of the same shape."""
    return np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)


def check_arrays(loglam: np.ndarray, flux: np.ndarray, ivar: np.ndarray):
    """Raise SpectrumError unless the arrays (n,) fit together and ``loglam`` ascends and is log10 of A."""
    if loglam.ndim != 1 or not loglam.shape == flux.shape == ivar.shape:
        raise SpectrumError(
            f"wrong lengths: loglam {loglam.shape}, flux {flux.shape} and ivar {ivar.shape} "
            "must be three arrays of one length"
        )
    if len(loglam) < 2:
        raise SpectrumError("the spectrum must have at least two pixels; use another file")
    if not np.isfinite(loglam).all() or not (np.diff(loglam) > 0).all():
        raise SpectrumError("loglam must be finite and ascend; sort the spectrum by wavelength")
    if loglam[-1] > 6:
        raise SpectrumError(
            f"loglam reaches {loglam[-1]:.6g}, which is no log10 of an optical wavelength; "
            "take np.log10 of wavelengths in Angstrom"
        )
