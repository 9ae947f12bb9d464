"""Reading spectra as SDSS hands them out, and cleaning them of spikes."""

import math
import warnings
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from astropy.io import fits
from numpy.lib.stride_tricks import sliding_window_view

from ..shapes import ArrayLike
from ..sources import remedy
from .formats import Recorded, check_file
from .grid import MAD_TO_SIGMA, MIN_PIXELS, Spectrum, SpectrumError, check_arrays, resample, usable

SPIKE_SIGMAS = 6.0  # a spike stands at least so far above the noise ...
SPIKE_EDGE = 0.65  # ... and falls by this share of its height within one pixel, as no spectral line does
SPIKE_WIDTHS = (1, 2, 3)  # pixels
WINDOW = 51  # pixels of the running median
ROW_COLUMNS = ("class", "z", "sn_median_all", "sn_median")  # what we read in the table with the redshift


def read_sdss(path: str | PathLike):
    """Read an SDSS spectrum of any vintage (SDSS-I, BOSS, eBOSS; lite or full), clean it, put it on the grid.

    Spikes (see ``find_spikes``) and pixels with ivar = 0 are bridged by interpolation and get ivar = 0.

    Parameters
    ----------
    path : str or Path
        File as downloaded: a table with flux, loglam and ivar, then, in most files, a row with the redshift.

    Returns
    -------
    Spectrum

    Raises
    ------
    SpectrumError
        Where the file is missing, no FITS file, cut short, without these columns or without usable pixels.

    >>> from workshop_utils.sources import real_spectra
    >>> spectrum = read_sdss(real_spectra().file[0])
    >>> spectrum.flux.shape, spectrum.kind
    ((4618,), 'QSO')
    """
    coadd, row = read_tables(Path(path))
    try:
        columns = [np.atleast_1d(numbers(coadd[name], name).squeeze()) for name in ("loglam", "flux", "ivar")]
    except SpectrumError as error:
        raise SpectrumError(f"{path}: {error}.") from None
    spectrum = prepare(Recorded(str(path), *columns))
    stored = [number(row.get(name)) for name in ("sn_median_all", "sn_median")]
    sn = next((value for value in stored if np.isfinite(value)), spectrum.sn_median)
    kind = str(row.get("class", "")).strip()
    return spectrum._replace(z=number(row.get("z")), kind=kind, sn_median=sn)


def prepare(recorded: Recorded):
    """Clean a spectrum of spikes and put it on the grid.

    Parameters
    ----------
    recorded : Recorded

    Returns
    -------
    Spectrum
        Without a redshift or class; its S/N is the median of flux over error. Flux above 1e15 or below 1e-15 in the
        middle (as in erg/s/cm2/A) is divided by that, as its ivar would not fit into float32.

    Raises
    ------
    SpectrumError
        Where the arrays do not fit together, or hold too few usable pixels; the message begins with the name.

    >>> flat = Recorded("flat", 3.56 + 1e-4 * np.arange(4000), 1 + 0.01 * np.arange(4000), np.ones(4000))
    >>> prepare(flat).flux.shape
    (4618,)
    """
    name, loglam, flux, ivar = recorded
    try:
        check_arrays(loglam, flux, ivar)
        good = usable(flux, ivar)
        check_content(flux[good])
        scale = np.median(np.abs(flux[good])) if good.any() else 1.0
        if scale > 0 and abs(math.log10(scale)) > 15:  # its square would be too large or too small for float32
            flux, ivar = flux / scale, ivar * scale**2
        new_flux, new_ivar = resample(loglam, flux, np.where(find_spikes(flux, ivar), 0, ivar))
    except SpectrumError as error:
        raise SpectrumError(f"{name}: {error}.") from None
    sn = np.median(flux[good] * np.sqrt(ivar[good]))
    return Spectrum(new_flux, new_ivar, np.nan, "", float(sn))


def numbers(column: ArrayLike, name: str):
    """Return a column of a table as float64, or raise SpectrumError if it holds no numbers."""
    try:
        return np.array(column, np.float64)
    except (TypeError, ValueError):
        raise SpectrumError(f"{name} does not hold numbers; give a spec-PLATE-MJD-FIBER.fits file of SDSS") from None


def number(value: Any):
    """Return a table's entry as float; nan if it is none."""
    try:
        return float(value) if np.ndim(value) == 0 else np.nan
    except (TypeError, ValueError):
        return np.nan


def check_content(flux: np.ndarray):
    """Raise SpectrumError where the usable pixels (n,) are too few, or all the same, to say anything about a source."""
    if 0 < len(flux) < MIN_PIXELS:
        raise SpectrumError(f"only {len(flux)} usable pixels (ivar > 0); use a spectrum with {MIN_PIXELS} or more")
    if len(flux) and flux.min() == flux.max():
        raise SpectrumError(f"flux is {flux[0]:g}, the same in every pixel; nothing can be measured in it")


def read_tables(path: str | PathLike):
    """Read the table of the coadded spectrum (its names are case-blind) and the redshift row as a dict."""
    check_file(path, path, "give the path of one downloaded SDSS spectrum")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with fits.open(path, memmap=False, lazy_load_hdus=False) as hdus:
                tables = [hdu.data for hdu in hdus[:4] if isinstance(hdu, fits.BinTableHDU)]
                tables = [table for table in tables if hasattr(table, "names")]  # not images that were compressed
        notes = " ".join(str(warning.message) for warning in caught)
        whole = "truncated" not in notes and "corrupted" not in notes
    except Exception:  # astropy raises many kinds for a damaged file, from OSError to TypeError
        whole = False
    if not whole:
        with path.open("rb") as file:
            is_fits = file.read(6) == b"SIMPLE"
        problem = "the download was cut off" if is_fits else "this is not a FITS file"
        raise SpectrumError(f"{path}: {problem}; {remedy(path, 'download the file again')}.")
    columns = [[name.lower() for name in table.names] for table in tables]
    coadd = next((i for i, names in enumerate(columns) if {"flux", "loglam", "ivar"} <= set(names)), None)
    if coadd is None:
        found = "; ".join(", ".join(names) for names in columns) or "no table at all"
        raise SpectrumError(
            f"{path}: no COADD table with the columns flux, loglam and ivar (found: {found[:300]}); "
            "give a spec-PLATE-MJD-FIBER.fits file of SDSS."
        )
    row = {}
    for table, names in zip(tables[coadd + 1 :], columns[coadd + 1 :], strict=True):
        if {"class", "z"} <= set(names) and len(table):
            row = {name: table[name][0] for name in names if name in ROW_COLUMNS}
            break
    return tables[coadd], row


def find_spikes(flux: ArrayLike, ivar: ArrayLike):
    """Find spikes: cosmic rays and hot pixels that the survey's own masks missed.

    A spike is a run of one to three pixels that (1) stands more than ``SPIKE_SIGMAS`` above or below the
    running median of 51 pixels, in units of sigma, the larger of the stated noise and the scatter of the
    neighbourhood, and (2) rises and falls by more than ``SPIKE_EDGE`` of its height and two sigma from one
    pixel to the next. Light that went through the spectrograph cannot do (2): the sharpest lines have a
    Gaussian sigma of about 1 pixel and drop by at most 0.6 of their height in a pixel. So real lines stay.

    Parameters
    ----------
    flux, ivar : arrays, shape (n,)

    Returns
    -------
    boolean array, shape (n,)
    """
    good = usable(flux, ivar)
    spikes = np.zeros(len(flux), bool)
    if good.sum() < 2:
        return spikes
    pixel = np.arange(len(flux))
    flux = np.interp(pixel, pixel[good], flux[good])
    residual = flux - running_median(flux)
    noise = np.interp(pixel, pixel[good], ivar[good] ** -0.5)
    high = np.flatnonzero(np.abs(residual) > SPIKE_SIGMAS * noise)
    if not len(high):
        return spikes
    half = min(WINDOW // 2, len(flux) - 1)
    windows = sliding_window_view(np.pad(np.abs(residual), half, mode="reflect"), 2 * half + 1)
    scatter = np.median(windows[high], 1)
    sigma = np.full(len(flux), np.inf)
    sigma[high] = np.maximum(noise[high], MAD_TO_SIGMA * scatter)
    for width in SPIKE_WIDTHS:
        start = high[high + width <= len(flux)]
        inside = start[:, None] + np.arange(width)
        for sign in (1, -1):
            values = np.pad(sign * residual, 1, mode="edge")
            run, beside = values[inside + 1], values[start[:, None] + [0, width + 1]]
            lowest, highest, sigmas = run.min(1), run.max(1), sigma[inside].max(1)
            steep = lowest - beside.max(1) > SPIKE_EDGE * highest + 2 * sigmas
            spikes[inside[steep & (lowest > SPIKE_SIGMAS * sigmas)]] = True
    return spikes


def running_median(values: ArrayLike, width: int = WINDOW):
    """Return the median of the ``width`` pixels around each pixel, shape (n,); the ends are mirrored."""
    half = min(width // 2, len(values) - 1)
    padded = pd.Series(np.pad(values, half, mode="reflect"))
    return padded.rolling(2 * half + 1).median().to_numpy()[2 * half :]
