#!/usr/bin/env python3
"""How many spectra a second so many processes train one CNN with, a GPU each, or a thread each where there is none.

    python -m torch.distributed.run --standalone --nproc_per_node=2 benchmarks/processes.py [BATCH [STEPS]]

As notebook 07 does it; a batch of random spectra for each process. `two_processes` of run.py compares two with one.
"""

import sys
import time

import torch
from accelerate import Accelerator

from workshop_utils.networks import CNN, log_redshift_mse
from workshop_utils.training import train_step

WARM_UP = 3  # steps that do not count


def main(batch=128, steps=20):
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    network = CNN().to(accelerator.device)
    network, adam = accelerator.prepare(network, torch.optim.Adam(network.parameters()))
    data = torch.randn(batch, 1, 4618).to(accelerator.device), 4 * torch.rand(batch).to(accelerator.device)
    for step in range(WARM_UP + steps):
        if step == WARM_UP:
            accelerator.wait_for_everyone()
            start = time.perf_counter()
        loss = train_step(network, data, log_redshift_mse, adam, backward=accelerator.backward)
        loss.item()  # waits for the GPU
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        print(accelerator.num_processes, batch * steps * accelerator.num_processes / (time.perf_counter() - start))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
