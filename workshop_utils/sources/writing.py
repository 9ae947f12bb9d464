"""Files written whole or not at all, and the error of a download."""

import contextlib
import glob
import os
import time
import uuid
from os import PathLike
from pathlib import Path

ORPHAN_AGE = 900  # seconds without a write after which a partial download has lost its process


class DownloadError(OSError):
    """A download failed; the message says why and what to do. ``status`` is the HTTP status or None."""

    def __init__(self, message, status=None):
        super().__init__(message)
        self.status = status


@contextlib.contextmanager
def disk_errors_named(path: str | PathLike):
    """Turn an error of the disk in this block into one that names the file and says what to do."""
    try:
        yield
    except DownloadError:
        raise
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror or error}); free some space, or choose another folder."
        raise (OSError(error.errno, message) if error.errno else OSError(message)) from error


@contextlib.contextmanager
def atomic_write(path: str | PathLike):
    """Give a file to write beside ``path``; it takes the name of ``path`` only when it is whole.

    Parameters
    ----------
    path : str or Path
        Its folder is made if it is not there.

    Yields
    ------
    Path
        ``<name>.<random>.tmp``, deleted again if the block fails. What killed processes left goes, too.

    Raises
    ------
    OSError
        Where the disk is full or the folder cannot be written; the message names the file.
    """
    path = Path(path)
    beside = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with disk_errors_named(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield beside
            os.replace(beside, path)
    finally:
        for old in glob.glob(glob.escape(str(path)) + ".*.tmp"):
            with contextlib.suppress(OSError):
                if Path(old) == beside or time.time() - os.stat(old).st_mtime > ORPHAN_AGE:
                    os.unlink(old)


def write_text(path: str | PathLike, text: str):
    """Write a text file so that nobody ever reads half of it (see `atomic_write`)."""
    with atomic_write(path) as beside:
        beside.write_text(text, encoding="utf-8")
