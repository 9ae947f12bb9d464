#!/usr/bin/env python3
"""How many simulated glitches the detector calls mergers, of kinds that it was not taught: a row each, then all.

    python benchmarks/glitches.py [SAMPLES]

For each kind, how probable glitches are is learned from the four others. The threshold is the one at which as many
signals are found as without a third hypothesis at one false alarm in 100 of Gaussian noise.
"""

import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
from make_checkpoints import hypotheses, learn_glitches

from workshop_utils.apply import waves_network
from workshop_utils.scores import area_under_curve
from workshop_utils.simulate import simulate_strain
from workshop_utils.simulate.glitches import ALL, GLITCHES, add_glitches


def main(n=1000):
    network = waves_network()
    noise = hypotheses(network, simulate_strain(2 * n, 1000041, signals=0.0).strain)
    signal = hypotheses(network, simulate_strain(2 * n, 1000042, signals=1.0).strain)
    limit = torch.quantile(noise[0], 0.99)
    found = (signal[0] > limit).float().mean()
    print(f"without a third hypothesis, at one false alarm in 100: {found:.1%} of signals found")
    called, before = [], []
    for kind in ALL:
        samples = simulate_strain(n, 1000050 + kind, signals=0.0)
        add_glitches(samples.strain, torch.Generator().manual_seed(1000060 + kind), 1.0, [kind])
        glitch = hypotheses(network, samples.strain)
        learn_glitches(network, 3 * n, [other for other in ALL if other != kind])
        with torch.no_grad():
            of_signal, of_noise, of_glitch = (network.against_both(*each)[:, 0] for each in (signal, noise, glitch))
        threshold = torch.quantile(of_signal, 1 - found)
        called.append((of_glitch > threshold).float().mean())
        before.append((glitch[0] > limit).float().mean())
        truth = torch.arange(4 * n) < 2 * n
        auc = area_under_curve(torch.cat([of_signal, of_noise]).sigmoid(), truth)
        print(
            f"{GLITCHES[kind]:16s} {called[-1]:.1%} called mergers (without: {before[-1]:.1%}); in noise AUC {auc:.4f}"
        )
    share = torch.stack(called).mean()
    error = (share * (1 - share) / (n * len(ALL))).sqrt()
    print(f"all {n * len(ALL):,}: {share:.1%} ± {error:.1%} (without: {torch.stack(before).mean():.1%})")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
