"""Kaggle's data set and competition: attached to a notebook there, or downloaded with its client."""

import contextlib
import errno
import io
import os
import shutil
import sys
import warnings
import zipfile
import zlib
from pathlib import Path

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


def kaggle_file(name, folder=None):
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

    def ask(api, folder):
        api.dataset_download_file(KAGGLE_DATASET, name, path=folder, force=True, quiet=True)

    return _from_kaggle(name, cache_folder() / name, ask, f"datasets/{KAGGLE_DATASET}")


def kaggle_competition_file(name, folder=None):
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

    def ask(api, folder):
        api.competition_download_file(KAGGLE_COMPETITION, name, path=folder, force=True, quiet=True)

    return _from_kaggle(name, cache_folder() / "g2net" / name, ask, f"competitions/{KAGGLE_COMPETITION}")


def _from_kaggle(name, path, ask, page):
    """Let the kaggle package log in and find the address, then fetch the file from there.

    The package's own way to write a file takes the text of a server's error for a part of the file, and goes on with
    that the next time (version 2.2.4); so it is replaced by one that keeps the address.
    """
    found = []

    def keep(response, outfile, *args, **kwargs):
        login = getattr(getattr(response, "request", None), "headers", {}).get("Authorization")  # none for storage
        found.append((getattr(response, "url", None) or response.geturl(), Path(outfile).name, login))
        response.close()

    api = _kaggle_api(page)
    api.download_file = keep
    try:
        with _impatient_requests(), contextlib.redirect_stdout(io.StringIO()):
            ask(api, str(path.parent))
        url, sent, login = found[0]
        if sent not in (path.name, f"{path.name}.zip"):
            raise DownloadError(f"{name}: Kaggle sent another file; log in and open https://www.kaggle.com/{page}.")
        held = fetch(url, path.with_name(f"{path.name}.zip"), timeout=SILENCE, login=login)
        _unpack(held, path)
    except (Exception, SystemExit) as error:  # many kinds; their text may hold signed addresses, so do not show it
        if isinstance(error, DownloadError) and error.status not in KAGGLE_REFUSALS or getattr(error, "errno", None):
            raise  # of the connection, or of the disk
        raise _kaggle_error(name, error, page) from None
    return path


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


@contextlib.contextmanager
def _impatient_requests():
    """Let requests, which waits for ever as the kaggle package uses it, give up after SILENCE seconds without data."""
    import requests

    send = requests.Session.send
    requests.Session.send = lambda *args, **kwargs: send(*args, **(kwargs | {"timeout": SILENCE}))
    try:
        yield
    finally:
        requests.Session.send = send


def _kaggle_api(page):
    """Log in with the kaggle package, which without credentials prints a page, closes stdin and exits."""
    stdin, sys.stdin = sys.stdin, io.StringIO()
    try:
        import requests

        hidden = io.StringIO()
        with _impatient_requests(), contextlib.redirect_stdout(hidden), contextlib.redirect_stderr(hidden):
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            if os.environ.get("KAGGLE_API_ENVIRONMENT"):
                api.build_kaggle_client = lambda: _kaggle_client(api)
            api.authenticate()
    except ImportError:
        raise DownloadError("The kaggle package is missing: pip install kaggle.") from None
    except requests.exceptions.RequestException as error:
        raise _kaggle_error("Kaggle's login", error, page) from None
    except (Exception, SystemExit):
        raise DownloadError(
            "No Kaggle credentials found, or they are no longer valid. At https://www.kaggle.com/settings, API, create "
            f"a token; save kaggle.json in {Path('~/.kaggle').expanduser()}, or set KAGGLE_API_TOKEN to the token. "
            f"In a notebook on Kaggle: Add Input, {page}."
        ) from None
    finally:
        sys.stdin = stdin
    _check_permissions()
    return api


def _kaggle_client(api):
    """Return the client of KAGGLE_API_ENVIRONMENT (TEST: localhost:7777), which the package's KaggleApi passes over."""
    from kagglesdk import KaggleClient

    found = api.config_values.get
    return KaggleClient(username=found("username"), password=found("key"), api_token=found("token"))


def _check_permissions():
    """Warn where other users of this machine can read a Kaggle token (Windows has no such modes)."""
    folders = {Path("~/.kaggle").expanduser(), Path(os.environ.get("KAGGLE_CONFIG_DIR") or "~/.kaggle").expanduser()}
    for path in [folder / name for folder in folders for name in KAGGLE_SECRETS]:
        if os.name == "posix" and path.is_file() and path.stat().st_mode & 0o077:
            advice = f"Other users of this machine can read your Kaggle token; run: chmod 600 {path}"
            warnings.warn(advice, stacklevel=2)


def _kaggle_error(name, error, page):
    status = getattr(getattr(error, "response", None), "status_code", getattr(error, "status", None))
    page = f"https://www.kaggle.com/{page}"
    reason = KAGGLE_REFUSALS.get(
        status,
        f"the download failed ({type(error).__name__}); check the internet connection (on Kaggle: Settings, "
        "Internet on) and run this again, it goes on where it stopped",
    ).format(page=page)
    return DownloadError(f"{name}: {reason}.", status)


def unzip(archive, name, path):
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
