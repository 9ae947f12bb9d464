"""Simulated strain: the design noise of three detectors, and in half of the samples two black holes that merge.

The waveforms come from a bank that ships with the course (`tools/make_waveform_bank.py`): IMRPhenomD, Khan et al.
2016, PRD 93, 044007, the dominant mode of binaries whose spins are aligned with their orbit. Everything is done in
the frequency domain, where noise is a product of random numbers and its spectrum, and a delay is a phase; one inverse
Fourier transform at the end gives the strain. Conventions: h(f) = integral of h(t) exp(-2 pi i f t) dt, one-sided
spectra.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from ..shapes import Device, PerObject, Seed, Strain
from ..strain import (
    DETECTORS,
    HIGH,
    LOW,
    N_SAMPLES,
    NOISE_START,
    SAMPLE_RATE,
    antenna_patterns,
    design_asd,
    light_delays,
    waveform_bank,
    waveforms,
)
from .glitches import add_glitches
from .noise import normal, uniform
from .rest_frame import generator

LONG = 2 * N_SAMPLES  # samples made; the first half is kept, so what wraps around from end to start is cut off
STEP = SAMPLE_RATE / LONG  # Hz between two frequencies
SIGNAL_BINS = slice(int(15 / STEP), int(515 / STEP))  # frequencies at which signals are added
EARLIEST = 3.4  # s before the merger: what is earlier would wrap around into the half that is kept
MERGER = (1.5, 1.95)  # s into the sample, as in the competition
# Network S/N of the signals: ln(S/N) is normal. With it a matched filter recovers S/N as it does in the competition.
LN_SNR_MEAN, LN_SNR_SCATTER = math.log(7.2), 0.66
SNR_LIMITS = (2.0, 60.0)


class Strain(NamedTuple):
    """A batch of simulated samples of strain.

    Attributes
    ----------
    strain : (n, 3, 4096) float32, H1, L1, V1 at 2,048 Hz, 2 s; a row of zeros is a detector that was off
    signal : (n,) float32, 1 where there is a signal, else 0
    snr : (n,) float32, its S/N in an optimal filter over all detectors that were on; 0 without a signal
    merger : (n,) float32, s into the sample at which the merger passes the Earth's centre; NaN without a signal
    row : (n,) int64, its waveform in `strain.waveform_bank`; -1 without a signal
    """

    strain: Strain
    signal: PerObject
    snr: PerObject
    merger: PerObject
    row: torch.Tensor


@functools.cache
def _tables(device):
    """What every batch needs: asd (3, all bins), signals (n, bins) of S/N 1 in H1, their S/N (n, 3) in the three."""
    frequency = STEP * np.arange(LONG // 2 + 1)
    asd = np.where(frequency < NOISE_START, 0, design_asd(frequency))
    f, noise = frequency[SIGNAL_BINS], asd[:, None, SIGNAL_BINS]
    h = waveforms(f, longest=EARLIEST)
    inside = (f >= LOW) & (f <= HIGH)
    snr = np.sqrt(4 * STEP * np.sum(np.abs(h / noise)[..., inside] ** 2, -1)).T  # (n, 3)
    h, snr = h / snr[:, :1], snr / snr[:, :1]
    to = functools.partial(torch.as_tensor, device=device)
    return to(asd, dtype=torch.float32), to(h, dtype=torch.complex64), to(snr, dtype=torch.float32)


def simulate_strain(
    n: int,
    seed: Seed,
    device: Device = "cpu",
    signals: float = 0.5,
    snr: float | None = None,
    off: float = 0.0,
    merger: Sequence[float] = MERGER,
    glitches: float = 0.0,
    louder: float = 1.0,
    chunk: int = 64,
):
    """Simulate samples of strain as in the g2net competition.

    Parameters
    ----------
    n : int
        Number of samples.
    seed : int or torch.Generator
        The same seed, 0 to 2**31 - 1, gives the same bytes (on the CPU); training has the seeds above. A generator on
        `device` is used as it is.
    signals : float
        Share of samples that hold a signal, at random.
    snr : float, optional
        Network S/N of all signals; otherwise drawn from the competition's distribution.
    off : float
        In this share of the samples a detector is off: Virgo in three of five cases.
    merger : (float, float)
        Earliest and latest time of the merger, in s.
    glitches : float
        In this share of the samples one detector has a glitch (see `glitches.py`), signal or not.
    louder : float
        The S/N drawn from the competition's distribution is multiplied by this.
    chunk : int
        Samples made at a time: small enough for the processor's cache.

    Returns
    -------
    Strain

    >>> simulate_strain(2, seed=1).strain.shape
    torch.Size([2, 3, 4096])
    """
    rng = generator(seed, device)
    chunk = chunk if rng.device.type == "cpu" else max(chunk, 1024)
    sizes = [min(chunk, n - start) for start in range(0, n, chunk)]
    parts = [_simulate(size, rng, signals, snr, off, merger, glitches, louder) for size in sizes]
    return Strain(*map(torch.cat, zip(*parts, strict=True)))


def _simulate(n, rng, signals, snr, off, merger, glitches, louder):
    """One chunk of `simulate_strain`."""
    asd, bank, _ = _tables(rng.device)
    on = detectors_on(n, rng, off)
    signal = (uniform(rng, n) < signals).float()
    row, gain, delay = draw_binaries(n, rng)
    time = merger[0] + (merger[1] - merger[0]) * uniform(rng, n)
    gain, drawn = scale_to_snr(gain * on, row, rng, snr, louder)
    waves = torch.view_as_complex(normal(rng, n, len(DETECTORS), LONG // 2 + 1, 2)) * (asd * math.sqrt(STEP) / 2)
    lag = (time[:, None] + delay)[..., None]
    frequency = STEP * torch.arange(SIGNAL_BINS.start, SIGNAL_BINS.stop, device=rng.device)
    arrived = torch.polar(torch.ones_like(lag), -2 * math.pi * (frequency * lag).remainder(1))
    waves[..., SIGNAL_BINS] += (STEP * gain * signal[:, None])[..., None] * arrived * bank[row][:, None]
    strain = torch.fft.irfft(waves, LONG, norm="forward")[..., :N_SAMPLES] * on[..., None]
    if glitches:
        add_glitches(strain, rng, glitches)
    return Strain(
        strain, signal, drawn * signal, torch.where(signal > 0, time, math.nan), torch.where(signal > 0, row, -1)
    )


def detectors_on(n, rng, off):
    """Which detectors run: (n, 3) of ones and zeros. In a share `off` one does not, three times of five Virgo."""
    missing = torch.multinomial(torch.tensor([0.2, 0.2, 0.6], device=rng.device), n, replacement=True, generator=rng)
    down = torch.nn.functional.one_hot(missing, 3) * (uniform(rng, n) < off)[:, None]
    return 1.0 - down


def draw_binaries(n, rng):
    """Draw waveforms, and directions and orientations without preference.

    Returns
    -------
    row : (n,) int64, in the bank
    gain : (n, 3) complex64: the strain of each detector is the real part of gain times the waveform
    delay : (n, 3) float32, s: arrival after that at the Earth's centre
    """
    row = torch.randint(len(waveform_bank()["parameters"]), (n,), generator=rng, device=rng.device)
    longitude, polarisation, phase = 2 * math.pi * uniform(rng, 3, n)
    latitude, inclination = torch.asin(2 * uniform(rng, n) - 1), 2 * uniform(rng, n) - 1  # the latter a cosine
    f_plus, f_cross = antenna_patterns(longitude, latitude, polarisation)
    plus, cross = (1 + inclination**2) / 2, inclination  # strength of the two polarisations
    gain = torch.complex(f_plus * plus[:, None], -f_cross * cross[:, None])
    return row, gain * torch.polar(torch.ones_like(phase), phase)[:, None], light_delays(longitude, latitude)


def scale_to_snr(gain, row, rng, snr=None, louder=1.0):
    """Move each binary to the distance at which it has the S/N drawn for it; return gain (n, 3) and S/N (n,)."""
    _, _, of_row = _tables(rng.device)
    natural = (gain.abs() * of_row[row]).square().sum(1).sqrt().clamp(min=1e-6)
    drawn = (louder * torch.exp(LN_SNR_MEAN + LN_SNR_SCATTER * normal(rng, len(row)))).clamp(*SNR_LIMITS)
    drawn = drawn if snr is None else torch.full_like(drawn, snr)
    return gain * (drawn / natural)[:, None], drawn
