#!/usr/bin/env python3
"""How good the CNN of notebook 03 is after its live training, over random starts: a row each, then mean and scatter.

    WORKSHOP_PROFILE=laptop python benchmarks/live_redshifts.py [SEED ...]

Training as the notebook does it (steps and batch of the profile, its learning rate; no limit of seconds), temperature
and intervals from 2,000 validation spectra, then 20,000 simulated test spectra (their own scatter: 0.1 %) and the real
quasars that ship.
"""

import contextlib
import io
import sys
import time

import numpy as np
import torch

from workshop_utils import apply, networks, scores, sources, training
from workshop_utils.simulate import simulate_quasars
from workshop_utils.spectra import read_sdss, standardise

COLUMNS = "  {:7.0f}  {:11.2f}  {:9.2%}  {:6.0f}  {:8.1%}  {:6.1%}  {:6.0f}  {:8.1%}"  # of a row, below the header


def summarised(network, flux, temperature, share):
    """Redshift, lower and upper end of the 68 % interval, and confidence (n, 4) for flux (n, 4618)."""
    logits = networks.in_parts(lambda part: training.predict(network, standardise(part)[:, None]), flux, 500)
    probability = (logits / temperature).softmax(1)
    return apply.summarise_probability(probability, networks.REDSHIFT_BINS, share=share).numpy()


def scored(answer, z):
    """Share within 6,000 km/s, median |dv| in km/s, and share of the redshifts that the 68 % interval holds."""
    dv = np.abs(scores.velocity_error(answer[:, 0], z))
    return np.mean(dv < 6000), np.median(dv), np.mean((answer[:, 1] <= z) & (z <= answer[:, 2]))


def main(seeds):
    sizes = training.profile()
    validation, test = simulate_quasars(2000, 1000031), simulate_quasars(20000, 1000032)
    table = sources.real_spectra()
    real_flux = torch.tensor(np.array([read_sdss(file).flux for file in table.file]))
    rows = []
    print(f"profile {sizes['name']}, {torch.get_num_threads()} threads\n")
    print("seed  seconds  temperature  simulated  median  interval    real  median  interval")
    for seed in seeds:
        torch.manual_seed(seed)
        network, start = networks.redshift_cnn(), time.perf_counter()
        batches = training.quasar_batches(sizes["batch"], seed)
        with contextlib.redirect_stdout(io.StringIO()):  # no progress bar
            training.train(network, batches, networks.redshift_loss, sizes["cnn_steps"], learning_rate=6e-3)
        seconds = time.perf_counter() - start
        logits = training.predict(network, standardise(validation.flux)[:, None])
        bins = torch.log1p(networks.REDSHIFT_BINS)
        nearest = (torch.log1p(validation.z)[:, None] - bins).abs().argmin(1)
        temperature = scores.fit_temperature(logits, nearest)
        share = apply.fit_interval((logits / temperature).softmax(1), networks.REDSHIFT_BINS, validation.z)
        row = [seconds, temperature]
        for flux, z in ((test.flux, test.z), (real_flux, table.z)):
            row += scored(summarised(network, flux, temperature, share), np.asarray(z))
        rows.append(row)
        print(
            "{:4d}  {:7.0f}  {:11.2f}  {:9.2%}  {:6.0f}  {:8.1%}  {:6.1%}  {:6.0f}  {:8.1%}".format(seed, *row),
            flush=True,
        )
    print(f"mean{COLUMNS}".format(*np.mean(rows, 0)))
    print(f"s.d.{COLUMNS}".format(*np.std(rows, 0, ddof=1)))
    print(f"\n{len(test.z):,} simulated quasars, {len(table)} real ones; shares within 6,000 km/s; velocities in km/s")


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [41, 42, 43, 44, 45])
