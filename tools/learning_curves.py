#!/usr/bin/env python3
"""How much each method must have seen: data/learning_curves.csv (notebooks 03, 06) and data/wave_curves.csv (05).

    python tools/learning_curves.py [redshifts] [waves]

For each method, number of training examples and random start: train (every example fresh), then score one test set of
2,000, all simulated. An hour on one core for each. A run that was stopped goes on: rows in the table are kept.
"""

import functools
import itertools
import pathlib
import sys

import pandas as pd
import torch

from workshop_utils.networks import (
    CNN,
    MatchedFilterNetwork,
    ShiftNetwork,
    StrainCNN,
    detection_loss,
    log_redshift_mse,
    redshift_cnn,
    redshift_loss,
)
from workshop_utils.scores import area_under_curve, share_within, velocity_error
from workshop_utils.simulate import simulate_quasars, simulate_strain
from workshop_utils.spectra import N_PIXELS, standardise
from workshop_utils.strain import whiten
from workshop_utils.training import predict, quasar_batches, strain_batches, train

from make_checkpoints import find_redshifts  # isort: skip

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
TEST_SEED, N_TEST, BATCH = 1000021, 2000, 128
SEEN = [4_096, 16_384, 65_536]  # examples in training
SEEDS = [21, 22, 23]
NETWORKS = {  # network, loss, highest learning rate
    "CNN, one number": (CNN, log_redshift_mse, 4e-3),
    "CNN, a probability": (redshift_cnn, redshift_loss, 6e-3),
    "shift network": (ShiftNetwork, None, 3e-3),
    "CNN, full layers": (functools.partial(CNN, length=4096, channels=3), detection_loss, 3e-3),
    "CNN, sum over times": (functools.partial(StrainCNN, templates=False), detection_loss, 3e-3),
    "the same, begun as templates": (StrainCNN, detection_loss, 4e-3),
    "matched-filter network": (MatchedFilterNetwork, detection_loss, 4e-2),
}
RANDOM_STARTS = {"CNN, full layers", "CNN, sum over times"}  # of the networks for strain


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


@functools.cache
def test_set(simulate):
    """What all methods of a table are scored on."""
    return simulate(N_TEST, TEST_SEED)


def trained(method, batches, seen, seed):
    """A network of `NETWORKS` after training on so many examples."""
    build, loss, learning_rate = NETWORKS[method]
    torch.manual_seed(seed)
    network = build()
    train(network, batches, loss or network.loss, seen // BATCH, learning_rate=learning_rate)
    return network


def share_right(method, seen, seed):
    """Share of the redshifts of the test quasars that are right within 6,000 km/s."""
    test = test_set(simulate_quasars)
    if method == "nearest neighbour":
        z = nearest_neighbour(seen, seed, test.flux)
    else:
        z = find_redshifts(trained(method, quasar_batches(BATCH, seed), seen, seed), test.flux)
    return share_within(velocity_error(z, test.z))[0]


def auc(method, seen, seed):
    """Area under the ROC curve of the test samples of strain; who starts at random hears loud signals in a third."""
    loud = seen // BATCH // 3 if method in RANDOM_STARTS else 0
    test = test_set(simulate_strain)
    network = trained(method, strain_batches(BATCH, seed, loud=loud), seen, seed)
    return area_under_curve(predict(network, whiten(test.strain), 64)[:, 0].numpy(), test.signal.numpy() > 0)


TASKS = {
    "redshifts": ("learning_curves", share_right, ["nearest neighbour", *list(NETWORKS)[:3]]),
    "waves": ("wave_curves", auc, list(NETWORKS)[3:]),
}


def main(names):
    """Fill the tables, one row for each run."""
    for name in names:
        file, score, methods = TASKS[name]
        path = DATA / f"{file}.csv"
        table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["method", "seen", "seed", "score", "n"])
        for seen, seed, method in itertools.product(SEEN, SEEDS, methods):
            if method == "matched-filter network" and seen > 16_384:
                continue  # it has long stopped learning, and would take half an hour
            if ((table.method == method) & (table.seen == seen) & (table.seed == seed)).any():
                continue
            table.loc[len(table)] = method, seen, seed, round(score(method, seen, seed), 4), N_TEST
            table.to_csv(path, index=False)
            print(f"{method}, {seen:,} seen, seed {seed}: {table.score.iloc[-1]:.1%}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(TASKS))
