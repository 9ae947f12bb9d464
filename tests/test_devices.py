"""Training in several processes: the same curve as one with the same global batch, and going on with more or fewer."""

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import nbformat
import pandas as pd
import pytest
import torch
from torch import nn

from workshop_utils.training import half_precision, train, train_step

STEPS, STOP = 40, 20


def network():
    """No batch normalisation: each process would normalise by its own half of the batch."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))


def batches(step):
    rng = torch.Generator().manual_seed(step)
    x = torch.randn(8, 3, generator=rng)
    return x, x.sum(1, keepdim=True)


def global_batches(step):
    """What two processes see in one step."""
    parts = batches(2 * step), batches(2 * step + 1)
    return tuple(torch.cat(part) for part in zip(*parts, strict=True))


def stopped(step):
    if step >= STOP:
        raise KeyboardInterrupt
    return batches(step)


def score(network):
    with torch.no_grad():
        return nn.functional.mse_loss(network(torch.ones(1, 3)), torch.ones(1, 1))


def run(net, batch=batches, steps=STEPS, every=10, **options):
    return train(net, batch, nn.functional.mse_loss, steps, learning_rate=0.05, every=every, validate=score, **options)


SCRIPT = """
    import json, sys
    from pathlib import Path
    import torch
    from accelerate import Accelerator
    sys.path.insert(0, sys.argv[1])
    import test_devices as test
    from workshop_utils import training

    training.loop.SAVE_EVERY, accelerator, folder = -1, Accelerator(cpu=True), Path(sys.argv[2])
    rank, whole, broken, seen = accelerator.process_index, test.network(), test.network(), []
    test.run(whole, accelerator=accelerator).to_csv(folder / f"history{rank}.csv", index=False)
    for name in ("again", "two"):
        try:
            test.run(test.network(), test.stopped, accelerator=accelerator, checkpoint=folder / f"{name}.safetensors")
        except KeyboardInterrupt:
            pass
        accelerator.wait_for_everyone()
    test.run(broken, accelerator=accelerator, checkpoint=folder / "again.safetensors")
    timed = test.run(test.network(), steps=10**6, seconds=0.5, every=10**6, accelerator=accelerator)
    test.run(test.network(), lambda step: seen.append(step) or test.batches(step), accelerator=accelerator,
             checkpoint=folder / "one.safetensors")
    values = [parameter.tolist() for net in (whole, broken) for parameter in net.state_dict().values()]
    said = {"processes": accelerator.num_processes, "values": values, "seen": seen, "timed": timed.step.tolist()}
    (folder / f"said{rank}.json").write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """What two processes on the CPU (gloo) said, and their folder."""
    folder = tmp_path_factory.mktemp("devices")
    run(network(), stopped, checkpoint=folder / "one.safetensors")  # one process got half way
    (folder / "run.py").write_text(textwrap.dedent(SCRIPT))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", folder / "run.py"]
    local = {"USE_LIBUV": "0"} | ({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {})
    done = subprocess.run(
        [*launch, pathlib.Path(__file__).parent, folder],
        env=os.environ | local,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder, [json.loads((folder / f"said{rank}.json").read_text()) for rank in (0, 1)]


def test_two_processes_follow_the_curve_of_one_with_the_same_global_batch(two_processes):
    folder, said = two_processes
    assert [one["processes"] for one in said] == [2, 2]
    one = network()
    alone = run(one, global_batches, STEPS // 2, every=5)
    for rank in (0, 1):
        together = pd.read_csv(folder / f"history{rank}.csv")
        assert list(together.step) == [10, 20, 30, 40] == list(2 * alone.step)
        assert together.loss.to_list() == pytest.approx(alone.loss.to_list(), rel=1e-5)
        assert together.validation.to_list() == pytest.approx(alone.validation.to_list(), rel=1e-5)
        for found, expected in zip(said[rank]["values"], one.state_dict().values(), strict=False):
            torch.testing.assert_close(torch.tensor(found), expected, rtol=1e-4, atol=1e-5)
    other = run(network(), batches, STEPS // 2, every=5)
    assert other.loss.to_list() != pytest.approx(alone.loss.to_list(), rel=1e-3)  # half the batch: another curve


def test_all_processes_hold_the_same_network_also_after_a_stop(two_processes):
    first, second = (one["values"] for one in two_processes[1])
    assert first == second
    assert first[: len(first) // 2] == first[len(first) // 2 :]  # unbroken, stopped and resumed


def test_a_time_budget_ends_all_processes_at_the_same_step(two_processes):
    first, second = (one["timed"] for one in two_processes[1])
    assert first == second and 0 < first[-1] < 10**6


def test_training_goes_on_with_another_number_of_processes(two_processes):
    folder, said = two_processes
    assert [one["seen"] for one in said] == [list(range(STOP, STEPS, 2)), list(range(STOP + 1, STEPS, 2))]
    seen, net = [], network()
    history = run(net, lambda step: seen.append(step) or batches(step), checkpoint=folder / "two.safetensors")
    assert seen == list(range(STOP, STEPS)) and list(history.step) == [10, 20, 30, 40]
    assert history.loss[:2].to_list() == pytest.approx(pd.read_csv(folder / "history0.csv").loss[:2].to_list())


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_trains_to_nearly_the_same_loss(half):
    losses = [run(network(), steps=200, half=numbers).loss.iloc[-1] for numbers in (None, half)]
    assert losses[0] != losses[1]  # it does round
    assert losses[1] == pytest.approx(losses[0], rel=0.3) and losses[1] < 0.02  # in float16, first steps are left out


def test_float16_keeps_small_gradients_by_a_scale_that_a_resumed_training_goes_on_with(tmp_path):
    def faint(answer, target):
        return 1e-9 * nn.functional.mse_loss(answer, target)

    moved = []
    for scaler in (torch.amp.GradScaler("cpu", enabled=False), None):
        net, before = network(), network()
        train_step(net, batches(0), faint, torch.optim.SGD(net.parameters(), lr=1e6), torch.float16, scaler)
        moved.append(not torch.equal(net[0].weight, before[0].weight))
    assert moved == [False, True]
    whole, broken, path = network(), network(), tmp_path / "half.safetensors"
    run(whole, half=torch.float16)
    run(network(), stopped, half=torch.float16, checkpoint=path)
    run(broken, half=torch.float16, checkpoint=path)
    for one, other in zip(whole.parameters(), broken.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_half_precision_suits_the_gpu(monkeypatch):
    assert half_precision("cpu") is half_precision("mps") is None
    for capability, expected in (((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, capability=capability: capability)
        assert half_precision("cuda") is expected  # a T4 is 7.5


def test_notebook_07_starts_from_the_loop_of_notebook_03_verbatim():
    """And its loop for many devices has the four lines more or other that it says."""
    folder = pathlib.Path(__file__).resolve().parents[1] / "notebooks"
    loops = {}
    for name in ("03_redshift_cnn", "07_full_survey"):
        for cell in nbformat.read(folder / f"{name}.ipynb", as_version=4).cells:
            for function in ("train_by_hand", "train_on_devices"):
                if f"def {function}(" in cell.source:
                    loops[name[:2], function] = cell.source.splitlines()
    assert loops["03", "train_by_hand"] == loops["07", "train_by_hand"]
    before, after = loops["07", "train_by_hand"][1:], loops["07", "train_on_devices"][1:]
    assert len([line for line in after if line not in before]) == 4
    assert len([line for line in before if line not in after]) == 2
