"""Glitches: bursts that one detector's own machinery or surroundings make, and no wave from the sky.

Five kinds of those that observers sort them into (Gravity Spy: Zevin et al. 2017, CQG 34, 064003): blips, a few ms
long, the worst for searches of heavy black holes (Cabero et al. 2019, CQG 36, 155010); sine-Gaussians, as ringing parts
make; scattered light, arcs of low frequency, seconds long; whistles, which sweep down and up again; and koi fish, loud
and broad. In the third observing run a detector of LIGO had about one loud glitch a minute (Davis et al. 2021, CQG 38,
135014), so most glitches of a sample stand in one detector alone. Strengths: S/N from 5 up, falling as its third power
(Cabero et al. 2019, Fig. 3, find such tails). The shapes' ranges were chosen broad on purpose.
"""

import math

import torch

from ..strain import HIGH, LOW, N_SAMPLES, SAMPLE_RATE, design_asd
from .noise import normal, uniform

GLITCHES = ("blip", "sine-Gaussian", "scattered light", "whistle", "koi fish")
ALL = tuple(range(len(GLITCHES)))
WEAKEST, LOUDEST = 5.0, 150.0  # S/N


def add_glitches(strain, rng, share, kinds=ALL):
    """Add a glitch to one detector of a share of the samples (in place).

    Parameters
    ----------
    strain : (n, 3, 4096) tensor
        As `simulate_strain` makes it; detectors of zeros are off and have no glitches.
    rng : torch.Generator
    share : float
        Of the samples that get one.
    kinds : sequence of int
        Which of `GLITCHES`.

    Returns
    -------
    (n,) int64 tensor
        The kind of each sample's glitch, -1 without one.

    >>> strain = torch.zeros(4, 3, 4096) + 1e-30
    >>> kind = add_glitches(strain, torch.Generator().manual_seed(1), share=1.0)
    >>> (strain.abs().amax(2) > 1e-25).sum(1).tolist()  # in one detector each
    [1, 1, 1, 1]
    """
    n, device = len(strain), rng.device
    kinds = torch.tensor(list(kinds), device=device)
    kind = kinds[torch.randint(len(kinds), (n,), generator=rng, device=device)]
    wave = torch.stack([shape(k, n, rng) for k in range(len(GLITCHES))])[kind, torch.arange(n, device=device)]
    on = strain.abs().amax(2) > 0
    where = torch.multinomial(on.float().clamp_min(1e-6), 1, generator=rng)[:, 0]
    snr = (WEAKEST * (1 - uniform(rng, n)) ** -0.5).clamp(max=LOUDEST)
    chosen = (uniform(rng, n) < share) & on[torch.arange(n, device=device), where]
    wave *= (snr / loudness(wave, where) * chosen)[:, None]
    strain[torch.arange(n, device=device), where] += wave
    return torch.where(chosen, kind, -1)


def loudness(wave, detector):
    """S/N (n,) that waves (n, 4096) have in an optimal filter, each in the design's noise of its detector (n,)."""
    frequency = torch.fft.rfftfreq(N_SAMPLES, 1 / SAMPLE_RATE)
    inside = ((frequency >= LOW) & (frequency <= HIGH)).to(wave.device)
    asd = torch.as_tensor(1e23 * design_asd(frequency.numpy()), dtype=torch.float32, device=wave.device)
    power = (torch.fft.rfft(wave) / SAMPLE_RATE)[:, inside].abs() / asd[:, inside][detector]  # float32 ends at 1e38
    return 1e23 * (4 * SAMPLE_RATE / N_SAMPLES * power.square().sum(1)).sqrt().clamp_min(1e-12)


def shape(kind, n, rng):
    """Waves (n, 4096) of one kind, of order 1, each at a time of its own."""
    u = uniform(rng, 5, n, 1)
    start = 0.7 + 1.3 * u[0]  # s; most are where mergers are looked for
    t = torch.arange(N_SAMPLES, device=rng.device) / SAMPLE_RATE - start
    phase = 2 * math.pi * u[1]
    if kind == 0:  # half a cycle to two, 2 to 10 ms
        width = 0.001 * 5 ** u[2]
        return torch.exp(-0.5 * (t / width) ** 2) * torch.cos(2 * u[3] * t / width + phase)
    if kind == 1:
        frequency = 30 * 13 ** u[2]
        width = 3 * 10 ** u[3] / (2 * math.pi * frequency)
        return torch.exp(-0.5 * (t / width) ** 2) * torch.cos(2 * math.pi * frequency * t + phase)
    if kind == 2:  # the path of the light swings: its speed makes the frequency, an arc from 0 to its highest and back
        period, highest = 0.8 + 1.7 * u[2], 20 + 40 * u[3]
        swing = torch.sin(math.pi * t / period)
        arc = torch.exp(-0.5 * (t / (0.35 * period)) ** 2)
        return arc * torch.cos(2 * highest * period * swing + phase)
    if kind == 3:  # falls from `highest` to `lowest` Hz and rises again
        lowest, rate = 60 + 200 * u[2], 500 + 3000 * u[3]
        width = 0.05 + 0.15 * u[4]
        sweep = lowest * t + rate * t * t.abs() / 2
        return torch.exp(-0.5 * (t / width) ** 2) * torch.cos(2 * math.pi * sweep + phase)
    width = 0.01 + 0.04 * u[2]  # many frequencies at once, the low ones longest
    wave = torch.zeros_like(t)
    for frequency in (35.0, 70.0, 140.0, 280.0):
        part = torch.exp(-0.5 * (t * frequency / 35 / width / 2) ** 2)
        wave = wave + part * torch.cos(2 * math.pi * frequency * t + 2 * math.pi * uniform(rng, n, 1))
    return wave * (1 + 0.2 * normal(rng, n, 1))
