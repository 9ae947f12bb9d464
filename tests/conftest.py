"""Files that the tests read: small SDSS and Kaggle files of synthetic spectra, and real ones if here."""

import os
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
import servers
from astropy.io import fits
from astropy.table import Table
from hypothesis import settings

from workshop_utils.simulate import files

# First pixel of the native grid (log10 A), pixels, and whether names are in capitals, as met in real files.
VINTAGES = {"SDSS-I": (3.5806, 3843, False), "BOSS": (3.5530, 4622, True), "eBOSS": (3.5515, 4621, True)}


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="try every fault as often as make test-all does")


def pytest_configure(config):
    for name, examples in {"short": 15, "full": 200}.items():
        settings.register_profile(name, max_examples=examples, deadline=None, derandomize=name == "short")
    settings.load_profile("full" if config.getoption("--full") else "short")


COUNTS = Counter()  # what the tests of faults have survived, printed at the end


@pytest.fixture(scope="session")
def full(request):
    """Whether faults are tried as often as `make test-all` does, or a few times only."""
    return request.config.getoption("--full")


@pytest.fixture
def count():
    """Return count(what, n=1), which adds to the numbers printed when the tests are over."""

    def add(what, n=1):
        COUNTS[what] += n

    return add


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # one of several processes: hand the numbers to the first
        session.config.workeroutput["counts"] = dict(COUNTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    COUNTS.update(getattr(node, "workeroutput", {}).get("counts", {}))


def pytest_terminal_summary(terminalreporter):
    if COUNTS:
        terminalreporter.section("faults tried")
        for what, n in sorted(COUNTS.items()):
            terminalreporter.write_line(f"{n:7,}  {what}")


ROOT = Path(__file__).resolve().parents[1]
# None of these is anybody's; no notebook may show them.
SECRETS = {"KAGGLE_USERNAME": "sekretreader", "KAGGLE_KEY": "0123sekret456789", "KAGGLE_API_TOKEN": "KGAT_sekret9876"}


# What each kernel of `executed` does first: it logs cells, steps of an optimiser and real files, a line each.
LOG = """
def begin():
    import os, sys
    from torch.optim.optimizer import register_optimizer_step_post_hook

    log, real = open(os.environ["NOTEBOOK_LOG"], "a"), os.environ["NOTEBOOK_REAL"]

    def note(word):
        log.write(word + "\\n")
        log.flush()

    def watch(event, arguments):
        if event == "open" and str(arguments[0]).startswith(real):
            note("real")

    sys.addaudithook(watch)
    register_optimizer_step_post_hook(lambda *_: note("step"))
    get_ipython().events.register("pre_run_cell", lambda *_: note("cell"))

begin()
del begin
"""


@pytest.fixture(scope="session")
def executed(full, tmp_path_factory):
    """Run notebooks, each in an empty folder of its own, with Kaggle tokens about: {name: (folder, notebook)}.

    All of them with --full, else the first, which is the shortest. Beside each folder lies its log, see LOG.
    """
    import nbformat
    from patient_client import PatientClient

    books = {}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**SECRETS, "WORKSHOP_PROFILE": "ci"}.items():
            environment.setenv(name, value)
        startup = tmp_path_factory.mktemp("ipython") / "profile_default" / "startup"
        startup.mkdir(parents=True)
        (startup / "00_log.py").write_text(LOG)
        environment.setenv("IPYTHONDIR", str(startup.parents[1]))
        environment.setenv("NOTEBOOK_REAL", str(ROOT / "data" / "real"))
        environment.delenv("WORKSHOP_DATA", raising=False)
        for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))[: None if full else 1]:
            folder, book = tmp_path_factory.mktemp(path.stem), nbformat.read(path, as_version=4)
            environment.setenv("NOTEBOOK_LOG", f"{folder}.log")
            resources = {"metadata": {"path": str(folder)}}
            PatientClient(book, timeout=600, kernel_name="python3", resources=resources).execute()
            books[path.stem] = folder, book
    return books


@pytest.fixture
def server():
    """A local web server that does as `server.plan` says, see servers.py."""
    with servers.serve() as handle:
        yield handle


@pytest.fixture(scope="session")
def real_folder():
    """Folder of real data, named by WORKSHOP_DATA; tests that need it are skipped without it."""
    folder = os.environ.get("WORKSHOP_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("WORKSHOP_DATA names no folder of real data")
    return Path(folder)


def quasar(loglam, z=2.0, seed=0):
    """Power law with the broad lines Lya, CIV, CIII], MgII and noise: flux and ivar, shape (n,)."""
    wavelength = 10**loglam
    flux = 5 * (wavelength / 5000) ** -1.5
    for rest, height in ((1215.67, 4), (1549.06, 2), (1908.73, 1), (2798.75, 1)):
        flux = flux * (1 + height * np.exp(-0.5 * ((wavelength / (1 + z) - rest) / 20) ** 2))
    sigma = 0.3 + 0.5 * np.exp(-((loglam - loglam[0]) / 0.02))
    return flux + sigma * np.random.default_rng(seed).normal(size=len(loglam)), sigma**-2.0


@pytest.fixture
def write_sdss():
    """Return write(path, vintage="BOSS", ...), which writes a small SDSS file and returns its path.

    Keywords: loglam, flux, ivar (arrays), z, kind, seed, row (False: no redshift row), drop (columns to leave
    out), full (True: with an exposure behind).
    """

    def write(path, vintage="BOSS", loglam=None, flux=None, ivar=None, z=2.0, kind="QSO", seed=0, **more):
        start, n_pixels, capitals = VINTAGES[vintage]
        loglam = start + 1e-4 * np.arange(n_pixels) if loglam is None else np.asarray(loglam)
        default = quasar(loglam, z, seed) if len(loglam) > 1 and np.all(loglam < 10) else (loglam, loglam)
        flux, ivar = default[0] if flux is None else flux, default[1] if ivar is None else ivar
        columns = {"flux": flux, "loglam": loglam, "ivar": ivar, "and_mask": np.zeros(len(loglam))}
        rename = str.upper if capitals else str.lower
        columns = {name: columns[name] for name in columns if name not in more.get("drop", ())}
        coadd = Table({rename(name): np.asarray(values, ">f4") for name, values in columns.items()})
        hdus = [fits.PrimaryHDU(), fits.BinTableHDU(coadd, name="" if capitals else "COADD")]
        if more.get("row", True):
            row = {
                "PLATE": [3655],
                "CLASS": [kind],
                "Z": np.array([z], ">f4"),
                "SN_MEDIAN_ALL": np.array([7.5], ">f4"),
            }
            hdus.append(fits.BinTableHDU(Table(row), name="SPECOBJ"))
            hdus.append(fits.BinTableHDU(Table({"LINENAME": ["Lya"], "LINEZ": [z]}), name="SPZLINE"))
        if more.get("full"):
            hdus.append(fits.BinTableHDU(coadd, name="B1-00110000"))
        fits.HDUList(hdus).writeto(path, overwrite=True)
        return path

    return write


@pytest.fixture
def write_kaggle():
    """Return write(path, n=50, drop=(), n_pixels=4618), which writes a small Kaggle file, or a bad one."""

    def write(path, n=50, drop=(), n_pixels=4618, seed=0):
        files.write_kaggle(path, n, seed=seed)
        with h5py.File(path, "r+") as file:
            file["z_vi"][0], file["z_conf"][0], file["class_person"][0] = -999, 3, 3  # sure, but of no redshift
            flux = file["flux"][:, :n_pixels]
            del file["flux"]
            file["flux"] = flux
            for name in drop:
                del file[name]
        return path

    return write
