"""Closed lids and lost kernels: a training that is killed at any moment goes on, and ends with the same weights."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import textwrap
import time

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from workshop_utils.simulate.files import write_kaggle
from workshop_utils.survey import open_survey
from workshop_utils.training import load_checkpoint, predict, save_checkpoint, train

SCRIPT = textwrap.dedent("""
    import pathlib, sys, time
    import torch
    from torch import nn
    from workshop_utils import training

    def network():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv1d(1, 4, 9), nn.BatchNorm1d(4), nn.ReLU(), nn.Flatten(), nn.Linear(224, 300),
                             nn.ReLU(), nn.Linear(300, 300), nn.ReLU(), nn.Linear(300, 1))

    def batches(step):
        rng = torch.Generator().manual_seed(step)
        x = torch.randn(16, 1, 64, generator=rng)
        return x, x.mean(2)

    def write_slowly(path, data):
        with open(path, "wb") as file:
            for i in range(0, len(data), 100_000):
                file.write(data[i : i + 100_000])
                time.sleep(0.001)

    if __name__ == "__main__":
        torch.set_num_threads(1)
        training.loop.SAVE_EVERY, pathlib.Path.write_bytes = 0, write_slowly  # half of the time goes into checkpoints
        print("start", flush=True)
        training.train(network(), batches, nn.functional.mse_loss, int(sys.argv[2]), checkpoint=sys.argv[1])
""")
STEPS = 60
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no signals to send")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The script as a module, and the weights of a run that nobody broke."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "interrupted_run.py").write_text(SCRIPT)
    sys.path.insert(0, str(folder))
    import interrupted_run

    sys.path.remove(str(folder))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the script: sums in another order differ in the last digit
    whole = interrupted_run.network()
    train(whole, interrupted_run.batches, nn.functional.mse_loss, STEPS)
    yield interrupted_run, whole.state_dict()
    torch.set_num_threads(threads)


def start(run, state):
    """Start the training in a process of its own; return when it trains."""
    command = [sys.executable, run.__file__, str(state), str(STEPS)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.readline()
    return process


@posix
def test_killed_at_random_moments_it_ends_with_the_same_weights(run, tmp_path, full, count):
    """Killed again and again, at moments spread over the whole training, each time resumed in a new process."""
    run, whole = run
    rng = random.Random(7)
    kills, writing, seen, state = 0, 0, set(), tmp_path / "0" / "state.safetensors"
    while kills < (20 if full else 3):
        before, process = changed(state), start(run, state)
        while changed(state) == before and process.poll() is None:  # it imports for seconds before it trains
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        if process.wait() == -signal.SIGKILL:
            kills += 1
            writing += bool(half_written(state.parent) - seen)
            seen |= half_written(state.parent)
        else:  # it ended before: begin anew
            assert_same(run, whole, state)
            state = tmp_path / str(kills) / "state.safetensors"
    assert start(run, state).wait() == 0
    assert_same(run, whole, state)
    count("trainings killed at a random moment and resumed to the same weights", kills)
    count("trainings killed at a random moment: of these, while a checkpoint was written", writing)


def changed(path):
    """When a file was written last; None where there is none."""
    return path.stat().st_mtime_ns if path.exists() else None


def half_written(folder):
    """Names of the files that killed processes left."""
    return set(folder.glob("*.tmp"))


def assert_same(run, whole, state):
    resumed = run.network()
    history = train(resumed, run.batches, nn.functional.mse_loss, STEPS, checkpoint=state)
    assert history.step.iloc[-1] == STEPS
    assert all(torch.equal(value, whole[name]) for name, value in resumed.state_dict().items())


@posix
@pytest.mark.parametrize("moment", ["before", "during", "after", "renamed"])
def test_killed_while_a_checkpoint_is_written(run, tmp_path, moment, full, count):
    """Killed just before the file is written, with half of it written, before it is renamed, and just after."""
    if moment != "during" and not full:
        pytest.skip("only with --full")
    run, whole = run
    script = tmp_path / "deadly.py"
    script.write_text(
        textwrap.dedent(f"""
        import os, pathlib, signal, sys
        sys.path.insert(0, {str(pathlib.Path(run.__file__).parent)!r})
        import torch
        from torch import nn
        from interrupted_run import batches, network
        from workshop_utils import training
        torch.set_num_threads(1)
        training.loop.SAVE_EVERY = 0
        moment, writes = sys.argv[2], 0
        write_bytes, replace = pathlib.Path.write_bytes, os.replace

        def die():
            os.kill(os.getpid(), signal.SIGKILL)

        def deadly_write(path, data):
            global writes
            writes += 1
            last = writes == 8
            if last and moment == "before":
                die()
            write_bytes(path, data[: len(data) // 2] if last and moment == "during" else data)
            if last and moment in ("during", "after"):
                die()

        def deadly_replace(source, target):
            replace(source, target)
            if writes == 8:
                die()

        pathlib.Path.write_bytes, os.replace = deadly_write, deadly_replace
        training.train(network(), batches, nn.functional.mse_loss, {STEPS}, checkpoint=sys.argv[1])
    """)
    )
    state = tmp_path / "state" / "state.safetensors"
    dead = subprocess.run([sys.executable, script, state, moment], capture_output=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr.decode()
    assert state.exists()
    for left in half_written(state.parent):
        os.utime(left, (0, 0))  # a quarter of an hour later what a killed process left is cleared away
    assert start(run, state).wait() == 0
    assert_same(run, whole, state)
    assert list(state.parent.iterdir()) == [state]
    count("trainings killed at a chosen moment of a checkpoint's writing", 1)


@posix
def test_ctrl_c_leaves_a_usable_model(run, tmp_path, full, count):
    """Ctrl-C ends the training in good order; what it leaves is whole, and a new run goes on from there."""
    run, whole = run
    rng = random.Random(8)
    for i in range(8 if full else 1):
        state = tmp_path / str(i) / "state.safetensors"
        process = start(run, state)
        while not state.exists():
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.1))
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 0
        assert_same(run, whole, state)
        count("trainings ended by Ctrl-C, usable and resumed")


def test_stop_button_of_a_notebook_leaves_a_usable_model(tmp_path, count):
    """The stop button interrupts the kernel while a cell trains; the next cell uses and saves the network."""
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        client.execute(
            "import torch; from torch import nn; from workshop_utils import training\n"
            "net = nn.Linear(3, 1); x = torch.randn(8, 3)\n"
            "history = training.train(net, lambda step: (x, x[:, :1]), nn.functional.mse_loss, 10**9)"
        )
        deadline = time.monotonic() + 60
        while "batch" not in output(client.get_iopub_msg(timeout=60)) and time.monotonic() < deadline:
            pass  # the progress bar shows that it trains
        time.sleep(0.3)
        manager.interrupt_kernel()
        reply = client.execute_interactive(
            "training.save_checkpoint(net, 'net.safetensors', {}); assert history.step.iloc[-1] > 0", timeout=60
        )
        assert reply["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    network = nn.Linear(3, 1)
    load_checkpoint(network, tmp_path / "net.safetensors")
    assert predict(network, torch.randn(4, 3)).isfinite().all()
    count("trainings ended by the notebook's stop button, usable")


def output(message):
    return message["content"].get("text", "") if message["msg_type"] == "stream" else ""


def test_stopped_during_validation_and_between_batches(count, capsys):
    """Ctrl-C may come anywhere: in the batch, in the loss, in the validation."""

    def stop(*_):
        raise KeyboardInterrupt

    def batches(step):
        return torch.ones(4, 3), torch.zeros(4, 1)

    good = nn.functional.mse_loss
    for kwargs in (
        {"batches": stop, "loss": good},
        {"batches": batches, "loss": stop},
        {"batches": batches, "loss": good, "validate": stop, "every": 3},
    ):
        network = nn.Linear(3, 1)
        history = train(network, steps=10, **kwargs) if "validate" not in kwargs else None
        if history is None:
            calls = iter([stop])
            kwargs["validate"] = lambda _, calls=calls: next(calls, lambda: 0.0)()
            history = train(network, steps=10, **kwargs)
        assert not network.training and all(value.isfinite().all() for value in network.state_dict().values())
        assert "Stopped by hand" in capsys.readouterr().out
        count("trainings ended by Ctrl-C, usable and resumed")


def test_a_network_saved_over_an_old_one_is_one_or_the_other(tmp_path, monkeypatch, count):
    """Killed between any two system calls of save_checkpoint, the file under the name is whole."""
    path = tmp_path / "net.safetensors"
    old, new = nn.Linear(3, 1), nn.Linear(3, 1)
    save_checkpoint(old, path, {"name": "old"})
    replace, survived = os.replace, 0
    for stop_at in range(4):
        calls = iter(range(10))

        def interrupted(source, target, calls=calls, stop_at=stop_at):
            if next(calls) == stop_at:
                raise KeyboardInterrupt
            replace(source, target)

        monkeypatch.setattr(os, "replace", interrupted)
        try:
            save_checkpoint(new, path, {"name": "new"})
        except KeyboardInterrupt:
            survived += 1
        card = load_checkpoint(nn.Linear(3, 1), path)
        assert card["name"] in ("old", "new")
        assert not list(tmp_path.glob("*.part"))
    assert survived == 2  # the network and its card
    count("interrupted writes that left the old file or the new one", survived)


CONVERSION = textwrap.dedent("""
    import sys, time
    from workshop_utils import spectra, survey
    survey.BLOCK = 4
    standardise = survey.standardise
    survey.standardise = lambda flux: (time.sleep(0.01), standardise(flux))[1]  # so that it takes a second
    print("start", flush=True)
    survey.prepare_spectra(sys.argv[1], sys.argv[2])
""")


@posix
def test_conversion_of_a_survey_killed_at_random_moments(tmp_path, full, count):
    """Killed again and again, resumed in a new process: the same bytes as of an unbroken run."""
    source = write_kaggle(tmp_path / "survey.h5", 400)

    def convert(folder):
        command = [sys.executable, "-c", CONVERSION, str(source), str(folder)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process.stdout.readline()
        return process

    assert convert(tmp_path / "whole").wait() == 0
    rng, kills, folder = random.Random(9), 0, tmp_path / "0"
    while kills < (20 if full else 2):
        process = convert(folder)
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        if process.wait() == -signal.SIGKILL:
            kills += 1
        else:
            assert_same_folder(tmp_path / "whole", folder)
            folder = tmp_path / str(kills)
        assert not folder.exists() or open_survey(folder, check=True)  # under its name it is whole
    assert convert(folder).wait() == 0
    assert_same_folder(tmp_path / "whole", folder)
    count("conversions of a survey killed at a random moment and resumed to the same bytes", kills)


def assert_same_folder(whole, folder):
    for name in ("values.npy", "labels.csv", "card.json"):
        assert (whole / name).read_bytes() == (folder / name).read_bytes(), name
    assert not list(folder.parent.glob(f"{folder.name}.part"))


SEARCH = textwrap.dedent("""
    import sys
    import torch
    from workshop_utils import find_mergers

    torch.set_num_threads(1)
    print("start", flush=True)
    find_mergers(sys.argv[1])
""")


@posix
def test_search_for_mergers_killed_or_stopped_leaves_nothing(tmp_path, full, count):
    """Neither beside the record, nor where it runs, nor among temporary files; and the record is as it was."""
    record, work = tmp_path / "record.hdf5", tmp_path / "work"
    work.mkdir()
    seconds, rate = 512, 4096
    with h5py.File(record, "w") as file:
        data = file.create_dataset("strain/Strain", data=1e-21 * np.random.default_rng(1).normal(size=seconds * rate))
        data.attrs["Xspacing"] = 1 / rate
        file["meta/GPSstart"], file["meta/Detector"] = 1_000_000_000, "H1"
    before, rng = record.read_bytes(), random.Random(3)
    for k in range(20 if full else 3):
        stop = (signal.SIGKILL, signal.SIGINT)[k % 2]
        command = [sys.executable, "-c", SEARCH, str(record)]
        environment = os.environ | {"TMPDIR": str(work)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=work, env=environment)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 2))
        process.send_signal(stop)
        message = process.communicate()[1].decode()
        assert process.returncode == -stop, message  # it was still at work
        assert stop == signal.SIGKILL or "KeyboardInterrupt" in message
        assert not list(work.iterdir()) and sorted(tmp_path.iterdir()) == [record, work]
        assert record.read_bytes() == before
        count("searches for mergers killed or stopped, and nothing left")
