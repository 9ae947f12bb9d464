"""The training loop: it learns, stops, resumes to the same weights, and its files are safe."""

import json
import pathlib
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

from workshop_utils import training
from workshop_utils.simulate import simulate_quasars
from workshop_utils.training import (
    dataset_batches,
    load_checkpoint,
    predict,
    profile,
    quasar_batches,
    save_checkpoint,
    schedule,
    train,
)


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))


def batches(step):
    rng = torch.Generator().manual_seed(step)
    x = torch.randn(16, 3, generator=rng)
    return x, x.sum(1, keepdim=True)


def weights(network):
    return [value.clone() for value in network.state_dict().values()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def test_loss_falls_and_history_is_kept():
    network = small_network()
    history = train(network, batches, nn.functional.mse_loss, 300, learning_rate=0.02, every=50)
    assert list(history.step) == [50, 100, 150, 200, 250, 300]
    assert history.loss.iloc[-1] < 0.5 * history.loss.iloc[0]
    assert history.validation.isna().all()
    assert not network.training


def test_resume_gives_the_weights_of_an_unbroken_run(tmp_path):
    whole, broken, state = small_network(), small_network(), tmp_path / "state.safetensors"
    unbroken = train(whole, batches, nn.functional.mse_loss, 60, every=7)

    def interrupted(step):
        if step == 23:
            raise KeyboardInterrupt
        return batches(step)

    train(broken, interrupted, nn.functional.mse_loss, 60, every=7, checkpoint=state)
    assert not same(whole, broken)
    resumed = small_network()
    history = train(resumed, batches, nn.functional.mse_loss, 60, every=7, checkpoint=state)
    assert same(whole, resumed)
    assert history[["step", "loss"]].equals(unbroken[["step", "loss"]])


def test_a_killed_run_resumes_to_the_same_weights(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent("""
        import os, signal, sys, torch
        sys.path.insert(0, sys.argv[1])
        from test_training import batches, small_network
        from torch import nn
        from workshop_utils import training
        training.loop.SAVE_EVERY = 0
        def deadly(step):
            if step == 31:
                os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
            return batches(step)
        training.train(small_network(), deadly, nn.functional.mse_loss, 60, checkpoint=sys.argv[2])
    """)
    )
    state = tmp_path / "state.safetensors"
    run = subprocess.run([sys.executable, script, pathlib.Path(__file__).parent, state], capture_output=True)
    assert run.returncode != 0 and state.exists(), run.stderr.decode()
    whole, resumed = small_network(), small_network()
    train(whole, batches, nn.functional.mse_loss, 60)
    train(resumed, batches, nn.functional.mse_loss, 60, checkpoint=state)
    assert same(whole, resumed)


def test_stopping_by_hand_leaves_a_usable_network(capsys):
    network = small_network()

    def stopped(step):
        if step == 5:
            raise KeyboardInterrupt
        return batches(step)

    history = train(network, stopped, nn.functional.mse_loss, 100)
    assert list(history.step) == [5] and history.loss.notna().all()
    assert not network.training and predict(network, torch.randn(4, 3)).isfinite().all()
    assert "Stopped by hand" in capsys.readouterr().out


def test_time_budget_ends_the_training(monkeypatch):
    clock = iter(range(10000))
    monkeypatch.setattr(training.loop.time, "monotonic", lambda: next(clock))
    history = train(small_network(), batches, nn.functional.mse_loss, 1000, seconds=60, every=1)
    assert 10 < len(history) < 61


def test_patience_stops_when_the_loss_no_longer_falls():
    scores = iter([3, 2, 1, 1.5, 1.2, 1.1, 0.5, 0.4])
    validate = {"every": 10, "validate": lambda _: next(scores), "patience": 3}
    history = train(small_network(), batches, nn.functional.mse_loss, 80, **validate)
    assert list(history.validation) == [3, 2, 1, 1.5, 1.2, 1.1]


def test_learning_rate_warms_up_and_ends_at_zero():
    assert schedule(0) < 0.05
    assert schedule(0.05) > 0.9
    assert schedule(1) == pytest.approx(0, abs=1e-12)


def test_dataset_batches_show_every_row_once_an_epoch():
    x = torch.arange(10)
    batch = dataset_batches(x, -x, 5, seed=1)
    for epoch in (0, 3):
        parts = [batch(2 * epoch + k) for k in range(2)]
        assert sorted(torch.cat([p[0] for p in parts]).tolist()) == list(range(10))
        assert all(torch.equal(a, -b) for a, b in parts)
    assert batch(0)[0].tolist() != batch(2)[0].tolist()
    with pytest.raises(ValueError, match="less than one batch"):
        dataset_batches(x, x, 11, seed=1)


def test_quasar_batches_follow_from_seed_and_number():
    one, two = quasar_batches(4, seed=1), quasar_batches(4, seed=2)
    assert torch.equal(one(5)[0], one(5)[0])
    assert not torch.equal(one(5)[0], one(6)[0])
    assert not torch.equal(one(5)[0], two(5)[0])
    assert one(0)[0].shape == (4, 1, 4618)
    with pytest.raises(ValueError, match="training seeds are 1 to 2047"):
        quasar_batches(4, seed=0)


def test_training_seeds_never_meet_each_other_or_test_seeds():
    corners = [(seed, step) for seed in (1, 2, 2047) for step in (0, 1, 2**20 - 1)]
    seeds = [training.batch_seed(*corner) for corner in corners]
    assert len(set(seeds)) == len(seeds) and min(seeds) >= 2**31 and max(seeds) < 2**32
    with pytest.raises(ValueError, match="2\\*\\*31 - 1"):
        simulate_quasars(4, seed=2**31)


def test_checkpoint_keeps_weights_and_card(tmp_path):
    network, path = small_network(), tmp_path / "net.safetensors"
    save_checkpoint(network, path, {"seed": 3})
    torch.manual_seed(9)
    other = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    card = load_checkpoint(other, path)
    assert same(network, other)
    assert card["seed"] == 3 and card["parameters"] == 57 and card["torch"] == torch.__version__
    assert json.loads(path.with_suffix(".json").read_text()) == card
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["net.json", "net.safetensors"]


def test_bad_checkpoints_are_named(tmp_path):
    path = tmp_path / "net.safetensors"
    with pytest.raises(FileNotFoundError, match=r"net\.safetensors: no such checkpoint"):
        load_checkpoint(small_network(), path)
    save_checkpoint(nn.Linear(3, 2), path, {})
    with pytest.raises(ValueError, match=r"net\.safetensors holds a network of another shape"):
        load_checkpoint(small_network(), path)
    with pytest.raises(ValueError, match="no state of a training"):
        train(small_network(), batches, nn.functional.mse_loss, 5, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"net\.safetensors is damaged"):
        load_checkpoint(small_network(), path)


@pytest.mark.parametrize("name", ["ci", "laptop", "gpu"])
def test_profile_by_name(name, monkeypatch):
    monkeypatch.setenv("WORKSHOP_PROFILE", name)
    assert profile()["name"] == name


def test_profile_by_default_and_unknown(monkeypatch):
    monkeypatch.delenv("WORKSHOP_PROFILE", raising=False)
    assert profile()["name"] == ("gpu" if torch.cuda.is_available() else "laptop")
    monkeypatch.setenv("WORKSHOP_PROFILE", "phone")
    with pytest.raises(ValueError, match="'phone'; set it to one of ci, laptop, gpu"):
        profile()


def test_device_can_be_chosen(monkeypatch):
    monkeypatch.setenv("WORKSHOP_DEVICE", "cpu")
    assert training.best_device() == torch.device("cpu")
    for name in ("quantum", "cuda:99"):
        monkeypatch.setenv("WORKSHOP_DEVICE", name)
        with pytest.raises(ValueError, match=f"WORKSHOP_DEVICE is '{name}', which cannot be used here"):
            training.best_device()
