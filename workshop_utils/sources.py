"""Sources: where data come from. Folders are searched first; then files are downloaded and cached."""

import contextlib
import errno
import functools
import glob
import hashlib
import http.client
import io
import os
import shutil
import ssl
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
import warnings
import zipfile
import zlib
from pathlib import Path, PureWindowsPath

import pandas as pd
from astropy.io import fits
from tqdm.auto import tqdm

_HERE = Path(__file__).resolve().parent
DATA = _HERE / "data" if (_HERE / "data").is_dir() else _HERE.parent / "data"  # in a wheel, in a checkout

# Science Archive Server, data release 17: www.sdss4.org/dr17/spectro/spectro_access, /dr17/data_access/bulk
SDSS_ARCHIVE = "https://data.sdss.org/sas/dr17"
BOSS_FOLDERS = ("eboss/spectro/redux/v5_13_2",)
SDSS_I_FOLDERS = ("sdss/spectro/redux/26", "sdss/spectro/redux/103", "sdss/spectro/redux/104")
FIRST_BOSS_PLATE = 3510

# Gravitational Wave Open Science Center, the catalogue GWTC-1: gwosc.org/eventapi/html/GWTC-1-confident/GW150914/v3
GW150914_ARCHIVE = "https://gwosc.org/eventapi/json/GWTC-1-confident/GW150914/v3"
GW150914_FILES = ("H-H1_GWOSC_4KHZ_R1-1126259447-32.hdf5", "L-L1_GWOSC_4KHZ_R1-1126259447-32.hdf5")

KAGGLE_DATASET = "ywangscience/sdss-iii-iv"
KAGGLE_COMPETITION = "g2net-gravitational-wave-detection"
KAGGLE_INPUT = Path("/kaggle/input")  # where Kaggle's notebooks find the data sets added to them

TRIES = 4
PAUSE = 1.0  # seconds before the second try, doubled before each further one
ORPHAN_AGE = 900  # seconds without a write after which a partial download has lost its process
KAGGLE_SECRETS = ("kaggle.json", "access_token", "access_token.txt", "credentials.json")
SILENCE = 60  # seconds without any data after which a connection to Kaggle is given up
CONNECTION_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    TimeoutError,
    ConnectionError,
    ssl.SSLError,
)


KAGGLE_REFUSALS = {
    401: "Kaggle refuses the credentials; create a new token at kaggle.com, Settings, API",
    403: "Kaggle refuses access; log in, open {page}, accept the rules and run this again",
    404: "there is no such file; the files are listed at {page}",
    429: "Kaggle asks to wait: too many requests; run this again in some minutes",
}


class DownloadError(OSError):
    """A download failed; the message says why and what to do. ``status`` is the HTTP status or None."""

    def __init__(self, message, status=None):
        super().__init__(message)
        self.status = status


def cache_folder():
    """Folder for downloads: $WORKSHOP_CACHE or the user's cache; a temporary one if that is read-only."""
    home = os.environ.get("WORKSHOP_CACHE")
    try:
        folder = Path(home).expanduser() if home else _user_cache() / "workshop_utils"
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


@contextlib.contextmanager
def writing(path):
    """Turn an error of the disk in this block into one that names the file and says what to do."""
    try:
        yield
    except DownloadError:
        raise
    except OSError as error:
        message = f"{path} cannot be written ({error.strerror or error}); free some space, or choose another folder."
        raise (OSError(error.errno, message) if error.errno else OSError(message)) from error


@contextlib.contextmanager
def written_beside(path):
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
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield beside
            os.replace(beside, path)
    finally:
        for old in glob.glob(glob.escape(str(path)) + ".*.tmp"):
            with contextlib.suppress(OSError):
                if Path(old) == beside or time.time() - os.stat(old).st_mtime > ORPHAN_AGE:
                    os.unlink(old)


def write_text(path, text):
    """Write a text file so that nobody ever reads half of it (see ``written_beside``)."""
    with written_beside(path) as beside:
        beside.write_text(text, encoding="utf-8")


def _user_cache():
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@functools.cache
def _temporary_folder():
    return Path(tempfile.mkdtemp(prefix="workshop_utils-"))


def shipped(name):
    """Path of a file that comes with the course, such as "checkpoints/redshift_cnn.safetensors"."""
    path = DATA / name
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: this file should have come with the course; install it again, or run: make checkpoints."
        )
    return path


def find_data(name, folder=None):
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


def real_spectra(classes=("QSO",), folder=None):
    """List the real SDSS spectra on this machine, for evaluation only: the course never trains on them.

    Parameters
    ----------
    classes : tuple of str, or None for all
        SDSS classes: "QSO", "GALAXY", "STAR".
    folder : str or Path, optional
        Where the folder "sdss" lies (see ``find_data``). It holds spec-*.fits and perhaps labels.csv with
        the columns file, class, z; without labels.csv they are read in each spectrum's own file.

    Returns
    -------
    pandas.DataFrame
        Columns file (full path), class, z, sn_median; empty where there is no such folder.
    """
    columns = ["file", "class", "z", "sn_median"]
    try:
        sdss = find_data("sdss", folder)
    except FileNotFoundError:
        return pd.DataFrame(columns=columns)
    if (sdss / "labels.csv").is_file():
        table = _read_labels(sdss / "labels.csv").reindex(columns=columns)
    else:
        table = pd.DataFrame([_own_label(path) for path in sorted(sdss.glob("spec-*.fits"))], columns=columns)
    if classes is not None:
        table = table[table["class"].isin(classes)]
    return table.reset_index(drop=True)


def _read_labels(path):
    """Read labels.csv: the rows whose file lies in the folder of the table, each once, with its full path."""
    try:
        table = pd.read_csv(path, dtype={"file": str})
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"{path}: no table that can be read ({error}); write it again.") from None
    if not {"file", "class", "z"} <= set(table):
        raise ValueError(f"{path}: the columns are {', '.join(map(str, table))[:200]}; it needs file, class, z.")
    numbers = pd.to_numeric(table["z"], errors="coerce")
    if (strange := table["z"][numbers.isna() & table["z"].notna()]).size:
        raise ValueError(f"{path}: z is {strange.iloc[0]!r} in row {strange.index[0] + 2}, which is no number.")
    table = table.assign(z=numbers).dropna(subset="file").drop_duplicates("file")
    inside = [not _leads_out(name) and (path.parent / name).is_file() for name in table["file"]]
    return table[inside].assign(file=lambda rows: [str(path.parent / name) for name in rows["file"]])


def _own_label(path):
    """File, class, z and signal-to-noise ratio as written in HDU 2 of an SDSS file."""
    try:
        table = fits.getdata(path, 2)
        return str(path), table["CLASS"][0].strip(), float(table["Z"][0]), float(table["SN_MEDIAN_ALL"][0])
    except Exception:  # no such table or a damaged file: astropy raises many kinds
        return str(path), None, float("nan"), float("nan")


def fetch(url, path, sha256=None, timeout=30, login=None):
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
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        _take_over(path, part)
        try:
            _transfer_with_retries(url, part, path, timeout, login)
            found = _sha256(part)
            if sha256 is not None and found != sha256.lower():
                part.write_bytes(b"")
                message = f"{_shown(url)}: the checksum of what came is wrong; try again, or report the address."
                raise DownloadError(message)
            os.replace(part, path)
            write_text(f"{path}.sha256", f"{found}  {path.name}\n")
        finally:
            if part.exists():
                os.replace(part, f"{path}.part") if part.stat().st_size else part.unlink()
    return path


def _shown(url):
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
                message = f"{_shown(url)}: the server answered {error.code}: {advice[error.code]}."
                raise DownloadError(message, error.code) from None
            problem, status = f"the server answered {error.code}", error.code
            if error.code == 416:  # what we hold is no beginning of this file
                part.write_bytes(b"")
        except CONNECTION_ERRORS as error:
            problem, status = f"the connection failed ({getattr(error, 'reason', None) or error})", None
    raise DownloadError(
        f"{_shown(url)}: {problem} in {TRIES} tries; check the connection (on Kaggle: Settings, Internet on) "
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
            raise DownloadError(f"{_shown(url)}: a web page came in place of the file; open the address in a browser.")
        bar = tqdm(
            total=total, initial=held, unit="B", unit_scale=True, desc=name, disable=(total or 0) < 5e6
        )
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


def fetch_sdss(plate, mjd, fiber):
    """Fetch one SDSS spectrum (data release 17, the "lite" file), known by plate, date and fibre.

    Parameters
    ----------
    plate, mjd, fiber : int
        As in the name of the file: spec-PLATE-MJD-FIBER.fits.

    Returns
    -------
    Path
        The file in a data folder, if it is there, else in the cache.

    Raises
    ------
    DownloadError
    """
    plate, mjd, fiber = int(plate), int(mjd), int(fiber)
    name = f"spec-{plate:04d}-{mjd}-{fiber:04d}.fits"
    with contextlib.suppress(FileNotFoundError):
        return find_data(f"sdss/{name}")
    for folder in BOSS_FOLDERS if plate >= FIRST_BOSS_PLATE else SDSS_I_FOLDERS:
        try:
            url = f"{SDSS_ARCHIVE}/{folder}/spectra/lite/{plate:04d}/{name}"
            return fetch(url, cache_folder() / "sdss-dr17" / name)
        except DownloadError as error:
            if error.status != 404:
                raise
    raise DownloadError(
        f"{name}: SDSS data release 17 has no such spectrum; look up plate, MJD and fibre "
        "at https://skyserver.sdss.org/dr17.",
        404,
    )


def fetch_gw150914(folder=None):
    """Fetch the strain of the first detection: 32 s around GW150914, 4,096 Hz, as HDF5 files of GWOSC (2 MB).

    Parameters
    ----------
    folder : str or Path, optional
        Where the folder "gw150914" with H-H1*.hdf5 and L-L1*.hdf5 lies, see ``find_data``.

    Returns
    -------
    list of Path
        The files of H1 and L1, in a data folder, if they are there, else in the cache.

    Raises
    ------
    DownloadError
    """
    with contextlib.suppress(FileNotFoundError):
        held = find_data("gw150914", folder)
        paths = [next(iter(sorted(held.glob(f"{name[:4]}*.hdf5"))), None) for name in GW150914_FILES]
        if all(paths):
            return paths
    return [fetch(f"{GW150914_ARCHIVE}/{name}", cache_folder() / "gw150914" / name) for name in GW150914_FILES]


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
            if any(_leads_out(member) for member in files.namelist()):
                raise DownloadError(f"{archive}: it holds paths that lead out of its folder; do not use it.")
            member = next((member for member in files.namelist() if member.split("/")[-1] == name), None)
            if member is None:
                raise DownloadError(f"{archive}: it holds no {name}; delete it and download it again.")
            with files.open(member) as source, written_beside(path) as beside, beside.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OverflowError):
        raise damaged from None  # or locked, or of an unknown kind
    except OSError as error:
        if error.errno == errno.EINVAL:  # it points before its own beginning
            raise damaged from None
        raise
    with contextlib.suppress(OSError):  # another process may be reading it
        Path(archive).unlink()


def _leads_out(member):
    """Whether a name in an archive is absolute or climbs out of its folder, on any system."""
    windows = PureWindowsPath(member)
    return windows.is_absolute() or bool(windows.drive or windows.root) or ".." in windows.parts
