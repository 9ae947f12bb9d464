"""Reading spectra of any survey: which layout a file has, and where wavelength, flux and error stand in it.

Layouts, by the surveys' data models: SDSS spec (DR8 and later) and spSpec (DR7 and before), data.sdss.org/datamodel;
LAMOST low resolution, www.lamost.org/dr7/v2.0/doc/lr-data-production-description; DESI coadd and spectra,
desidatamodel.readthedocs.io; one-dimensional FITS images (Greisen et al. 2006, A&A 446, 747); tables with names as
people write them. Air wavelengths become vacuum's by Morton 1991, ApJS 77, 119, as SDSS has done it.
"""

import os
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from astropy import units
from astropy.io import ascii as text_tables
from astropy.io import fits

from ..sources import remedy
from .grid import LOGLAM, MAD_TO_SIGMA, SpectrumError
from .tables import first_table, read_to_the_end

STEP = 1e-4  # dex, of the course's grid
ARMS = ("B", "R", "Z")  # of DESI's spectrographs
LARGEST_TEXT = 50_000_000  # bytes: no table of one spectrum is larger
MAGIC = {  # how files begin that people take for spectra
    b"version https://git-lfs": "a Git LFS pointer, not the file itself; fetch it with `git lfs pull`",
    b"<": "a web page, not a spectrum; the address was wrong or the server had none: download the file again",
    b"\x89HDF": "an HDF5 file, not a spectrum; give FITS files or tables of single spectra",
    b"PK\x03\x04": "a zip archive; unpack it and give the files in it",
    b"\x93NUMPY": "a NumPy array; load it and give (wavelength, flux, ivar)",
}
NAMES = {  # what columns are called, in small letters, without units, brackets and underscores
    "loglam": "loglam loglambda logwavelength logwave log10wavelength",
    "wavelength": "wavelength wave lambda lam wl angstrom spectralaxis wavevac vacwave wavelengthvac x col1",
    "air": "waveair airwave wavelengthair lambdaair",
    "flux": "flux fluxes flam flambda fluxdensity spec spectrum intensity y col2",
    "ivar": "ivar inversevariance invvar fluxivar",
    "error": "err error errors sigma fluxerr fluxerror errflux eflux std uncertainty unc noise fluxunc dflux col3",
    "variance": "var variance fluxvar",
}
KINDS = {name: kind for kind, names in NAMES.items() for name in names.split()}


class Recorded(NamedTuple):
    """A spectrum as it was recorded.

    Attributes
    ----------
    name : str
        Of the file; of one target in a file of many `file#TARGETID`.
    loglam, flux, ivar : float64 arrays (n,)
        log10 of the vacuum wavelength in A, ascending; flux per wavelength in any unit; its inverse variance, 0 = bad.
    """

    name: str
    loglam: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray


def read_spectra(source: Any, name: str | None = None, air: bool | None = None):
    """Read every spectrum of a file, or of an object in memory.

    Parameters
    ----------
    source : path, (wavelength, flux, ivar), or an object with `spectral_axis`, `flux` and `uncertainty`
        A path of a FITS file of SDSS, LAMOST or DESI, of a FITS image (CRVAL, CDELT) or table, or of a text table
        (CSV, ECSV, columns); .gz and .bz2 are unpacked on the way. Masked values are bad pixels.
    name : str, optional
        What to call it; the path, for a file.
    air : bool, optional
        Whether wavelengths are in air, where the file does not say. Those of tables, arrays and objects are taken for
        vacuum's without it; images must say, and loglam is always vacuum's.

    Returns
    -------
    list of Recorded

    Raises
    ------
    SpectrumError
        The message names the file, says what it is and what to do.

    >>> from workshop_utils.sources import real_spectra
    >>> (spectrum,) = read_spectra(real_spectra().file[0])
    >>> spectrum.loglam.shape == spectrum.flux.shape == spectrum.ivar.shape
    True
    """
    if not isinstance(source, str | os.PathLike):
        name = name or "the spectrum"
        try:
            return [from_object(source, name, air)]
        except SpectrumError as error:
            raise SpectrumError(f"{name}: {error}.") from None
    path = Path(source)
    name = name or os.fspath(source)
    check_file(path, name, "give the path of a downloaded spectrum")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = read_fits(path, name, air) if is_fits(path) else read_text(path, name, air)
        if any("truncated" in str(warning.message) for warning in caught):  # astropy reads on
            raise SpectrumError(f"the download was cut off; {remedy(path, 'download the file again')}")
    except SpectrumError as error:
        message = str(error).removeprefix(f"{name}: ")
        raise SpectrumError(f"{name}: {message.rstrip('.')}.") from None
    return found


def check_file(path, name, advice):
    """Raise SpectrumError, with advice on what to do, where there is no file, called `name`, or nothing in it."""
    if not path.is_file() or path.stat().st_size == 0:
        problem = "is a folder" if path.is_dir() else "is empty" if path.exists() else "does not exist"
        raise SpectrumError(f"{name}: this file {problem}; {remedy(path, advice)}.")


def is_fits(path):
    """Whether a file is FITS, perhaps packed by gzip or bzip2; raises SpectrumError for files of other known kinds."""
    with path.open("rb") as file:
        start = file.read(30)
    for magic, what in MAGIC.items():
        if start.startswith(magic):
            raise SpectrumError(f"this is {what}")
    packed = start.startswith((b"\x1f\x8b", b"BZh"))
    return start.startswith(b"SIMPLE") or (packed and ".fit" in path.name.lower())


def read_fits(path, name, air):
    """Spectra of a FITS file, by its layout."""
    try:
        table = first_table(path)
        if table and {"loglam", "flux", "ivar"} <= set(table):  # as nearly all files of SDSS
            return [from_columns({kind: table[kind] for kind in ("loglam", "flux", "ivar")}, {}, name, air)]
        read_to_the_end(path)
        with fits.open(path, memmap=False) as hdus:
            first = hdus[0].header
            if path.name.startswith(("mwmStar", "mwmVisit")):
                raise SpectrumError(
                    "this is an mwmStar or mwmVisit file of SDSS-V, which holds stars of several telescopes resampled; "
                    "give the spec-FIELD-MJD-CATALOGID.fits file of the same object"
                )
            if first.get("NAXIS", 0) == 2 and "COEFF0" in first:
                return [rows_of_image(hdus, name)]
            if first.get("NAXIS", 0) == 1:
                return [line_of_image(hdus, name, air)]
            found = []
            for hdu in first_extensions(hdus):
                if hdu.name in ("FIBERMAP", "B_FLUX", "B_WAVELENGTH"):
                    return desi_targets(hdus, name)
                if isinstance(hdu, fits.BinTableHDU):
                    columns = sort_columns(hdu.columns.names)
                    if "flux" in columns and {"loglam", "wavelength", "air"} & set(columns):
                        values = {kind: without_null(hdu, column) for kind, column in columns.items()}
                        where = {kind: hdu.columns[column].unit for kind, column in columns.items()}
                        return [from_columns(values, where, name, air)]
                    found.append(", ".join(hdu.columns.names))
            found = "; ".join(found) or "no table at all"
    except SpectrumError:
        raise
    except Exception as error:  # astropy raises many kinds for a damaged file, from OSError to TypeError
        advice, kind = remedy(path, "download the file again"), type(error).__name__
        raise SpectrumError(f"the download was cut off, or the file is damaged ({kind}); {advice}") from None
    raise SpectrumError(
        f"no COADD table with the columns flux, loglam and ivar, nor another we know (found: {found[:300]}); "
        "give a file of SDSS, DESI or LAMOST, or the arrays (wavelength, flux, ivar)"
    )


def first_extensions(hdus, most=4):
    """The first extensions, one after the other: astropy reads a header when it is asked for, which takes long."""
    for k in range(1, most + 1):
        try:
            yield hdus[k]
        except IndexError:
            return


def without_null(hdu, column):
    """A column, masked where it holds the whole number that stands for none (TNULL)."""
    values, null = np.asarray(hdu.data[column]), hdu.columns[column].null
    return values if null in (None, "") else np.ma.masked_equal(values, null)


def rows_of_image(hdus, name):
    """SDSS before DR8 (rows: flux, flux without continuum, error, ...) or LAMOST (flux, ivar, ...)."""
    data, header = np.asarray(hdus[0].data, np.float64), hdus[0].header
    if any(getattr(hdu, "shape", None) == data.shape for hdu in first_extensions(hdus)):
        raise SpectrumError(f"{len(data)} spectra of a plate (spPlate); give the spec files of its fibres")
    loglam = header["COEFF0"] + header["COEFF1"] * np.arange(data.shape[1])
    if "LAMOST" in str(header.get("TELESCOP", "")).upper():
        return Recorded(name, loglam, data[0], data[1])
    error = data[2]
    return Recorded(name, loglam, data[0], np.where(error > 0, error, np.inf) ** -2.0)


def line_of_image(hdus, name, air):
    """A one-dimensional image: wavelength by CRVAL and CDELT, error or variance in an extension, if there is one."""
    header, flux = hdus[0].header, np.asarray(hdus[0].data, np.float64)
    step = header.get("CD1_1", header.get("CDELT1"))
    if "CRVAL1" not in header or not step:
        raise SpectrumError("an image without CRVAL1 and CDELT1: nothing says at which wavelength its pixels are")
    wavelength = header["CRVAL1"] + step * (np.arange(len(flux)) + 1 - header.get("CRPIX1", 1))
    kind = str(header.get("CTYPE1", "")).upper()
    if header.get("DC-FLAG") == 1 or "LOG" in kind or wavelength[-1] < 5:
        wavelength = 10**wavelength
    unit = str(header.get("CUNIT1", "")).strip().lower()
    if "VACUUM" in header or kind.startswith(("WAVE-", "AWAV")) or kind == "WAVE":
        air = kind.startswith("AWAV") or not header.get("VACUUM", True)
    elif air is None:
        raise SpectrumError("nothing says whether wavelengths are in air or in vacuum; pass air=True or air=False")
    ivar = None
    for hdu in hdus[1:]:
        if getattr(hdu, "shape", None) == flux.shape:
            values = np.asarray(hdu.data, np.float64)
            label = sort_columns([hdu.name])
            if {"ivar", "error", "variance"} & set(label):
                ivar = inverse_variance({next(iter(label)): values}, flux)
    ivar = inverse_variance({}, flux) if ivar is None else ivar
    return binned(name, np.log10(to_vacuum(to_angstrom(wavelength, unit), air)), flux, ivar)


def desi_targets(hdus, name):
    """DESI coadd and spectra files: the three arms of every target, joined; masked pixels are left out."""
    targets = np.atleast_1d(hdus["FIBERMAP"].data["TARGETID"])
    lost = [f"{arm}_{what}" for arm in ARMS for what in ("WAVELENGTH", "FLUX", "IVAR") if f"{arm}_{what}" not in hdus]
    if lost:
        raise SpectrumError(
            f"a DESI file without {', '.join(lost)}; download it again, or give a coadd or spectra file"
        )
    loglam = np.log10(np.concatenate([hdus[f"{arm}_WAVELENGTH"].data for arm in ARMS]).astype(np.float64))

    def joined(what):
        return np.concatenate([np.atleast_2d(hdus[f"{arm}_{what}"].data) for arm in ARMS], 1).astype(np.float64)

    flux, ivar = joined("FLUX"), joined("IVAR")
    if all(f"{arm}_MASK" in hdus for arm in ARMS):
        ivar[joined("MASK") != 0] = 0
    return [binned(f"{name}#{target}", loglam, *rows) for target, *rows in zip(targets, flux, ivar, strict=True)]


def read_text(path, name, air):
    """A table in a text file: CSV, ECSV, or columns."""
    if path.stat().st_size > LARGEST_TEXT:
        raise SpectrumError("not a FITS file, and too long for a table of one spectrum; give one spectrum a file")
    try:
        table = text_tables.read(path, guess=True)
    except Exception:  # astropy has tried a dozen layouts, each with its own kinds of errors
        advice = remedy(path, "download the file again, or give a table with wavelength, flux and error")
        raise SpectrumError(f"this is not a FITS file, nor a table of numbers; {advice}") from None
    columns = sort_columns(table.colnames)
    if "flux" not in columns or not {"loglam", "wavelength", "air"} & set(columns):
        raise SpectrumError(
            f"a table with the columns {', '.join(table.colnames)[:300]}; name them wavelength (or loglam), flux and "
            "error (or ivar)"
        )
    values = {kind: table[column] for kind, column in columns.items()}
    return [from_columns(values, {kind: table[column].unit for kind, column in columns.items()}, name, air)]


def from_object(source, name, air):
    """A spectrum in memory: three arrays, or an object such as specutils' Spectrum1D."""
    if all(hasattr(source, word) for word in ("spectral_axis", "flux")):
        try:
            wavelength = units.Quantity(source.spectral_axis).to_value("AA", units.spectral())
        except units.UnitsError as error:
            raise SpectrumError(f"its spectral axis is no wavelength ({error}); give one in A") from None
        mask = getattr(source, "mask", None)
        flux = np.ma.masked_array(getattr(source.flux, "value", source.flux), False if mask is None else mask)
        error = getattr(source, "uncertainty", None)
        kinds = {"std": "error", "var": "variance", "ivar": "ivar"}
        values = {"wavelength": wavelength, "flux": flux}
        if error is None:
            values["ivar"] = inverse_variance({}, np.asarray(flux, np.float64))
        else:
            values[kinds.get(error.uncertainty_type, "error")] = np.asarray(error.array)
        return from_columns(values, {"wavelength": "AA"}, name, air)
    try:
        wavelength, flux, ivar = (np.ma.asarray(array, np.float64) for array in source)
    except (TypeError, ValueError):
        raise SpectrumError(
            f"a {type(source).__name__} is neither a path, nor (wavelength, flux, ivar), nor an object with "
            "spectral_axis, flux and uncertainty"
        ) from None
    return from_columns({"wavelength": wavelength, "flux": flux, "ivar": ivar}, {}, name, air)


def sort_columns(names):
    """Which column holds what: a dict from the kinds of `NAMES` to names of columns.

    >>> sort_columns(["Wavelength (A)", "FLUX", "flux_err", "sky"])
    {'wavelength': 'Wavelength (A)', 'flux': 'FLUX', 'error': 'flux_err'}
    """
    found = {}
    for name in names:
        plain = re.sub(r"[\(\[].*|[^a-z0-9]", "", name.lower())
        if plain in KINDS:
            found.setdefault(KINDS[plain], name)
    return found


def from_columns(values, where, name, air):
    """A spectrum from columns by kind (see `NAMES`), with units where they are known; masked values become NaN."""
    try:  # a row that holds arrays is a column of one
        values = {
            kind: np.atleast_1d(np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan).squeeze())
            for kind, column in values.items()
        }
    except (TypeError, ValueError):
        raise SpectrumError("flux, wavelength or error do not hold numbers; give numbers") from None
    flux = values["flux"]
    if flux.ndim != 1 or any(column.shape != flux.shape for column in values.values()):
        shapes = ", ".join(f"{kind} {column.shape}" for kind, column in values.items())
        raise SpectrumError(f"wrong lengths: {shapes} must be arrays of one length, one spectrum a file")
    if not {"ivar", "error", "variance"} & set(values):
        raise SpectrumError("no column with errors; name one error, ivar or variance")
    ivar = inverse_variance(values, flux)
    if "loglam" in values:
        return Recorded(name, values["loglam"], flux, ivar)
    kind = "wavelength" if "wavelength" in values else "air"
    wavelength = to_angstrom(values[kind], where.get(kind))
    return binned(name, np.log10(to_vacuum(wavelength, kind == "air" or bool(air))), flux, ivar)


def inverse_variance(values, flux):
    """The ivar (n,) from ivar, error or variance; without any, from how neighbours differ."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if "ivar" in values:
            return np.asarray(values["ivar"], np.float64)
        if "error" in values or "variance" in values:
            variance = np.asarray(values.get("variance", values.get("error")), np.float64)
            variance = variance if "variance" in values else variance**2
            return np.where(variance > 0, 1 / variance, 0)
    steps = np.diff(flux[np.isfinite(flux)])
    scatter = MAD_TO_SIGMA * np.median(np.abs(steps)) / np.sqrt(2) if len(steps) else 0
    return np.full(len(flux), 1 / scatter**2 if scatter > 0 else 1.0)


def to_angstrom(wavelength, unit=None):
    """Wavelengths in A, by their unit, or, where none is given, by their size: A, nm, micron, or log10 of A."""
    if unit is not None and str(unit).strip():
        try:
            return units.Quantity(wavelength, str(unit)).to_value("AA", units.spectral())
        except (ValueError, TypeError, units.UnitsError):
            pass  # "Angstroms" and its like
    middle = np.nanmedian(wavelength)
    for low, high, factor in ((2000, 30000, 1), (200, 2000, 10), (0.2, 2.5, 1e4)):
        if low <= middle < high:
            return wavelength * factor
    if 3.3 < middle < 4.5:
        return 10**wavelength
    raise SpectrumError(
        f"wavelengths about {middle:.3g}: these are no A, nm, micron or log10 of A of an optical spectrum"
    )


def to_vacuum(wavelength, air):
    """Vacuum wavelengths (A) of those in air.

    >>> round(float(to_vacuum(4861.33, True)), 1)  # H beta
    4862.7
    """
    if not air:
        return wavelength
    square = np.asarray(wavelength, np.float64) ** 2
    return wavelength * (1 + 2.735182e-4 + 131.4182 / square + 2.76249e8 / square**2)


def binned(name, loglam, flux, ivar):
    """Average pixels that fall in one bin of the course's grid, by their weights: fine sampling, joined arms.

    Bins with bad pixels alone have ivar 0. Where pixels are wider than bins, the bins between them are left out, and
    `grid.resample` interpolates.
    """
    known = np.isfinite(loglam)
    loglam, flux, ivar = loglam[known], flux[known], ivar[known]
    good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    flux, ivar = np.where(good, flux, 0), np.where(good, ivar, 0)
    index = np.rint((loglam - LOGLAM[0]) / STEP).astype(np.int64)
    _, place, count = np.unique(index, return_inverse=True, return_counts=True)
    if (count == 1).all():  # nothing is averaged: only the order may change
        order = np.argsort(loglam)
        return Recorded(name, loglam[order], flux[order], ivar[order])
    total = np.bincount(place, ivar)
    weight = np.where(total[place] > 0, ivar, 1)
    mean = [np.bincount(place, weight * values) / np.bincount(place, weight) for values in (loglam, flux)]
    return Recorded(name, *mean, total)
