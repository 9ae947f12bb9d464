"""Where data lie on this machine: what ships, folders of the learner, the cache."""

import functools
import os
import tempfile
import warnings
from os import PathLike
from pathlib import Path, PureWindowsPath

import platformdirs

_HERE = Path(__file__).resolve().parents[1]
DATA = _HERE / "data" if (_HERE / "data").is_dir() else _HERE.parent / "data"  # in a wheel, in a checkout
KAGGLE_INPUT = Path("/kaggle/input")  # where Kaggle's notebooks find the data sets added to them


def cache_folder():
    """Folder for downloads: $WORKSHOP_CACHE or the user's cache; a temporary one if that is read-only."""
    home = os.environ.get("WORKSHOP_CACHE")
    try:
        folder = Path(home).expanduser() if home else Path(platformdirs.user_cache_dir("workshop_utils", False))
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home folder
        folder = _temporary_folder()
        warnings.warn(
            f"No cache folder can be written ({error}); downloads go to {folder} and are lost afterwards. "
            "Set WORKSHOP_CACHE to a folder of yours.",
            stacklevel=2,
        )
        return folder


@functools.cache
def _temporary_folder():
    return Path(tempfile.mkdtemp(prefix="workshop_utils-"))


def shipped(name: str):
    """Path of a file that comes with the course, such as "checkpoints/redshift_cnn.safetensors".

    >>> shipped('checkpoints/redshift_shift.json').name
    'redshift_shift.json'
    """
    path = DATA / name
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: this file should have come with the course; install it again, or run: make checkpoints."
        )
    return path


def find_data(name: str, folder: str | PathLike | None = None):
    """Find a file or folder of data on this machine.

    Parameters
    ----------
    name : str
        Path inside the data folder, such as "sdss" or "dr16q-log-zvi-quasar.h5".
    folder : str or Path, optional
        Searched first; then $WORKSHOP_DATA, the inputs of a Kaggle notebook, the course's data, the cache.

    Returns
    -------
    Path

    Raises
    ------
    FileNotFoundError
        The message lists the folders searched.

    >>> find_data('checkpoints').name
    'checkpoints'
    """
    kaggle = [place for depth in ("*", "datasets/*/*", "competitions/*") for place in sorted(KAGGLE_INPUT.glob(depth))]
    places = [folder, os.environ.get("WORKSHOP_DATA"), *kaggle, DATA, cache_folder()]
    places = [Path(place).expanduser() for place in places if place]
    for place in places:
        if (place / name).exists():
            return place / name
    raise FileNotFoundError(
        f"{name}: not found in {', '.join(map(str, places))}. Put it into one of these folders, "
        "or set WORKSHOP_DATA to the folder that holds it."
    )


def leads_out(member):
    """Whether a name in an archive is absolute or climbs out of its folder, on any system."""
    windows = PureWindowsPath(member)
    return windows.is_absolute() or bool(windows.drive or windows.root) or ".." in windows.parts
