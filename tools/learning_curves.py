#!/usr/bin/env python3
"""How many spectra each method needs: data/learning_curves.csv, the central figure of notebooks 03 and 06.

    python tools/learning_curves.py

For each method, number of training spectra and random start: train (every spectrum fresh), then score one test set of
2,000 simulated quasars. Half an hour on one core. A run that was stopped goes on: rows that are in the table are kept.
"""

import pathlib

import pandas as pd
import torch

from workshop_utils.networks import CNN, ShiftNetwork, log_redshift_mse, redshift_cnn, redshift_loss
from workshop_utils.scores import share_within, velocity_error
from workshop_utils.simulate import simulate_quasars
from workshop_utils.spectra import N_PIXELS, standardise
from workshop_utils.training import quasar_batches, train

from make_checkpoints import find_redshifts  # isort: skip

TABLE = pathlib.Path(__file__).resolve().parents[1] / "data" / "learning_curves.csv"
TEST_SEED, N_TEST, BATCH = 1000021, 2000, 128
SPECTRA = [4_096, 16_384, 65_536]  # seen in training
SEEDS = [21, 22, 23]
NETWORKS = {
    "CNN, one number": (CNN, log_redshift_mse, 4e-3),
    "CNN, a probability": (redshift_cnn, redshift_loss, 6e-3),
    "shift network": (ShiftNetwork, None, 3e-3),
}


def binned(flux, pixels=64):
    """Means (n, 72) of 64 pixels, standardised before and after: the width that suits the nearest neighbour best."""
    n = N_PIXELS // pixels
    return standardise(standardise(flux)[:, : n * pixels].unflatten(1, (n, pixels)).mean(2))


def nearest_neighbour(spectra, seed, flux):
    """Redshifts (n,) of the most similar of so many simulated spectra."""
    rng = torch.Generator().manual_seed(seed)
    parts = [simulate_quasars(2048, rng, flat=0.15) for _ in range(spectra // 2048)]
    library, z = torch.cat([binned(part.flux) for part in parts]), torch.cat([part.z for part in parts])
    return z[torch.cat([torch.cdist(part, library).argmin(1) for part in binned(flux).split(500)])]


def trained(method, spectra, seed, flux):
    """Redshifts (n,) that a network finds after training on so many spectra."""
    build, loss, learning_rate = NETWORKS[method]
    torch.manual_seed(seed)
    network = build()
    train(network, quasar_batches(BATCH, seed), loss or network.loss, spectra // BATCH, learning_rate=learning_rate)
    return find_redshifts(network, flux)


def main():
    """Fill the table, one row for each run."""
    test = simulate_quasars(N_TEST, TEST_SEED)
    table = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(columns=["method", "spectra", "seed", "share", "n"])
    for spectra in SPECTRA:
        for seed in SEEDS:
            for method in ("nearest neighbour", *NETWORKS):
                if ((table.method == method) & (table.spectra == spectra) & (table.seed == seed)).any():
                    continue
                find = nearest_neighbour if method == "nearest neighbour" else lambda *rest, m=method: trained(m, *rest)
                share, _ = share_within(velocity_error(find(spectra, seed, test.flux), test.z))
                table.loc[len(table)] = method, spectra, seed, round(share, 4), N_TEST
                table.to_csv(TABLE, index=False)
                print(f"{method}, {spectra:,} spectra, seed {seed}: {share:.1%}", flush=True)


if __name__ == "__main__":
    main()
