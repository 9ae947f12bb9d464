"""Where data come from: folders first, then downloads from a server that misbehaves in every way we know."""

import sys
import threading
import types
import zipfile
from pathlib import Path

import pytest
from servers import CONTENT, SHA256, cut, good, ignore_range, nothing_but, page, ranges, send, stall, status

from workshop_utils import sources
from workshop_utils.sources import DownloadError, cache_folder, fetch, fetch_sdss, find_data, kaggle_file


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    """No data anywhere but in the test's own folders, and no waiting between tries."""
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WORKSHOP_DATA", raising=False)
    monkeypatch.setattr(sources.folders, "KAGGLE_INPUT", tmp_path / "kaggle-input")
    monkeypatch.setattr(sources.folders, "DATA", tmp_path / "shipped")
    monkeypatch.setattr(sources.download, "PAUSE", 0.01)


# ---------------------------------------------------------------------------------------------- fetch


def test_fetch_once(server, tmp_path):
    path = tmp_path / "new" / "folder" / "file.bin"
    assert fetch(f"{server.url}/a", path) == path and nothing_but(path)
    assert fetch(f"{server.url}/a", str(path)) == path
    assert len(server.log) == 1  # the second call finds it


@pytest.mark.parametrize("trouble", [cut, stall, status(500), status(503), status(429)])
def test_fetch_gets_over_trouble(server, tmp_path, trouble):
    server.plan = [trouble, trouble, good]
    path = tmp_path / "a" / "file.bin"
    fetch(server.url, path, timeout=0.3)
    assert nothing_but(path)
    assert ranges(server) == ([None, "bytes=100000-", "bytes=200000-"] if trouble in (cut, stall) else [None] * 3)


def test_fetch_starts_again_where_the_server_cannot_resume(server, tmp_path):
    server.plan = [cut, ignore_range]
    fetch(server.url, tmp_path / "a" / "file.bin")
    assert nothing_but(tmp_path / "a" / "file.bin")


def test_fetch_keeps_what_came_for_the_next_call(server, tmp_path):
    server.plan = [cut, status(404)]
    path = tmp_path / "a" / "file.bin"
    with pytest.raises(DownloadError, match="404"):
        fetch(server.url, path)
    assert [file.name for file in path.parent.iterdir()] == ["file.bin.part"]
    server.plan = [good]
    fetch(server.url, path)
    assert nothing_but(path) and ranges(server)[-1] == "bytes=100000-"


def test_fetch_goes_on_with_what_a_killed_process_left(server, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file.bin.x1y2z3.part").write_bytes(CONTENT[:5000])
    fetch(server.url, tmp_path / "a" / "file.bin")
    assert ranges(server)[-1] is None  # it may be at work still
    (tmp_path / "a" / "file.bin").unlink()
    monkeypatch.setattr(sources.download, "ORPHAN_AGE", -1e9)  # whatever the clock does
    fetch(server.url, tmp_path / "a" / "file.bin")
    assert ranges(server)[-1] == "bytes=5000-" and nothing_but(tmp_path / "a" / "file.bin")


def test_fetch_drops_a_part_that_is_longer_than_the_file(server, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file.bin.part").write_bytes(CONTENT + b"more")
    fetch(server.url, tmp_path / "a" / "file.bin")
    assert nothing_but(tmp_path / "a" / "file.bin")


@pytest.mark.parametrize(("code", "words"), [(401, "login"), (403, "refuses access"), (404, "no such file")])
def test_fetch_does_not_repeat_what_is_refused(server, tmp_path, code, words):
    server.plan = [status(code)]
    with pytest.raises(DownloadError, match=words) as caught:
        fetch(server.url, tmp_path / "a" / "file.bin")
    assert caught.value.status == code and len(server.log) == 1
    assert server.url in str(caught.value) and list((tmp_path / "a").iterdir()) == []


@pytest.mark.parametrize("trouble", [status(500), cut, stall])
def test_fetch_gives_up_in_the_end_and_says_what_to_do(server, tmp_path, trouble, monkeypatch):
    monkeypatch.setattr(sources.download, "TRIES", 2)
    server.plan = [trouble]
    path = tmp_path / "file.bin"
    with pytest.raises(DownloadError, match="in 2 tries; check the connection"):
        fetch(server.url, path, timeout=0.2)
    assert not path.exists() and len(server.log) == 2


def test_fetch_without_a_network(tmp_path):
    with pytest.raises(DownloadError, match="the connection failed .* check the connection"):
        fetch("http://127.0.0.1:9/file", tmp_path / "file")  # the port "discard": nobody listens


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_fetch_refuses_a_web_page(server, tmp_path, kind):
    server.plan = [lambda handler: page(handler, kind)]
    with pytest.raises(DownloadError, match="a web page came in place of the file"):
        fetch(server.url, tmp_path / "a" / "file.fits")
    assert list((tmp_path / "a").iterdir()) == []


def test_fetch_checks_the_checksum(server, tmp_path):
    path = tmp_path / "a" / "file.bin"
    fetch(server.url, path, sha256=SHA256.upper())
    assert nothing_but(path)
    path.write_bytes(b"damaged since")
    fetch(server.url, path, sha256=SHA256)
    assert nothing_but(path)
    with pytest.raises(DownloadError, match="checksum"):
        fetch(server.url, tmp_path / "b" / "file.bin", sha256="0" * 64)
    assert list((tmp_path / "b").iterdir()) == []


def test_fetch_without_a_stated_length(server, tmp_path):
    server.plan = [lambda handler: send(handler, 200, CONTENT, None)]
    fetch(server.url, tmp_path / "a" / "file.bin")
    assert nothing_but(tmp_path / "a" / "file.bin")


def test_two_at_once_end_with_one_good_file(server, tmp_path):
    server.plan = [cut, cut, good]
    path = tmp_path / "a" / "file.bin"
    threads = [threading.Thread(target=fetch, args=(server.url, path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert nothing_but(path)


# ---------------------------------------------------------------------------------------------- SDSS


def test_fetch_sdss_boss(server, monkeypatch):
    monkeypatch.setattr(sources.archives, "SDSS_ARCHIVE", server.url)
    path = fetch_sdss(3655, 55240, 2)
    assert path.name == "spec-3655-55240-0002.fits" and nothing_but(path)
    assert server.log[0].path == ("/eboss/spectro/redux/v5_13_2/spectra/lite/3655/spec-3655-55240-0002.fits")
    fetch_sdss("3655", "55240", "2")
    fetch_sdss(10656, 58163, 366)
    assert len(server.log) == 2 and server.log[1].path.endswith("/10656/spec-10656-58163-0366.fits")


def test_fetch_sdss_tries_all_reductions_of_the_first_survey(server, monkeypatch):
    monkeypatch.setattr(sources.archives, "SDSS_ARCHIVE", server.url)
    server.plan = [status(404), status(404), good]
    fetch_sdss(390, 51900, 282)
    tail = "spectra/lite/0390/spec-0390-51900-0282.fits"
    assert [request.path for request in server.log] == [f"/sdss/spectro/redux/{run}/{tail}" for run in (26, 103, 104)]


def test_fetch_sdss_unknown_or_refused(server, monkeypatch):
    monkeypatch.setattr(sources.archives, "SDSS_ARCHIVE", server.url)
    server.plan = [status(404)]
    with pytest.raises(DownloadError, match="spec-9999-55555-0001.fits: .* no such spectrum"):
        fetch_sdss(9999, 55555, 1)
    server.plan = [status(403)]
    with pytest.raises(DownloadError, match="403"):
        fetch_sdss(390, 51900, 282)


def test_fetch_sdss_prefers_the_file_at_hand(tmp_path, monkeypatch):
    (tmp_path / "data" / "sdss").mkdir(parents=True)
    here = tmp_path / "data" / "sdss" / "spec-3655-55240-0002.fits"
    here.touch()
    monkeypatch.setenv("WORKSHOP_DATA", str(tmp_path / "data"))
    assert fetch_sdss(3655, 55240, 2) == here


# ---------------------------------------------------------------------------------------------- folders


def test_find_data_searches_in_order(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_DATA", str(tmp_path / "data"))
    places = [
        cache_folder(),
        tmp_path / "shipped",
        tmp_path / "kaggle-input" / "datasets" / "owner" / "name",
        tmp_path / "kaggle-input" / "name",
        tmp_path / "data",
        tmp_path / "argument",
    ]
    for place in places:  # each found one hides those before
        place.mkdir(parents=True, exist_ok=True)
        (place / "file.h5").touch()
        assert find_data("file.h5", tmp_path / "argument") == place / "file.h5"
    assert find_data("file.h5") == tmp_path / "data" / "file.h5"
    with pytest.raises(FileNotFoundError, match="absent.h5: not found in .*data.*cache.*WORKSHOP_DATA"):
        find_data("absent.h5")


def test_cache_folder_falls_back_to_a_temporary_one(tmp_path, monkeypatch):
    assert cache_folder() == tmp_path / "cache"
    (tmp_path / "file").touch()
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "file" / "below"))
    with pytest.warns(UserWarning, match="WORKSHOP_CACHE"):
        folder = cache_folder()
    with pytest.warns(UserWarning):
        assert folder.is_dir() and cache_folder() == folder
    folder.rmdir()
    sources.folders._temporary_folder.cache_clear()


def test_cache_folder_of_the_user(tmp_path, monkeypatch):
    monkeypatch.delenv("WORKSHOP_CACHE", raising=False)
    monkeypatch.setattr(
        sources.folders.platformdirs, "user_cache_dir", lambda name, author: str(tmp_path / "user" / name)
    )
    assert cache_folder() == tmp_path / "user" / "workshop_utils" and cache_folder().is_dir()


def test_shipped(tmp_path):
    (tmp_path / "shipped" / "checkpoints").mkdir(parents=True)
    (tmp_path / "shipped" / "checkpoints" / "a.safetensors").touch()
    assert sources.shipped("checkpoints/a.safetensors").is_file()
    with pytest.raises(FileNotFoundError, match="b.safetensors.*make checkpoints"):
        sources.shipped("checkpoints/b.safetensors")


def test_own_spectra(tmp_path, write_sdss):
    assert len(sources.own_spectra()) == 0
    (tmp_path / "sdss").mkdir()
    for i, kind in enumerate(["QSO", "GALAXY", "QSO"]):
        write_sdss(tmp_path / "sdss" / f"spec-3655-55240-000{i}.fits", z=i + 0.5, kind=kind)
    (tmp_path / "sdss" / "spec-bad.fits").write_text("no spectrum")
    table = sources.own_spectra(tmp_path)
    assert len(table) == 4 and list(table["plate_mjd_fiber"])[:2] == ["3655-55240-0000", "3655-55240-0001"]
    quasars = table[table["class"] == "QSO"]
    assert list(quasars["z"]) == [0.5, 2.5] and list(quasars["sn_median"]) == [7.5, 7.5]

    labels = "file,class,z,source\nspec-3655-55240-0001.fits,QSO,9.5,me\nabsent.fits,QSO,1,me\n"
    (tmp_path / "sdss" / "labels.csv").write_text(labels)
    table = sources.own_spectra(tmp_path)
    assert list(table["z"]) == [9.5] and Path(table["file"][0]).is_file() and table["sn_median"].isna().all()


# ---------------------------------------------------------------------------------------------- Kaggle


@pytest.fixture
def kaggle(monkeypatch):
    """A kaggle package in place of the real one; ``kaggle.ask(api, name, path)`` is what it does."""

    class KaggleApi:
        def authenticate(self):
            handle.authenticate()

        def dataset_download_file(self, dataset, name, path, **_):
            assert dataset == "ywangscience/sdss-iii-iv"
            handle.ask(self, name, path)

    handle = types.SimpleNamespace(authenticate=lambda: None, ask=None)
    package = types.ModuleType("kaggle.api.kaggle_api_extended")
    package.KaggleApi = KaggleApi
    monkeypatch.setattr(sources.kaggle, "ask_apart", sources.kaggle_client.find_address)  # in this process, to see it
    for name, module in {"kaggle": None, "kaggle.api": None, package.__name__: package}.items():
        monkeypatch.setitem(sys.modules, name, module or types.ModuleType(name))
    return handle


def test_kaggle_file_at_hand_needs_no_kaggle(tmp_path):
    (tmp_path / "kaggle-input" / "sdss-iii-iv").mkdir(parents=True)
    (tmp_path / "kaggle-input" / "sdss-iii-iv" / "q.h5").touch()
    assert kaggle_file("q.h5").parent.name == "sdss-iii-iv"


def test_kaggle_file_is_downloaded_once(kaggle, server, tmp_path):
    def ask(api, name, path):
        response = types.SimpleNamespace(url=f"{server.url}/{name}?signature=1", close=lambda: None)
        api.download_file(response, f"{path}/{name}", None)

    kaggle.ask = ask
    path = kaggle_file("q.h5")
    assert path == tmp_path / "cache" / "q.h5" and path.read_bytes() == CONTENT
    assert list((tmp_path / "cache").iterdir()) == [path]
    kaggle.ask = None
    assert kaggle_file("q.h5") == path


class Refusal(Exception):
    """As requests.HTTPError: the status is in the response, and the text holds what nobody should see."""

    def __init__(self, code):
        super().__init__("https://storage/file?token=SECRET")
        self.response = types.SimpleNamespace(status_code=code)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Refusal(401), "refuses the credentials; create a new token"),
        (Refusal(403), "accept the rules"),
        (Refusal(404), "no such file"),
        (Refusal(429), "too many requests"),
        (Refusal(500), "check the internet connection .on Kaggle: Settings, Internet on"),
        (ConnectionError("token=SECRET"), "check the internet connection"),
        (SystemExit(1), "check the internet connection"),
    ],
)
def test_kaggle_refusals_say_what_to_do_and_hide_tokens(kaggle, error, words):
    def ask(*_):
        raise error

    kaggle.ask = ask
    with pytest.raises(DownloadError, match=words) as caught:
        kaggle_file("q.h5")
    assert str(caught.value).startswith("q.h5: ") and "SECRET" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("error", [SystemExit(1), OSError("Could not find kaggle.json"), ValueError("SECRET")])
def test_no_kaggle_credentials(kaggle, error):
    def authenticate():
        raise error

    kaggle.authenticate = authenticate
    with pytest.raises(DownloadError, match="No Kaggle credentials found.*kaggle.json.*KAGGLE_API_TOKEN") as caught:
        kaggle_file("q.h5")
    assert "SECRET" not in str(caught.value)


def test_an_old_kaggle_package_is_named(kaggle, monkeypatch):
    """It does not know tokens: not the token is at fault, but the package."""

    def authenticate():
        raise OSError("Could not find kaggle.json")

    kaggle.authenticate = authenticate
    monkeypatch.setenv("KAGGLE_API_TOKEN", "SECRET")
    for version, words in (("1.7.4.5", "too old for KAGGLE_API_TOKEN"), ("1.8.4", "No Kaggle credentials")):
        monkeypatch.setattr(sources.kaggle_client.metadata, "version", lambda _, version=version: version)
        with pytest.raises(DownloadError, match=words):
            kaggle_file("q.h5")


def test_no_kaggle_credentials_with_the_real_package(tmp_path, monkeypatch, capsys):
    pytest.importorskip("kagglesdk", reason="the kaggle package is not installed")
    for name in [name for name in sys.modules if name.split(".")[0] == "kaggle"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_V1_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "kaggle"))
    stdin = sys.stdin
    with pytest.raises(DownloadError, match="No Kaggle credentials found"):
        kaggle_file("q.h5")
    assert capsys.readouterr().out == ""
    assert sys.stdin is stdin and not stdin.closed  # the package closes its own


def test_unzip_refuses_paths_that_lead_out_and_damage(tmp_path):
    archive = tmp_path / "a.zip"
    for member in ("../q.h5", "/q.h5"):
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr(member, CONTENT)
        with pytest.raises(DownloadError, match="lead out of its folder"):
            sources.unzip(archive, "q.h5", tmp_path / "in" / "q.h5")
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("folder/other.h5", CONTENT)
    with pytest.raises(DownloadError, match="holds no q.h5"):
        sources.unzip(archive, "q.h5", tmp_path / "q.h5")
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("q.h5", CONTENT)
    data = bytearray(archive.read_bytes())
    data[1000] ^= 255
    archive.write_bytes(data)
    with pytest.raises(DownloadError, match="damaged"):
        sources.unzip(archive, "q.h5", tmp_path / "q.h5")
    archive.write_bytes(data[:3000])
    with pytest.raises(DownloadError, match="damaged"):
        sources.unzip(archive, "q.h5", tmp_path / "q.h5")
    assert [file.name for file in tmp_path.glob("q.h5*")] == []
