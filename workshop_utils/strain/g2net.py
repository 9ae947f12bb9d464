"""Reading samples of the g2net competition."""

import os
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from ..shapes import ArrayLike
from ..sources import KAGGLE_COMPETITION, find_data
from .detectors import DETECTORS, N_SAMPLES, StrainError
from .filters import check_strain

TREE = f"Take train/ and training_labels.csv of kaggle.com/competitions/{KAGGLE_COMPETITION}"


def g2net_labels(folder: str | PathLike | None = None, partial: bool = False):
    """List the labelled samples of the g2net competition on this machine; no strain is read.

    Parameters
    ----------
    folder : str or Path, optional
        Holds training_labels.csv (id, target) and ID.npy, or train/a/b/c/abc....npy. Without it, a folder "g2net"
        or that of the Kaggle competition is looked for, see ``sources.find_data``.
    partial : bool
        Keep the samples that have both file and label, rather than refuse the others.

    Returns
    -------
    pandas.DataFrame
        Columns id, file (full path), target (1 = signal); empty where no folder is given and none is found.

    Raises
    ------
    StrainError
        Where the table cannot be used, or labels and files do not belong together.
    """
    path = _g2net_table(folder)
    if path is None:
        return pd.DataFrame({"id": [], "file": [], "target": []}).astype({"target": int})
    table = _read_labels(path)
    home = path.parent / "train" if (path.parent / "train").is_dir() else path.parent
    files = {
        name.removesuffix(".npy"): os.path.join(place, name)
        for place, _, names in os.walk(home)
        for name in names
        if name.endswith(".npy") and not name.startswith(".")  # macOS leaves ._... beside files that it copies
    }
    table["file"] = table["id"].map(files)
    lost, strange = table["id"][table["file"].isna()], sorted(files.keys() - set(table["id"]))
    if not partial and len(lost):
        raise StrainError(
            f"{path}: {len(lost)} of {len(table)} labels have no file under {home}, the first {lost.iloc[0]}.npy. "
            f"{TREE}, or pass partial=True to do without them."
        )
    if not partial and strange:
        raise StrainError(
            f"{files[strange[0]]}: this file and {len(strange) - 1} more have no label in {path}; move them elsewhere, "
            "or pass partial=True to do without them."
        )
    return table.dropna(subset="file")[["id", "file", "target"]].reset_index(drop=True)


def _g2net_table(folder):
    """Path of training_labels.csv, or None."""
    places = [Path(folder).expanduser()] if folder is not None else []
    for place in places + [place / "g2net" for place in places]:
        if (place / "training_labels.csv").is_file():
            return place / "training_labels.csv"
    if places:
        raise StrainError(f"{folder}: no training_labels.csv there or in its folder g2net. {TREE}.")
    for name in ("g2net/training_labels.csv", f"{KAGGLE_COMPETITION}/training_labels.csv", "training_labels.csv"):
        try:
            return find_data(name)
        except FileNotFoundError:
            continue
    return None


def _read_labels(path):
    try:
        table = pd.read_csv(path, dtype={"id": str}, keep_default_na=False)  # an id may look like a number
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise StrainError(f"{path}: no table that can be read ({error}); download it again.") from None
    if not {"id", "target"} <= set(table):
        problem = f"the columns are {', '.join(map(str, table))}, not id and target"
    elif not table["target"].isin([0, 1]).all():
        problem = f"targets are 0 or 1, not {table['target'][~table['target'].isin([0, 1])].iloc[0]!r}"
    elif table["id"].duplicated().any():
        problem = f"the id {table['id'][table['id'].duplicated()].iloc[0]} stands there twice"
    else:
        return table
    raise StrainError(f"{path}: {problem}; download it again.")


def read_g2net(files: str | PathLike | ArrayLike):
    """Read samples of the g2net competition.

    Parameters
    ----------
    files : path, or sequence of paths
        As in the column file of ``g2net_labels``.

    Returns
    -------
    float32 array, shape (n, 3, 4096)
        H1, L1, V1, 2 s at 2,048 Hz; a row of zeros is a detector that was off.

    Raises
    ------
    StrainError
        Where a file is missing, damaged, of another shape or type, or holds no strain.
    """
    files = [files] if isinstance(files, str | os.PathLike) else list(files)
    strain = np.empty((len(files), len(DETECTORS), N_SAMPLES), np.float32)
    for row, path in zip(strain, files, strict=True):
        row[:] = _read_npy(path)
    return strain


def g2net_blocks(files: str | PathLike | ArrayLike, block: int = 256):
    """Read samples block by block, so that the 560,000 need not fit into memory: float32 arrays (<= block, 3, 4096)."""
    files = list(files)
    for start in range(0, len(files), block):
        yield read_g2net(files[start : start + block])


def _read_npy(path):
    """One file's strain, (3, 4096), or StrainError."""
    if not Path(path).is_file():
        raise StrainError(f"{path}: this file does not exist. {TREE}.")
    try:  # a map, so that a header that lies about the length allocates nothing; pickled objects are refused
        strain = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # of many kinds for a damaged file
        reason = " ".join(str(error).split())
        raise StrainError(f"{path}: no whole .npy file of numbers ({reason}); download it again.") from None
    try:
        if np.shape(strain) != (len(DETECTORS), N_SAMPLES):
            raise StrainError(
                f"strain of shape {np.shape(strain)}, not (3, {N_SAMPLES}); take a file of the competition."
            )
        return check_strain(strain)[0].numpy()
    except StrainError as error:
        raise StrainError(f"{path}: {error}") from None
