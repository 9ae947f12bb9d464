"""Downloads that go on after a cut, are checked, and never lie half done under their name."""

import contextlib
import glob
import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
import uuid
from os import PathLike
from pathlib import Path

from tqdm import tqdm

from .writing import ORPHAN_AGE, DownloadError, disk_errors_named, write_text

TRIES = 4
PAUSE = 1.0  # seconds before the second try, doubled before each further one
CONNECTION_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    TimeoutError,
    ConnectionError,
    ssl.SSLError,
)


def fetch(url: str, path: str | PathLike, sha256: str | None = None, timeout: float = 30, login: str | None = None):
    """Download a file: resumed after a cut, checked, and never left half done under its name.

    The bytes go to a file of this process's own, ``<name>.<random>.part``, so that two processes can fetch
    the same file at once. After a failure what came is kept as ``<name>.part``; the next call goes on there.
    The checksum of what came is kept beside it in ``<name>.sha256``, as sha256sum writes it; a file that was
    damaged since is downloaded again.

    Parameters
    ----------
    url : str
    path : str or Path
        Where the file shall lie. If it is there, and the checksum is right, nothing is downloaded.
    sha256 : str, optional
        Checksum in hexadecimal digits.
    timeout : float
        Seconds without any data after which a try is given up.
    login : str, optional
        Header "Authorization", sent to this address alone and not to where it may lead.

    Returns
    -------
    Path

    Raises
    ------
    DownloadError
        Where the server refuses or lacks the file, sends a web page in its place, or cannot be reached.
    OSError
        Where the disk is full or the folder cannot be written.
    """
    path = Path(path)
    known = sha256.lower() if sha256 else _kept_checksum(path)
    if path.is_file() and (known is None or _sha256(path) == known):
        return path
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    with disk_errors_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        _take_over(path, part)
        try:
            _transfer_with_retries(url, part, path, timeout, login)
            found = _sha256(part)
            if sha256 is not None and found != sha256.lower():
                part.write_bytes(b"")
                message = f"{redact_query(url)}: the checksum of what came is wrong; try again, or report the address."
                raise DownloadError(message)
            os.replace(part, path)
            write_text(f"{path}.sha256", f"{found}  {path.name}\n")
        finally:
            if part.exists():
                os.replace(part, f"{path}.part") if part.stat().st_size else part.unlink()
    return path


def redact_query(url):
    """Return what of an address may be shown: what follows the question mark can be a signature that opens the file."""
    return url.split("?")[0]


def _kept_checksum(path):
    """Checksum that an earlier download kept, or None."""
    with contextlib.suppress(OSError, ValueError, IndexError):  # none kept, or not readable
        return Path(f"{path}.sha256").read_text(encoding="utf-8").split()[0]


def _take_over(path, part):
    """Go on with what an earlier call left: renaming is atomic, so one process gets it."""
    for old in set(map(Path, glob.glob(glob.escape(str(path)) + "*.part"))) - {part}:
        with contextlib.suppress(OSError):
            if old == Path(f"{path}.part") or time.time() - old.stat().st_mtime > ORPHAN_AGE:
                os.replace(old, part)
                return


def _transfer_with_retries(url, part, path, timeout, login):
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            return _transfer(url, part, path.name, timeout, login)
        except urllib.error.HTTPError as error:
            advice = {
                401: "it wants a login; download the file in a browser",
                403: "it refuses access; log in there with a browser and download the file",
                404: "it has no such file; check the address or the numbers in it",
            }
            if error.code in advice:
                message = f"{redact_query(url)}: the server answered {error.code}: {advice[error.code]}."
                raise DownloadError(message, error.code) from None
            problem, status = f"the server answered {error.code}", error.code
            if error.code == 416:  # what we hold is no beginning of this file
                part.write_bytes(b"")
        except CONNECTION_ERRORS as error:
            problem, status = f"the connection failed ({getattr(error, 'reason', None) or error})", None
    raise DownloadError(
        f"{redact_query(url)}: {problem} in {TRIES} tries; check the connection (on Kaggle: Settings, Internet on) "
        f"and run this again, it goes on where it stopped. Or save the file as {path} with a browser.",
        status,
    )


def _transfer(url, part, name, timeout, login):
    """Append to ``part`` until it is as long as the server says; ConnectionError where it stays shorter."""
    held = part.stat().st_size
    headers = {"User-Agent": "workshop_utils"} | ({"Range": f"bytes={held}-"} if held else {})
    request = urllib.request.Request(url, headers=headers)
    if login:
        request.add_unredirected_header("Authorization", login)
    with urllib.request.urlopen(request, timeout=timeout) as response:
        if response.status != 206:  # the whole file, even where we asked for the rest
            held = 0
        length = response.headers.get("Content-Length")
        total = held + int(length) if length else None
        start = response.read(512)
        if not held and not start:
            raise ConnectionError("nothing came")
        if not held and (response.headers.get_content_type() == "text/html" or _is_page(start)):
            message = f"{redact_query(url)}: a web page came in place of the file; open the address in a browser."
            raise DownloadError(message)
        bar = tqdm(total=total, initial=held, unit="B", unit_scale=True, desc=name, disable=(total or 0) < 5e6)
        with part.open("ab" if held else "wb") as file, bar:
            while start:
                file.write(start)
                bar.update(len(start))
                start = response.read1(1 << 18)  # what has come; read() would wait for all of it
    if total is not None and part.stat().st_size != total:
        raise ConnectionError(f"{part.stat().st_size} of {total} bytes came")


def _is_page(start):
    """Whether these first bytes of a file are those of a web page."""
    return start.lstrip()[:5].lower() in (b"<!doc", b"<html")


def _sha256(path):
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
