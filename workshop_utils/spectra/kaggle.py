"""The Kaggle data set of the workshop: labels, spectra block by block, train and test by object."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from ..shapes import ArrayLike
from .grid import N_PIXELS, SpectrumError

KAGGLE_LABELS = ("z_vi", "thing_id", "sn_median_all", "class_person", "plate", "mjd", "fiberid", "z_conf")


def open_kaggle(path: str | PathLike, columns: Sequence[str] = ()):
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
        raise SpectrumError(f"{path}: this file does not exist; get it with workshop_utils.sources.kaggle_file.")
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


def kaggle_problem(file: h5py.File, columns: Sequence[str]):
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


def kaggle_read(path: str | PathLike, data: Any, rows: Any = slice(None)):
    """Read rows of a data set, in the byte order of this machine; SpectrumError where the file is damaged there."""
    try:
        values = data[rows]
    except (OSError, RuntimeError, ValueError):
        raise SpectrumError(f"{path}: it is damaged and cannot be read to the end; download it again.") from None
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def kaggle_labels(path: str | PathLike, z_conf: int = 3, classes: Sequence[int] = (3, 30)):
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


def kaggle_blocks(path: str | PathLike, rows: Any, block: int = 1024):
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


def split_by_thing(thing_id: ArrayLike, test_share: float = 0.1, seed: int = 2022):
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

    >>> split_by_thing(np.array([7, 8, 7]), test_share=1.0).tolist()
    [True, True, True]
    """
    thing_id = np.asarray(thing_id, np.int64)
    objects = np.where(thing_id > 0, thing_id, -1 - np.arange(len(thing_id))).astype(np.uint64)
    salt = pd.util.hash_array(np.array([seed], np.uint64))
    return pd.util.hash_array(objects ^ salt) / 2.0**64 < test_share
