"""The benchmarks run, and write what they promise; the numbers themselves depend on the machine and are not judged."""

import json
import math
import pathlib
import subprocess
import sys

import torch

from workshop_utils.networks import CNN, LongConv1d, PairMax

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
from run import plain  # noqa: E402
from traffic import Traffic  # noqa: E402

KEYS = {
    "long_convolution": "long_convolution_speedup",
    "redshift_cnn_training": "redshift_cnn_training_speedup",
    "redshift_cnn_limit": "redshift_cnn_share_of_limit",
    "two_processes": "two_processes_speedup",
    "identify_files": "identify_files_speedup",
    "simulate_strain": "simulate_strain_per_second",
    "whiten": "whiten_speedup",
}


def run(*arguments):
    command = [sys.executable, ROOT / "benchmarks" / "run.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_quick_benchmarks_write_what_they_promise(tmp_path):
    done = run(*KEYS, "--quick", "--threads", "1", "--output", tmp_path / "benchmark.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "benchmark.json").read_text())
    assert found["quick"] is True and found["threads"] == 1
    for name, key in KEYS.items():
        assert key in done.stdout
        for value in (found[key], found["peak_memory_mb"][name] or 1):
            assert math.isfinite(value) and value > 0
        assert found["spread"][key] >= 0


def test_unknown_benchmark_is_refused():
    done = run("nothing")
    assert done.returncode == 2 and "there is no benchmark nothing; choose from long_convolution," in done.stderr


def test_reference_is_the_same_network_of_torch_s_own_layers():
    network = CNN().eval()
    reference = plain(network)
    assert not [layer for layer in reference.modules() if isinstance(layer, LongConv1d | PairMax)]
    assert [layer for layer in network.modules() if isinstance(layer, LongConv1d)]
    x = torch.randn(2, 1, 4618)
    assert torch.allclose(network(x), reference(x), atol=1e-4)


def test_traffic_of_operations():
    """A product (2, 3) x (3, 4), its slopes, and a Fourier transform of 8 numbers, counted by hand."""
    a, b = torch.ones(2, 3, requires_grad=True), torch.ones(3, 4)
    with Traffic() as traffic:
        y = a @ b
    assert (traffic.operations, traffic.bytes) == (2 * 2 * 3 * 4, 4 * (6 + 12 + 8))
    with Traffic() as traffic:
        torch.autograd.grad(y, a, torch.ones(2, 4))
    assert traffic.operations == 2 * 2 * 3 * 4
    x = torch.ones(8)
    with Traffic() as traffic:
        torch.fft.rfft(x)
    assert (traffic.operations, traffic.bytes) == (2.5 * 8 * 3, 4 * 8 + 8 * 5)


def test_traffic_of_a_convolution():
    """Forward, then slopes of weights and input: each as many operations."""
    layer, x = torch.nn.Conv1d(2, 3, 5, bias=False), torch.ones(1, 2, 10, requires_grad=True)
    with Traffic() as traffic:
        layer(x).sum().backward()
    assert traffic.operations == 3 * 2 * (3 * 6) * (2 * 5)
