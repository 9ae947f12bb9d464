"""The real sky that ships with the course, for evaluation only, and spectra of the learner's own beside it."""

import os
import re
import warnings
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import pandas as pd
from astropy.io import fits

from . import folders
from .folders import find_data, leads_out, shipped

COLUMNS = ["file", "plate_mjd_fiber", "class", "z", "z_source", "sn_median", "faint_ten"]
REMEDY = (
    "the real sky comes with the course: install it again (pip install --force-reinstall), or, in a clone, run: "
    "git checkout -- data/real"
)


def real_spectra(classes: Sequence[str] | None = ("QSO",), folder: str | PathLike | None = None):
    """List real SDSS spectra, for evaluation only: the course never trains on them.

    They are those that ship with the course (`data/README.md` has their card) and, after them, those of a folder of
    yours that are not among them.

    Parameters
    ----------
    classes : tuple of str, or None for all
        Of SDSS: "QSO", "GALAXY", "STAR"; "SKY" is a fibre that looked at nothing.
    folder : str or Path, optional
        Where a folder "sdss" of yours lies (see `own_spectra`); otherwise it is looked for in $WORKSHOP_DATA.

    Returns
    -------
    pandas.DataFrame
        Columns file (full path), plate_mjd_fiber, class, z (NaN for SKY), z_source, sn_median (per pixel), faint_ten
        (True for the ten that notebook 02 asks about).

    Raises
    ------
    ValueError, FileNotFoundError
        Where the table is damaged or missing; the message names it and says what to do. Where spectra of it are
        missing, a warning does, and the others are listed.

    >>> table = real_spectra(('QSO', 'SKY'))
    >>> table.columns.tolist()
    ['file', 'plate_mjd_fiber', 'class', 'z', 'z_source', 'sn_median', 'faint_ten']
    """
    path = _real("labels.csv")
    listed = read_labels(path, REMEDY).reindex(columns=COLUMNS)
    table = _present(listed)
    if missing := len(listed) - len(table):
        warnings.warn(f"{path.parent}: {missing} of {len(listed)} spectra are missing; {REMEDY}.", stacklevel=2)
    own = own_spectra(folder)
    own = own[~own.plate_mjd_fiber.isin(table.plate_mjd_fiber)]
    table = pd.concat([table, own], ignore_index=True) if len(own) else table
    table["faint_ten"] = table.faint_ten.isin([True, "True"])
    return table if classes is None else table[table["class"].isin(classes)].reset_index(drop=True)


def own_spectra(folder: str | PathLike | None = None):
    """List the SDSS spectra of the learner: spec-*.fits in a folder "sdss", with or without a table of labels.

    Parameters
    ----------
    folder : str or Path, optional
        Where the folder "sdss" lies; otherwise it is looked for in $WORKSHOP_DATA and in Kaggle's inputs. With a
        labels.csv (columns file, class, z) the rows of that table are taken, else the labels in the files themselves.

    Returns
    -------
    pandas.DataFrame
        Columns as of `real_spectra`; empty where there is no such folder.
    """
    try:
        sdss = find_data("sdss", folder)
    except FileNotFoundError:
        return pd.DataFrame(columns=COLUMNS)
    if (sdss / "labels.csv").is_file():
        table = _present(read_labels(sdss / "labels.csv", "write it again"))
    else:
        columns = ["file", "class", "z", "sn_median"]
        table = pd.DataFrame([_own_label(path) for path in sorted(sdss.glob("spec-*.fits"))], columns=columns)
    names = [re.sub(r"^spec-|\.fits.*$", "", Path(name).name) for name in table["file"]]
    return table.assign(plate_mjd_fiber=names, faint_ten=False).reindex(columns=COLUMNS)


def real_events():
    """Names of the gravitational-wave events whose strain ships with the course.

    >>> real_events()
    ['GW150914', 'GW151226', 'GW170729', 'GW170814']
    """
    return sorted(_events().event.unique())


def real_strain(event: str):
    """Files of real strain around an event, 32 s of each detector that ran, at 2,048 Hz.

    Parameters
    ----------
    event : str
        One of `real_events`.

    Returns
    -------
    files : list of Path
        A file for each detector, to be read by `strain.read_gwosc`.
    gps : float
        GPS time of the merger, in s (GWTC-1: Abbott et al. 2019, PRX 9, 031040).

    >>> files, gps = real_strain("GW150914")
    >>> [file.name for file in files], gps
    (['GW150914-H1.hdf5', 'GW150914-L1.hdf5'], 1126259462.42)
    """
    table = _events()
    rows = table[table.event == event]
    if not len(rows):
        raise ValueError(f"{event!r}: no such event ships; there are {', '.join(sorted(table.event.unique()))}.")
    return [_real(name) for name in rows.file], float(rows.gps.iloc[0])


def remedy(path: str | PathLike, otherwise: str):
    """What to do about a damaged or missing file: REMEDY where it is of the real sky that ships, else `otherwise`."""
    return REMEDY if folders.DATA.resolve() / "real" in Path(path).resolve().parents else otherwise


def _real(name):
    """Path of a file of data/real."""
    try:
        return shipped(f"real/{name}")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{str(error).split(': this file')[0]}: this file is missing; {REMEDY}.") from None


def _events():
    """The table of events."""
    path = _real("events.csv")
    try:
        return pd.read_csv(path).astype({"gps": float})[["file", "event", "gps", "detector"]]
    except (ValueError, KeyError, OSError) as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"{path}: no table of events that can be read ({error}); {REMEDY}.") from None


def read_labels(path, advice):
    """Read a table of labels: the rows that name a file below its folder, each once, with its full path."""
    try:
        table = pd.read_csv(path, dtype={"file": str})
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: no table that can be read ({error}); {advice}.") from None
    if not {"file", "class", "z"} <= set(table):
        found = ", ".join(map(str, table))[:200]
        raise ValueError(f"{path}: the columns are {found}; it needs file, class, z; {advice}.")
    numbers = pd.to_numeric(table["z"], errors="coerce")
    if (strange := table["z"][numbers.isna() & table["z"].notna()]).size:
        raise ValueError(
            f"{path}: z is {strange.iloc[0]!r} in row {strange.index[0] + 2}, which is no number; {advice}."
        )
    table = table.assign(z=numbers).dropna(subset="file").drop_duplicates("file")
    inside = [not leads_out(name) for name in table["file"]]
    return table[inside].assign(file=lambda rows: [os.fspath(path.parent / name) for name in rows["file"]])


def _present(table):
    """The rows of a table whose file exists."""
    return table[[Path(name).is_file() for name in table["file"]]]


def _own_label(path):
    """File, class, z and signal-to-noise ratio as written in HDU 2 of an SDSS file."""
    try:
        table = fits.getdata(path, 2)
        return str(path), table["CLASS"][0].strip(), float(table["Z"][0]), float(table["SN_MEDIAN_ALL"][0])
    except Exception:  # no such table or a damaged file: astropy raises many kinds
        return str(path), None, float("nan"), float("nan")
