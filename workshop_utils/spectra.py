"""Spectra: the wavelength grid of the course, reading SDSS and Kaggle files, standardising, splitting.

Flux is in the unit of SDSS, 1e-17 erg/s/cm2/Angstrom; wavelengths are in Angstrom, in vacuum; ``ivar`` is the
inverse variance of the flux (1/sigma^2), and 0 where there is no usable measurement.
"""

import warnings
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
import torch
from astropy.io import fits
from numpy.lib.stride_tricks import sliding_window_view

LOGLAM = 3.5522 + 1e-4 * np.arange(4618)  # log10(wavelength / A), the paper's grid: 3,566 to 10,325 A
WAVELENGTH = 10**LOGLAM
N_PIXELS = len(LOGLAM)
LIGHT_SPEED = 299792.458  # km/s, exact by definition of the metre

CLIP_SIGMAS = 10.0  # standardise() clips at this many robust standard deviations from the median
MAD_TO_SIGMA = 1.4826  # median absolute deviation -> standard deviation of a Gaussian: 1 / 0.67449

SPIKE_SIGMAS = 6.0  # a spike stands at least so far above the noise ...
SPIKE_EDGE = 0.65  # ... and falls by this share of its height within one pixel, as no spectral line does
SPIKE_WIDTHS = (1, 2, 3)  # pixels
MIN_PIXELS = 100  # fewer usable pixels hold no redshift: read_sdss() refuses them
EDGE_PIXELS = 50  # the value outside a spectrum's coverage is the median of so many pixels at its end

ROW_COLUMNS = ("class", "z", "sn_median_all", "sn_median")  # what we read in the table with the redshift
KAGGLE_LABELS = ("z_vi", "thing_id", "sn_median_all", "class_person", "plate", "mjd", "fiberid", "z_conf")


class SpectrumError(ValueError):
    """A spectrum or survey file cannot be used; the message names the file, what is wrong and what to do."""


class Spectrum(NamedTuple):
    """One spectrum on the grid ``LOGLAM``."""

    flux: np.ndarray  # (4618,) float32, 1e-17 erg/s/cm2/A
    ivar: np.ndarray  # (4618,) float32, 0 = no data there
    z: float  # redshift stored in the file, nan if none
    kind: str  # class stored in the file: "QSO", "GALAXY", "STAR" or ""
    sn_median: float  # median signal-to-noise ratio per pixel


def standardise(flux):
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


def resample(loglam, flux, ivar):
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
        raise SpectrumError(
            "no usable pixel: ivar is 0 or flux not finite in all of them; use another spectrum"
        )
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


def to_float32(values):
    """Return values as float32; those too large for it become the largest it knows, rather than inf."""
    largest = np.finfo(np.float32).max
    return values.clip(-largest, largest).astype(np.float32)


def usable(flux, ivar):
    """Pixels with a finite flux and a positive, finite inverse variance: boolean array of the same shape."""
    return np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)


def check_arrays(loglam, flux, ivar):
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


def read_sdss(path):
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
    """
    coadd, row = read_tables(Path(path))
    try:
        loglam, flux, ivar = (numbers(coadd[name], name) for name in ("loglam", "flux", "ivar"))
        check_arrays(loglam, flux, ivar)
        good = usable(flux, ivar)
        check_content(flux[good])
        new_flux, new_ivar = resample(loglam, flux, np.where(find_spikes(flux, ivar), 0, ivar))
        sn = np.median(flux[good] * np.sqrt(ivar[good]))
    except SpectrumError as error:
        raise SpectrumError(f"{path}: {error}.") from None
    stored = [number(row.get(name)) for name in ("sn_median_all", "sn_median")]
    sn = next((value for value in stored if np.isfinite(value)), sn)
    kind = str(row.get("class", "")).strip()
    return Spectrum(new_flux, new_ivar, number(row.get("z")), kind, float(sn))


def numbers(column, name):
    """Return a column of a table as float64, or raise SpectrumError if it holds no numbers."""
    try:
        return np.array(column, np.float64)
    except (TypeError, ValueError):
        raise SpectrumError(f"{name} does not hold numbers; give a spec-PLATE-MJD-FIBER.fits file of SDSS") from None


def number(value):
    """Return a table's entry as float; nan if it is none."""
    try:
        return float(value) if np.ndim(value) == 0 else np.nan
    except (TypeError, ValueError):
        return np.nan


def check_content(flux):
    """Raise SpectrumError where the usable pixels (n,) are too few, or all the same, to say anything about a source."""
    if 0 < len(flux) < MIN_PIXELS:
        raise SpectrumError(f"only {len(flux)} usable pixels (ivar > 0); use a spectrum with {MIN_PIXELS} or more")
    if len(flux) and flux.min() == flux.max():
        raise SpectrumError(f"flux is {flux[0]:g}, the same in every pixel; nothing can be measured in it")


def read_tables(path):
    """Read the table of the coadded spectrum (its names are case-blind) and the redshift row as a dict."""
    if not path.is_file() or path.stat().st_size == 0:
        problem = "is a folder" if path.is_dir() else "is empty" if path.exists() else "does not exist"
        raise SpectrumError(f"{path}: this file {problem}; give the path of one downloaded SDSS spectrum.")
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
        raise SpectrumError(f"{path}: {problem}; download the file again.")
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


def find_spikes(flux, ivar):
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
    scatter = MAD_TO_SIGMA * running_median(np.abs(residual))
    noise = np.interp(pixel, pixel[good], ivar[good] ** -0.5)
    sigma = np.maximum(noise, scatter)
    for width in SPIKE_WIDTHS:
        sigmas = sliding_window_view(sigma, width).max(1)
        for sign in (1, -1):
            windows = sliding_window_view(np.pad(sign * residual, 1, mode="edge"), width + 2)
            lowest, highest = windows[:, 1:-1].min(1), windows[:, 1:-1].max(1)
            steep = lowest - windows[:, [0, -1]].max(1) > SPIKE_EDGE * highest + 2 * sigmas
            for start in np.flatnonzero(steep & (lowest > SPIKE_SIGMAS * sigmas)):
                spikes[start : start + width] = True
    return spikes


def running_median(values, width=51):
    """Return the median of the ``width`` pixels around each pixel, shape (n,); the ends are mirrored."""
    half = min(width // 2, len(values) - 1)
    return np.median(sliding_window_view(np.pad(values, half, mode="reflect"), 2 * half + 1), axis=-1)


def open_kaggle(path, columns=()):
    """Open a file of the Kaggle data set "sdss-iii-iv" (HDF5) for reading; no spectrum is read yet.

    Parameters
    ----------
    path : str or Path
    columns : names of the data sets that must be there, beside ``flux``, shape (n, 4618).

    Returns
    -------
    h5py.File, to be used in a ``with`` statement

    Raises
    ------
    SpectrumError
        Where the file is missing, cut off, no HDF5, without a needed data set, or on another wavelength grid.
    """
    if not Path(path).is_file():
        raise SpectrumError(
            f"{path}: this file does not exist; get it with workshop_utils.sources.kaggle_file."
        )
    try:
        file = h5py.File(path, "r")
    except OSError:
        raise SpectrumError(f"{path}: not a whole HDF5 file; unzip it or download it again.") from None
    try:
        problem = kaggle_problem(file, columns)
    except Exception:  # h5py raises many kinds for a damaged file
        problem = "it is damaged"
    if not problem:
        return file
    file.close()
    raise SpectrumError(f"{path}: {problem}; take a file of kaggle.com/datasets/ywangscience/sdss-iii-iv.")


def kaggle_problem(file, columns):
    """Say what is wrong with the data sets of an open Kaggle file, or nothing ("")."""
    missing = [name for name in ("flux", *columns) if not isinstance(file.get(name), h5py.Dataset)]
    if missing:
        return f"no data set {', '.join(missing)}; the file holds {', '.join(file) or 'nothing'}"
    if file["flux"].ndim != 2 or file["flux"].shape[1] != N_PIXELS:
        return f"flux has the shape {file['flux'].shape}, not (spectra, {N_PIXELS} pixels)"
    if any(file[name].shape != file["flux"].shape[:1] for name in columns):
        return f"flux has {len(file['flux'])} rows, but its labels have other lengths"
    strange = [name for name in ("flux", *columns) if file[name].dtype.kind not in "fiu"]
    return f"{strange[0]} holds {file[strange[0]].dtype}, not numbers" if strange else ""


def kaggle_read(path, data, rows=slice(None)):
    """Read rows of a data set, in the byte order of this machine; SpectrumError where the file is damaged there."""
    try:
        values = data[rows]
    except (OSError, RuntimeError, ValueError):
        raise SpectrumError(f"{path}: it is damaged and cannot be read to the end; download it again.") from None
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def kaggle_labels(path, z_conf=3, classes=(3, 30)):
    """Read the labels of the spectra that an expert looked at and was sure of.

    Parameters
    ----------
    path : str or Path
    z_conf : int
        Lowest confidence of the visual inspection: 3 is sure.
    classes : tuple of int
        Classes of the inspection: 1 star, 3 quasar, 4 galaxy, 30 quasar with broad absorption, 50 blazar.

    Returns
    -------
    pandas.DataFrame
        Columns row (in the file), z, thing_id, sn, class_person, plate, mjd, fiberid.
    """
    with open_kaggle(path, KAGGLE_LABELS) as file:
        table = pd.DataFrame({name: kaggle_read(path, file[name]) for name in KAGGLE_LABELS})
    table = table.rename(columns={"z_vi": "z", "sn_median_all": "sn"}).rename_axis("row").reset_index()
    seen = np.isfinite(table["z"]) & (table["z"] > -0.1)  # -1 and -999 stand for "not inspected"
    keep = seen & (table["z_conf"] >= z_conf) & table["class_person"].isin(classes)
    return table[keep].drop(columns="z_conf").reset_index(drop=True)


def kaggle_blocks(path, rows, block=1024):
    """Read spectra block by block, so that the survey need not fit into memory.

    Neighbouring rows are read as one slice; that is fast for rows in ascending order. To shuffle, shuffle
    whole blocks, or the spectra inside a block.

    Parameters
    ----------
    path : str or Path
    rows : integer array, shape (n,)
        Rows of the file, in the order wanted.
    block : int
        Spectra per block.

    Yields
    ------
    float32 array, shape (at most block, 4618): raw flux
    """
    rows = np.asarray(rows, int)
    with open_kaggle(path) as file:
        total = len(file["flux"])
        if len(rows) and not 0 <= rows.min() <= rows.max() < total:
            raise SpectrumError(f"{path}: rows {rows.min()} to {rows.max()} asked for, but it has {total}.")
        for start in range(0, len(rows), block):
            wanted, place = np.unique(rows[start : start + block], return_inverse=True)
            # reading over 8 unwanted rows is cheaper than a new read
            runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > 8) + 1)
            parts = [kaggle_read(path, file["flux"], slice(run[0], run[-1] + 1))[run - run[0]] for run in runs]
            yield np.concatenate(parts).astype(np.float32, copy=False)[place]


def split_by_thing(thing_id, test_share=0.1, seed=2022):
    """Choose the test set by object, so that no object seen in training is ever in the test.

    Each object and the seed are hashed into a number between 0 and 1; the test set is what falls below
    ``test_share``. So objects that are added later move no other object from one side to the other.

    Parameters
    ----------
    thing_id : integer array, shape (n,)
        SDSS number of the object, the same in repeated observations. 0 or less is unknown: such a row is
        an object of its own.
    test_share : float
    seed : int

    Returns
    -------
    boolean array, shape (n,), True for the test set
    """
    thing_id = np.asarray(thing_id, np.int64)
    objects = np.where(thing_id > 0, thing_id, -1 - np.arange(len(thing_id))).astype(np.uint64)
    salt = pd.util.hash_array(np.array([seed], np.uint64))
    return pd.util.hash_array(objects ^ salt) / 2.0**64 < test_share
