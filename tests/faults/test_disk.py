"""Full disks and folders that nobody may write: a clear error or another folder, and nothing half written."""

import errno
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings

import pytest
import torch
from servers import CONTENT, good, status
from torch import nn

from workshop_utils import scores, sources
from workshop_utils.simulate import simulate_quasars
from workshop_utils.simulate.files import write_kaggle, write_sdss
from workshop_utils.sources import DownloadError, atomic_write, fetch
from workshop_utils.spectra import read_sdss
from workshop_utils.survey import SurveyError, prepare_spectra
from workshop_utils.training import load_checkpoint, save_checkpoint, train

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits and mounts are those of Linux and macOS")


@pytest.fixture(params=["limit", "tmpfs"])
def small_disk(request, tmp_path):
    """A folder in which no more than 100 kB can be written: by a limit on files, and as a disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "limit":
        import signal

        before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[0][1]))
        yield folder
        resource.setrlimit(resource.RLIMIT_FSIZE, before[0])
        signal.signal(signal.SIGXFSZ, before[1])
        return
    mount = shutil.which("mount")
    command = [mount or "false", "-t", "tmpfs", "-o", "size=100k", "none", folder]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def big_network():
    torch.manual_seed(0)
    return nn.Linear(300, 200)  # 240 kB


def test_a_checkpoint_on_a_full_disk(small_disk, count):
    """The error names the file; the checkpoint that was there stays whole."""
    path = small_disk / "net.safetensors"
    save_checkpoint(nn.Linear(3, 2), path, {"name": "old"})
    with pytest.raises(OSError, match="net.safetensors cannot be written .*; free some space") as caught:
        save_checkpoint(big_network(), path, {})
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert load_checkpoint(nn.Linear(3, 2), path)["name"] == "old"
    assert sorted(file.name for file in small_disk.iterdir()) == ["net.json", "net.safetensors"]
    count("writes to a full disk or a folder that cannot be written")


def test_a_training_on_a_full_disk_goes_on(small_disk, count):
    """It warns; the network is trained all the same."""
    network = big_network()
    x = torch.randn(8, 300)
    with pytest.warns(UserWarning, match="state.safetensors cannot be written .*in memory only"):
        history = train(
            network,
            lambda step: (x, x[:, :200]),
            nn.functional.mse_loss,
            5,
            checkpoint=small_disk / "state.safetensors",
        )
    assert history.step.iloc[-1] == 5 and list(small_disk.iterdir()) == []
    count("writes to a full disk or a folder that cannot be written")


def test_a_download_to_a_full_disk(small_disk, server, count):
    """The error names the file and says that the disk is full; what came is kept for when there is room."""
    path = small_disk / "file.bin"
    with pytest.raises(OSError, match="file.bin cannot be written .*(space|large).*; free some space"):
        fetch(server.url, path)
    assert not path.exists() and [file.name for file in small_disk.iterdir()] == ["file.bin.part"]
    held = (small_disk / "file.bin.part").stat().st_size
    assert 0 < held <= 102_400 and (small_disk / "file.bin.part").read_bytes() == CONTENT[:held]
    count("writes to a full disk or a folder that cannot be written")


def test_results_and_spectra_on_a_full_disk(small_disk, monkeypatch, count):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(small_disk / "results.json"))
    scores.record_results("first", {"accuracy": 0.5})
    with pytest.raises(OSError, match="results.json cannot be written"):
        scores.record_results("second", {"text": "x" * 200_000})
    monkeypatch.setenv("WORKSHOP_RESULTS", "")
    assert '"first"' in (small_disk / "results.json").read_text()
    assert [file.name for file in small_disk.iterdir()] == ["results.json"]
    if os.path.ismount(small_disk):  # a spectrum is smaller than the limit on files
        with pytest.raises(OSError, match="spec-0000-00000-000.*cannot be written"):
            write_sdss(simulate_quasars(4, seed=1), small_disk)
        assert not list(small_disk.glob("*.tmp")) and [read_sdss(file) for file in small_disk.glob("*.fits")]
    count("writes to a full disk or a folder that cannot be written", 2)


def test_a_survey_on_a_full_disk(small_disk, tmp_path, monkeypatch, count):
    """Too little room is told before anything is written; where room runs out on the way, the run goes on later."""
    import signal

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit[1], limit[1]))
    source = write_kaggle(tmp_path / "survey.h5", 40)
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert signal.getsignal(signal.SIGXFSZ) is not None
    with pytest.raises((SurveyError, OSError), match="prepared"):
        prepare_spectra(source, small_disk / "prepared")
    assert not (small_disk / "prepared").exists()
    shutil.rmtree(small_disk / "prepared.part", ignore_errors=True)
    count("writes to a full disk or a folder that cannot be written")


def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_folder(tmp_path, monkeypatch, server, count):
    """Below a file, in a folder of the system, on a disk mounted read-only: a warning, and the download still works."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file" / "cache", "/proc/cache", "/dev/null/cache"):
        monkeypatch.setenv("WORKSHOP_CACHE", str(folder))
        with pytest.warns(UserWarning, match="WORKSHOP_CACHE"):
            cache = sources.cache_folder()
        assert str(cache).startswith(tempfile.gettempdir())
        assert fetch(server.url, cache / "file.bin").read_bytes() == CONTENT
        shutil.rmtree(cache)
        sources.folders._temporary_folder.cache_clear()
        count("writes to a full disk or a folder that cannot be written")


@pytest.mark.skipif(not shutil.which("mount") or os.geteuid(), reason="only root can mount a folder read-only")
def test_a_cache_mounted_read_only(tmp_path, monkeypatch, count):
    folder = tmp_path / "cache"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", folder], capture_output=True).returncode:
        pytest.skip("this system does not let us mount")
    monkeypatch.setenv("WORKSHOP_CACHE", str(folder))
    try:
        with pytest.warns(UserWarning, match="Read-only file system.*WORKSHOP_CACHE"):
            assert sources.cache_folder() != folder
        with pytest.raises(OSError, match="net.safetensors cannot be written .Read-only file system"):
            save_checkpoint(nn.Linear(2, 1), folder / "net.safetensors", {})
    finally:
        subprocess.run(["umount", folder], check=True)
        sources.folders._temporary_folder.cache_clear()
    count("writes to a full disk or a folder that cannot be written", 2)


def test_a_folder_that_cannot_be_made(tmp_path, server, count):
    (tmp_path / "file").touch()
    for write in (lambda path: save_checkpoint(nn.Linear(2, 1), path, {}), lambda path: sources.write_text(path, "x")):
        with pytest.raises(OSError, match="file/net.safetensors cannot be written"):
            write(tmp_path / "file" / "net.safetensors")
    with pytest.raises(OSError, match="file"):
        fetch(server.url, tmp_path / "file" / "file.bin")
    count("writes to a full disk or a folder that cannot be written", 3)


def test_what_killed_writers_left_goes_with_the_next_write(tmp_path):
    old, new = tmp_path / "a.txt.1.tmp", tmp_path / "a.txt.2.tmp"
    for path in (old, new):
        path.write_text("half")
    hour_ago = time.time() - 3600
    os.utime(old, (hour_ago, hour_ago))
    sources.write_text(tmp_path / "a.txt", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "a.txt.2.tmp"]  # that one may be at work


def test_two_writers_of_one_file(tmp_path):
    """Each writes beside on its own; the later rename wins, and the file is whole."""
    path = tmp_path / "a.txt"
    with atomic_write(path) as one, atomic_write(path) as two:
        one.write_text("one")
        two.write_text("two")
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]


def test_a_refused_download_leaves_nothing(tmp_path, server):
    server.plan = [status(404), good]
    with pytest.raises(DownloadError):
        fetch(server.url, tmp_path / "a" / "file.bin")
    assert list((tmp_path / "a").iterdir()) == []


def test_notebooks_need_no_folder_of_their_own_to_write_in(executed, count):
    """They leave nothing where they run; so they run as well where nothing can be written."""
    for name, (folder, _) in executed.items():
        left = [path for path in pathlib.Path(folder).rglob("*") if path.is_file()]
        assert not left, f"{name} wrote {left}"
        count("notebooks that write nothing where they run")


def test_results_need_no_folder_to_write_in():
    """The same, tried: in a folder of the system that takes no files."""
    if not pathlib.Path("/proc/self").is_dir():
        pytest.skip("no such folder here")
    code = "import os; os.chdir('/proc/self')\nfrom workshop_utils import scores\nscores.record_results('a', {})"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        subprocess.run([sys.executable, "-c", code], check=True)
