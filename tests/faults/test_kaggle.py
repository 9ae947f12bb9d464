"""The kaggle package's own client against a server on localhost:7777 that stands in for Kaggle."""

import json
import os
import stat
import subprocess
import sys
import warnings
import zipfile
from importlib.metadata import version

import pytest
from servers import CONTENT, good, page, send, serve, status

from workshop_utils import sources
from workshop_utils.sources import DownloadError, kaggle_competition_file, kaggle_file

pytest.importorskip("kagglesdk", reason="the kaggle package is not installed, or too old to know a test server")
KEY = "sekret-key-0123456789"
DATASET = {"ownerSlug": "ywangscience", "datasetSlug": "sdss-iii-iv", "fileName": "q.h5"}
NAMES = {"dataset": "q.h5", "competition": "training_labels.csv"}
CALLS = {"dataset": kaggle_file, "competition": kaggle_competition_file}
each = pytest.mark.parametrize("kind", NAMES)


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    """No data, no credentials but a name and a key, no waiting, and the package's client pointed to localhost:7777."""
    for name in [name for name in os.environ if name.startswith("KAGGLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("WORKSHOP_DATA", raising=False)
    homes = {"HOME": "home", "USERPROFILE": "home", "KAGGLE_CONFIG_DIR": "home/.kaggle", "WORKSHOP_CACHE": "cache"}
    for name, folder in homes.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    for name in ("KAGGLE_INPUT", "DATA"):
        monkeypatch.setattr(sources.folders, name, tmp_path / "nothing")
    for name in [name for name in sys.modules if name.split(".")[0] == "kaggle"]:
        monkeypatch.delitem(sys.modules, name)  # it looks for credentials when it is first imported
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    monkeypatch.setattr(sources.kaggle, "SILENCE", 0.5)
    monkeypatch.setattr(sources.download, "PAUSE", 0.001)


@pytest.fixture
def kaggle():
    """Kaggle on port 7777: `plan` says how its storage answers, `api` how the site itself does."""
    try:
        context = serve(7777)
        handle = context.__enter__()
    except OSError:
        pytest.skip("port 7777 is taken")
    handle.answers = [good]
    handle.api = lambda handler, request: redirect(handler, f"/storage/{request['fileName']}")

    def answer(handler):
        request = handle.log[-1]
        if request.path.startswith("/storage"):
            answers = handle.answers
            return (answers.pop(0) if len(answers) > 1 else answers[0])(handler)
        return handle.api(handler, json.loads(request.body))

    handle.plan = [answer]
    yield handle
    context.__exit__(None, None, None)


def redirect(handler, place):
    """Kaggle's answer: the file lies elsewhere, for whoever has the signature."""
    send(handler, 302, b"", 0, Location=f"http://127.0.0.1:7777{place}?signature=SIGNED")


def half(handler):
    """Promise all, send 100,000 bytes, hang up; the time of change as storage tells it."""
    start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
    send(handler, 206 if start else 200, CONTENT[start : start + 100_000], len(CONTENT) - start)


def silent(handler):
    half(handler)
    handler.wfile.flush()
    handler.server.stop.wait(5)


def cached(tmp_path):
    return sorted(
        path.relative_to(tmp_path / "cache").as_posix() for path in (tmp_path / "cache").rglob("*") if path.is_file()
    )


PLACES = {"dataset": "q.h5", "competition": "g2net/training_labels.csv"}


@each
def test_download_by_the_package(kaggle, tmp_path, capfd, kind, count):
    path = CALLS[kind](NAMES[kind])
    assert path.read_bytes() == CONTENT and cached(tmp_path) == [PLACES[kind]]
    asked, *fetched = kaggle.log
    assert asked.headers["Authorization"].startswith("Basic ")
    if kind == "dataset":
        assert json.loads(asked.body) == DATASET
    else:
        body = json.loads(asked.body)
        assert body == {"competitionName": "g2net-gravitational-wave-detection", "fileName": "training_labels.csv"}
    assert len(fetched) == 2 and not any("Authorization" in get.headers for get in fetched)  # the key stays with Kaggle
    said = "".join(capfd.readouterr())
    assert KEY not in said and "SIGNED" not in said
    assert CALLS[kind](NAMES[kind]) == path and len(kaggle.log) == 3  # found, not downloaded again
    count("downloads by the kaggle package's own client, good or refused")


def test_a_sample_of_the_competition_keeps_its_folders(kaggle, tmp_path):
    path = kaggle_competition_file("train/0/0/0/00000e74ad.npy")
    assert path == tmp_path / "cache" / "g2net" / "train" / "0" / "0" / "0" / "00000e74ad.npy"
    assert path.read_bytes() == CONTENT


@each
def test_a_zipped_file_is_unpacked(kaggle, tmp_path, kind):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(NAMES[kind], b"x" * 1000)
    zipped = archive.read_bytes()
    kaggle.answers = [lambda handler: good(handler, zipped)]
    for place in (NAMES[kind], f"{NAMES[kind]}.zip"):  # under its own name, or as .zip
        kaggle.api = lambda handler, request, place=place: redirect(handler, f"/storage/{place}")
        path = CALLS[kind](NAMES[kind])
        assert path.read_bytes() == b"x" * 1000 and cached(tmp_path) == [PLACES[kind]]
        path.unlink()


@each
@pytest.mark.parametrize("fault", [half, silent], ids=["cut", "stall"])
def test_cut_or_stalled_and_resumed(kaggle, tmp_path, capfd, kind, fault, count):
    kaggle.answers = [good, fault, good]
    assert CALLS[kind](NAMES[kind]).read_bytes() == CONTENT
    assert [request.headers.get("Range") for request in kaggle.log[2:]] == [None, "bytes=100000-"]
    said = "".join(capfd.readouterr())
    assert KEY not in said and "SIGNED" not in said  # the package would print the signed address
    count("downloads by the kaggle package's own client, cut or stalled and resumed")


def test_given_up_and_gone_on_with_at_the_next_call(kaggle, tmp_path):
    kaggle.answers = [good, half, *[status(500)] * 3]  # the package takes such a "no" for a part of the file
    with pytest.raises(DownloadError, match="q.h5: the server answered 500 .*check the connection.*where it stopped"):
        kaggle_file("q.h5")
    assert cached(tmp_path) == ["q.h5.zip.part"]
    kaggle.answers = [good]
    assert kaggle_file("q.h5").read_bytes() == CONTENT and cached(tmp_path) == ["q.h5"]
    assert kaggle.log[-1].headers["Range"] == "bytes=100000-"


def login(handler, request):
    redirect(handler, "/storage/account/login")


ANSWERS = {
    "401": (status(401), None, "refuses the credentials; create a new token"),
    "403": (status(403), None, "accept the rules"),
    "404": (status(404), None, "no such file"),
    "429": (status(429), None, "too many requests"),
    "500": (status(500), None, "check the internet connection"),
    "silence": (lambda handler: handler.server.stop.wait(5), None, "check the internet connection"),
    "a login page": (None, page, "a web page came in place of the file|sent another file"),
    "a login page with no type": (None, lambda handler: page(handler, "application/octet-stream"), "a web page came"),
    "never the length it says": (None, lambda handler: send(handler, 200, CONTENT, 2 * len(CONTENT)), "connection"),
    "a damaged archive": (None, lambda handler: send(handler, 200, b"PK\3\4" + bytes(900), 904), "damaged"),
    "another file": (login, good, "sent another file"),
}


@each
@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_that_are_no_file(kaggle, tmp_path, capfd, kind, answer, count):
    """Each is an error that names the file and says what to do; nothing lies under the final name, nothing leaks."""
    site, storage, words = ANSWERS[answer]
    if site:
        kaggle.api = site if site is login else lambda handler, request: site(handler)
    kaggle.answers = [storage or good]
    with pytest.raises(DownloadError, match=words) as caught:
        CALLS[kind](NAMES[kind])
    assert PLACES[kind] not in cached(tmp_path)
    assert NAMES[kind] in str(caught.value)
    for secret in (KEY, "SIGNED", "signature"):
        assert secret not in str(caught.value) + "".join(capfd.readouterr())
    count("downloads by the kaggle package's own client, good or refused")


def test_two_processes_at_once(kaggle, tmp_path, count):
    """They share the cache: both end well, with one good file."""
    kaggle.answers = [good, good, half, half, good]
    program = "from workshop_utils.sources import kaggle_file; kaggle_file('q.h5')"
    both = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(300) for process in both] == [0, 0]
    assert (tmp_path / "cache" / "q.h5").read_bytes() == CONTENT and cached(tmp_path) == ["q.h5"]
    count("pairs of processes that fetched one file at once")


def test_a_token_in_place_of_a_key(kaggle, monkeypatch, tmp_path, capfd):
    """KAGGLE_API_TOKEN is asked about, used for Kaggle alone, and found nowhere else."""
    if tuple(map(int, version("kaggle").split(".")[:3])) < (2, 2, 4):
        pytest.skip("this client asks Kaggle itself about a token, and no server of ours")
    monkeypatch.delenv("KAGGLE_USERNAME")
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("KAGGLE_API_TOKEN", KEY)

    def api(handler, request):
        if "fileName" in request:
            return redirect(handler, f"/storage/{request['fileName']}")
        body = json.dumps({"active": True, "username": "somebody"}).encode()
        send(handler, 200, body, len(body), "application/json")

    kaggle.api = api
    assert kaggle_file("q.h5").read_bytes() == CONTENT
    assert KEY not in "".join(capfd.readouterr())
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert any(request.headers["Authorization"] == f"Bearer {KEY}" for request in kaggle.log)


def test_without_a_network_the_token_is_not_blamed(monkeypatch):
    """A token cannot be checked without a network: the error speaks of the network."""
    monkeypatch.setenv("KAGGLE_API_TOKEN", KEY)
    with pytest.raises(DownloadError, match="check the internet connection") as caught:
        kaggle_file("q.h5")
    assert KEY not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
@pytest.mark.parametrize("name", sources.KAGGLE_SECRETS)
def test_a_token_that_others_can_read_is_told(tmp_path, name):
    token = tmp_path / "home" / ".kaggle" / name
    token.parent.mkdir(parents=True, exist_ok=True)
    token.write_text("{}" if name.endswith("json") else "")
    for mode, warned in ((0o644, True), (0o640, True), (0o600, False)):
        token.chmod(mode)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sources.kaggle._check_permissions()
        advice = [str(warning.message) for warning in caught]
        assert bool(advice) == warned and all(f"chmod 600 {token}" in text for text in advice)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600  # looked at, not changed
