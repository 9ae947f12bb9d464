"""Kaggle's data set and competition: attached to a notebook there, or downloaded with its client."""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import warnings
import zipfile
import zlib
from os import PathLike
from pathlib import Path

from . import kaggle_client
from .download import fetch
from .folders import cache_folder, find_data, leads_out
from .writing import DownloadError, atomic_write

KAGGLE_DATASET = "ywangscience/sdss-iii-iv"
KAGGLE_COMPETITION = "g2net-gravitational-wave-detection"
KAGGLE_SECRETS = ("kaggle.json", "access_token", "access_token.txt", "credentials.json")
SILENCE = 60  # seconds without any data after which a connection to Kaggle is given up
KAGGLE_REFUSALS = {
    401: "Kaggle refuses the credentials; create a new token at kaggle.com, Settings, API",
    403: "Kaggle refuses access; log in, open {page}, accept the rules and run this again",
    404: "there is no such file; the files are listed at {page}",
    429: "Kaggle asks to wait: too many requests; run this again in some minutes",
}


def kaggle_file(name: str, folder: str | PathLike | None = None):
    """Find a file of kaggle.com/datasets/ywangscience/sdss-iii-iv on this machine, or download it.

    Parameters
    ----------
    name : str
        "dr16q-log-zvi-quasar.h5" (11.8 GB) or "dr16q-log-zvi-galaxy.h5" (0.9 GB).
    folder : str or Path, optional
        Searched first, see ``find_data``.

    Returns
    -------
    Path

    Raises
    ------
    DownloadError
        Where there are no credentials, the rules are not accepted, or Kaggle cannot be reached.
    """
    with contextlib.suppress(FileNotFoundError):
        return find_data(name, folder)

    return _from_kaggle(name, cache_folder() / name, "datasets", KAGGLE_DATASET)


def kaggle_competition_file(name: str, folder: str | PathLike | None = None):
    """Find a file of the competition g2net-gravitational-wave-detection on this machine, or download it.

    Parameters
    ----------
    name : str
        "training_labels.csv", or a sample such as "train/0/0/0/00000e74ad.npy".
    folder : str or Path, optional
        Searched first, see ``find_data``; the file may also lie in a folder "g2net".

    Returns
    -------
    Path

    Raises
    ------
    DownloadError
        As ``kaggle_file``; you accept the competition's rules on its page.
    """
    for place in (f"g2net/{name}", name):
        with contextlib.suppress(FileNotFoundError):
            return find_data(place, folder)

    return _from_kaggle(name, cache_folder() / "g2net" / name, "competitions", KAGGLE_COMPETITION)


def _from_kaggle(name, path, part, page):
    """Let the kaggle package find the address, then fetch the file from there."""
    _check_permissions()
    answer = ask_apart(part, page, name, str(path.parent))
    page = f"https://www.kaggle.com/{part}/{page}"
    if "fault" in answer:
        raise _kaggle_error(name, page, **answer)
    if answer["sent"] not in (path.name, f"{path.name}.zip"):
        raise DownloadError(f"{name}: Kaggle sent another file; log in and open {page}.")
    try:
        held = fetch(answer["url"], path.with_name(f"{path.name}.zip"), timeout=SILENCE, login=answer["login"])
    except DownloadError as error:
        if error.status not in KAGGLE_REFUSALS:
            raise
        raise _kaggle_error(name, page, "refused", status=error.status) from None
    _unpack(held, path)
    return path


def ask_apart(part, page, name, folder):
    """`kaggle_client.find_address` in a process of its own: the kaggle package prints, reads stdin and exits."""
    program = [sys.executable, "-P", kaggle_client.__file__]  # -P: beside that file lies a kaggle.py, this one
    command = [*program, part, page, name, folder, str(SILENCE)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines else {"fault": "refused", "kind": f"exit status {done.returncode}"}


def _unpack(held, path):
    """Bring what Kaggle sent to its place: it is zipped or not, as Kaggle likes."""
    try:
        with held.open("rb") as file:
            zipped = file.read(4) == b"PK\3\4"
        if zipped:
            unzip(held, path.name, path)
        else:
            os.replace(held, path)
    except FileNotFoundError:
        if not path.is_file():  # another process was faster
            raise
    except DownloadError:
        held.unlink(missing_ok=True)  # so that the next call downloads it again
        raise
    finally:
        Path(f"{held}.sha256").unlink(missing_ok=True)


def _check_permissions():
    """Warn where other users of this machine can read a Kaggle token (Windows has no such modes)."""
    folders = {Path("~/.kaggle").expanduser(), Path(os.environ.get("KAGGLE_CONFIG_DIR") or "~/.kaggle").expanduser()}
    for path in [folder / name for folder in folders for name in KAGGLE_SECRETS]:
        if os.name == "posix" and path.is_file() and path.stat().st_mode & 0o077:
            advice = f"Other users of this machine can read your Kaggle token; run: chmod 600 {path}"
            warnings.warn(advice, stacklevel=2)


def _kaggle_error(name, page, fault, kind="no answer", status=None):
    """What to say of a fault that `kaggle_client.find_address` tells."""
    if fault == "missing":
        return DownloadError("The kaggle package is missing: pip install kaggle.")
    if fault == "old":
        return DownloadError("The kaggle package is too old for KAGGLE_API_TOKEN: pip install --upgrade kaggle.")
    if fault == "credentials":
        return DownloadError(
            "No Kaggle credentials found, or they are no longer valid. At https://www.kaggle.com/settings, API, create "
            f"a token; save kaggle.json in {Path('~/.kaggle').expanduser()}, or set KAGGLE_API_TOKEN to the token. "
            f"In a notebook on Kaggle: Add Input, {page.removeprefix('https://www.kaggle.com/')}."
        )
    reason = KAGGLE_REFUSALS.get(
        status,
        f"the download failed ({kind}); check the internet connection (on Kaggle: Settings, Internet on) and run this "
        "again, it goes on where it stopped",
    )
    return DownloadError(f"{'Kaggle login' if fault == 'network' else name}: {reason.format(page=page)}.", status)


def unzip(archive: str | PathLike, name: str, path: str | PathLike):
    """Unpack the one file ``name`` of a zip archive to ``path``, then delete the archive."""
    damaged = DownloadError(f"{archive}: it is damaged; delete it and download it again.")
    try:
        with zipfile.ZipFile(archive) as files:
            if any(leads_out(member) for member in files.namelist()):
                raise DownloadError(f"{archive}: it holds paths that lead out of its folder; do not use it.")
            member = next((member for member in files.namelist() if member.split("/")[-1] == name), None)
            if member is None:
                raise DownloadError(f"{archive}: it holds no {name}; delete it and download it again.")
            with files.open(member) as source, atomic_write(path) as beside, beside.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OverflowError):
        raise damaged from None  # or locked, or of an unknown kind
    except OSError as error:
        if error.errno == errno.EINVAL:  # it points before its own beginning
            raise damaged from None
        raise
    with contextlib.suppress(OSError):  # another process may be reading it
        Path(archive).unlink()
