"""Bad Wi-Fi: whatever a server does, a download ends as a whole file or as an error, never as half a file."""

import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import CONTENT, SHA256, cut, good, ignore_range, nothing_but, page, ranges, send, serve, stall, status

from workshop_utils import sources
from workshop_utils.sources import DownloadError, fetch


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(sources.download, "PAUSE", 0.001)


def test_cut_at_random_bytes_and_resumed(server, tmp_path, full, count):
    """The line is cut at a random byte, again and again; each download ends whole, and no byte comes twice."""
    rng = random.Random(1)
    for i in range(200 if full else 20):
        cuts = rng.randrange(1, sources.TRIES)
        sizes = [rng.choice([1, 511, 512, 513, rng.randrange(1, 300_000)]) for _ in range(cuts)]
        server.plan = [lambda handler, size=size: cut(handler, size) for size in sizes] + [good]
        server.log.clear()
        path = fetch(server.url, tmp_path / str(i) / "file.bin", sha256=SHA256)
        assert nothing_but(path)
        held = [0, *(min(sum(sizes[: k + 1]), len(CONTENT)) for k in range(len(sizes)))]
        assert ranges(server) == [f"bytes={n}-" if n else None for n in held[: len(server.log)]]
        count("downloads cut at random bytes and resumed", len(sizes))


def test_cut_more_often_than_tried_goes_on_at_the_next_call(server, tmp_path, count):
    path = tmp_path / "a" / "file.bin"
    server.plan = [lambda handler: cut(handler, 20_000)]
    calls = 0
    while not path.exists():
        calls += 1
        try:
            fetch(server.url, path)
        except DownloadError as error:
            assert "run this again, it goes on where it stopped" in str(error)
            assert [file.name for file in path.parent.iterdir()] == ["file.bin.part"]
    assert nothing_but(path) and calls == 7  # 512 kB in 4 tries of 20 kB a call
    count("downloads cut at random bytes and resumed", len(server.log))


FAULTS = ["cut", "500", "503", "429", "416", "short", "long", "page", "403", "good"]


@given(st.lists(st.sampled_from(FAULTS), max_size=6))
def test_any_sequence_of_faults_ends_whole_or_with_an_error(plan):
    """Whatever the order of the faults: the right file, or a DownloadError that names the address."""
    faults = {
        "cut": cut,
        "page": page,
        "good": good,
        "short": lambda handler: send(handler, 200, CONTENT[:1000], 2000),  # says more than it sends
        "long": lambda handler: send(handler, 200, CONTENT, 1000),  # says less than it sends
    }
    with serve() as server, tempfile.TemporaryDirectory() as folder:
        server.plan = [faults.get(name) or status(int(name)) for name in plan] + [good]
        path = Path(folder) / "file.bin"
        try:
            fetch(server.url, path, sha256=SHA256)
        except DownloadError as error:
            assert server.url in str(error) and not path.exists()
        else:
            assert nothing_but(path)


@pytest.mark.parametrize(
    "fault",
    [
        status(401),
        status(403),
        status(404),
        status(429),
        status(500),
        status(503),
        page,
        lambda handler: send(handler, 200, b"", 0),
        lambda handler: send(handler, 200, CONTENT[:5000], len(CONTENT)),
        lambda handler: send(handler, 206, CONTENT[5000:], len(CONTENT) - 5000),
    ],
    ids=["401", "403", "404", "429", "500", "503", "login page", "nothing", "half", "wrong part"],
)
def test_each_fault_alone_is_an_error_that_says_what_to_do(server, tmp_path, fault, count):
    server.plan = [fault]
    path = tmp_path / "a" / "file.bin"
    with pytest.raises(DownloadError) as caught:
        fetch(server.url + "/file.bin?signature=SECRET", path, sha256=SHA256)
    message = str(caught.value)
    assert message.startswith(server.url) and message.endswith(".") and "\n" not in message and "SECRET" not in message
    assert not path.exists()
    count("answers of a server that are no file, refused with a reason")


def test_a_stall_times_out(server, tmp_path, monkeypatch, count):
    monkeypatch.setattr(sources.download, "TRIES", 1)
    server.plan = [stall]
    with pytest.raises(DownloadError, match="timed out"):
        fetch(server.url, tmp_path / "file.bin", timeout=0.2)
    server.plan = [lambda handler: handler.server.stop.wait(5)]  # not even an answer
    with pytest.raises(DownloadError, match="timed out"):
        fetch(server.url, tmp_path / "file.bin", timeout=0.2)
    count("stalls that timed out", 2)


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.plan = [cut, ignore_range]
    assert nothing_but(fetch(server.url, tmp_path / "a" / "file.bin", sha256=SHA256))


def test_checksums_are_kept_and_damage_since_is_found(server, tmp_path):
    """The checksum lies beside the file, as sha256sum writes it; a file that changed since is fetched again."""
    path = fetch(server.url, tmp_path / "a" / "file.bin")
    assert (tmp_path / "a" / "file.bin.sha256").read_text() == f"{SHA256}  file.bin\n"
    damaged = bytearray(CONTENT)
    damaged[300_000] ^= 1
    path.write_bytes(damaged)
    assert nothing_but(fetch(server.url, path)) and len(server.log) == 2
    (tmp_path / "a" / "file.bin.sha256").write_bytes(b"\xff\xfe")  # no text: as if none were kept
    fetch(server.url, path)
    assert len(server.log) == 2


PROGRAM = "import sys; from workshop_utils.sources import fetch; fetch(sys.argv[1], sys.argv[2], timeout=5)"


def test_two_processes_at_once_end_with_one_good_file(server, tmp_path, full, count):
    """Two processes ask for the same file at the same time, over a line that is cut; both end well, the file is one."""
    for i in range(5 if full else 1):
        path = tmp_path / str(i) / "file.bin"
        server.plan = [cut, cut, cut, good]
        both = [subprocess.Popen([sys.executable, "-c", PROGRAM, server.url, path]) for _ in range(2)]
        assert [process.wait(300) for process in both] == [0, 0]
        assert nothing_but(path)
        count("pairs of processes that fetched one file at once")


def test_many_threads_at_once_end_with_one_good_file(server, tmp_path, full):
    path = tmp_path / "a" / "file.bin"
    server.plan = [cut, cut, good]
    threads = [threading.Thread(target=fetch, args=(server.url, path)) for _ in range(16 if full else 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert nothing_but(path)


def test_a_downloader_that_is_killed_leaves_no_half_file(server, tmp_path, full, count):
    """SIGKILL in the middle of a download: nothing under the final name; the next call ends it."""
    rng = random.Random(3)
    for i in range(10 if full else 1):
        path = tmp_path / str(i) / "file.bin"
        server.plan = [lambda handler: cut(handler, rng.randrange(1, 300_000)) or handler.server.stop.wait(5), good]
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, server.url, path])
        while not list(path.parent.glob("*.part")):
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
        process.wait()
        assert not path.exists()
        server.plan = [good]
        fetch(server.url, path)
        assert path.read_bytes() == CONTENT
        count("downloading processes killed, and the file whole after the next call")
