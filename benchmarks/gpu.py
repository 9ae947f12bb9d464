#!/usr/bin/env python3
"""Speed on a GPU: training steps, simulation, an epoch of the whole survey from the GPU's memory.

    python benchmarks/gpu.py [--quick] [--device cuda]

Writes _build/benchmark_gpu.json and prints it. --quick makes everything tiny, to see that it works, on any device.
"""

import argparse
import functools
import json
import time

import torch
from run import ROOT, plain, seconds_of, upstream_network
from torch import nn

from workshop_utils.networks import CNN, ShiftNetwork, log_redshift_mse
from workshop_utils.simulate import simulate_quasars, simulate_strain
from workshop_utils.sources import write_text
from workshop_utils.training import dataset_batches, train_step

SURVEY = 396_831  # spectra of DR16Q


def seconds(run, repeats, device):
    """Median seconds of `repeats` calls, after one to warm up, each waited for."""

    def waited():
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return seconds_of({"run": waited}, repeats)[0]["run"]


def training_rates(device, n, repeats):
    """Spectra per second of a training step: the course's networks, and the workshop's, each in several ways."""
    x, z = torch.randn(n, 1, 4618, device=device), 4 * torch.rand(n, device=device)
    label, rates = torch.randint(2, (n,), device=device), {}
    course = {"long": CNN(), "plain": plain(CNN()), "plain_bf16": plain(CNN()), "plain_compiled": plain(CNN())}
    cases = {f"cnn_{way}": (network, z, log_redshift_mse) for way, network in course.items()}
    shift = ShiftNetwork()
    cases["shift"] = shift, z, shift.loss
    cases["workshop_eager"] = plain(upstream_network()), label, nn.functional.cross_entropy
    for name, (network, target, loss) in cases.items():
        network.to(device).train()
        adam = torch.optim.Adam(network.parameters())
        if name.endswith("compiled"):
            network.compile()
        step = functools.partial(
            train_step, network, (x, target), loss, adam, half=torch.bfloat16 if name.endswith("bf16") else None
        )
        rates[f"train_{name}_per_second"] = n / seconds(step, repeats, device)
    return rates


def simulation_rates(device, n, repeats):
    """Spectra and samples of strain simulated per second."""
    return {
        "simulate_spectra_per_second": n / seconds(lambda: simulate_quasars(n, 1, device), repeats, device),
        "simulate_strain_per_second": n / seconds(lambda: simulate_strain(n, 1, device), repeats, device),
    }


def epoch(device, rows, batch):
    """Seconds of one epoch of the course's CNN over `rows` spectra in half precision, that lie on the device."""
    values = torch.randn(rows, 1, 4618, device=device, dtype=torch.float16)
    batches = dataset_batches(values, 4 * torch.rand(rows, device=device), batch, seed=1)
    network = CNN().to(device).train()
    adam = torch.optim.Adam(network.parameters())
    start = time.perf_counter()
    for step in range(rows // batch):
        loss = train_step(network, batches(step), log_redshift_mse, adam)
    loss.item()  # waits for the device
    return {"epoch_rows": rows, "epoch_seconds": time.perf_counter() - start}


def main(device, quick):
    """Measure, print, and keep."""
    found = {"device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type, "quick": quick}
    found |= training_rates(device, 8 if quick else 512, 1 if quick else 21)
    found |= simulation_rates(device, 16 if quick else 8192, 1 if quick else 5)
    found |= epoch(device, 64 if quick else SURVEY, 16 if quick else 512)
    if device.type == "cuda":
        found["peak_memory_gb"] = torch.cuda.max_memory_allocated(device) / 1e9
    text = json.dumps(found, indent=2) + "\n"
    write_text(ROOT / "_build" / "benchmark_gpu.json", text)
    print(text, end="")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: the numbers mean nothing")
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda"))
    arguments = parser.parse_args()
    main(arguments.device, arguments.quick)
