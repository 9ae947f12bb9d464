"""Make the banks of waveforms of merging black holes.

From data/waveform_bank.safetensors strain is simulated and searched; by data/mass_bank.safetensors candidates are
weighed: its masses reach further, and none of them is rarer. Needs lalsuite (in the extra `test`):
python tools/make_waveform_bank.py [waveform_bank | mass_bank] [output file], about two minutes each.

Each waveform is IMRPhenomD (Khan et al. 2016, PRD 93, 044007) in the frequency domain, merger at time 0, stored as
the logarithm of its amplitude and its phase at frequencies spaced evenly in log frequency: both are smooth, so a few
hundred values each and a straight line between them suffice (the match with the original is printed, and tested).
The rows are ordered so that the first K are good templates for all, for any K.
"""

import os
import sys
from pathlib import Path

import lal
import lalsimulation
import numpy as np
from safetensors.numpy import save_file

from workshop_utils.strain import HIGH, LOW, design_asd

FREQUENCY = np.geomspace(14, 520, 320)  # Hz
# how many, seed, total mass in the detector's frame (solar masses), smallest ratio of the two masses
BANKS = {"waveform_bank": (1200, 150914, (20, 110), 0.25), "mass_bank": (900, 170729, (14, 170), 1 / 6)}
MEDIAN_MASS, SCATTER = 48, 0.33  # of the total mass in `waveform_bank`, log-normal; `mass_bank` prefers none
STEP = 1 / 64  # Hz, of the frequencies at which lalsuite is asked


def draw_parameters(bank):
    """Total mass, mass ratio (lighter over heavier) and the spins along the orbit's axis of binaries: (n, 4)."""
    n, seed, limits, smallest = BANKS[bank]
    rng = np.random.default_rng(seed)
    mass = np.exp(rng.uniform(*np.log(limits), n)) if bank == "mass_bank" else np.empty(0)
    while len(mass) < n:
        mass = np.append(mass, rng.lognormal(np.log(MEDIAN_MASS), SCATTER, n))
        mass = mass[(mass > limits[0]) & (mass < limits[1])]
    ratio = rng.uniform(smallest, 1, n)
    spins = rng.uniform(0, 0.9, (n, 2)) * rng.uniform(-1, 1, (n, 2))  # size times cosine of its angle
    return np.column_stack([mass[:n], ratio, spins])


def waveform(total_mass, ratio, spin_1, spin_2):
    """Frequency-domain strain h(f), complex (n,), at multiples of STEP, of a binary seen face-on at 1 Mpc."""
    m1 = total_mass / (1 + ratio) * lal.MSUN_SI
    m2 = ratio * m1
    series = lalsimulation.SimIMRPhenomDGenerateFD(
        0,
        20,
        STEP,
        m1,
        m2,
        spin_1,
        spin_2,
        FREQUENCY[0] - 1,
        FREQUENCY[-1] + 1,
        1e6 * lal.PC_SI,
        None,
        lalsimulation.NoNRT_V,
    )
    return series.data.data


def compress(h):
    """ln(amplitude relative to its highest) and phase at FREQUENCY; where the waveform has ended, amplitude e^-40."""
    frequency = STEP * np.arange(len(h))
    alive = np.abs(h) > 0
    log_amplitude = np.log(np.abs(h[alive]) / np.abs(h).max())
    phase = np.unwrap(np.angle(h[alive]))
    return (
        np.interp(FREQUENCY, frequency[alive], log_amplitude, right=-40).clip(-40),
        np.interp(FREQUENCY, frequency[alive], phase),
    )


def match(h, log_amplitude, phase):
    """Overlap (0 to 1) of the stored waveform with the original, from 15 Hz, all frequencies alike."""
    frequency = STEP * np.arange(len(h))
    use = (frequency >= 15) & (frequency <= FREQUENCY[-1])
    stored = np.exp(np.interp(frequency, FREQUENCY, log_amplitude) + 1j * np.interp(frequency, FREQUENCY, phase))[use]
    return np.abs(np.vdot(stored, h[use])) / np.linalg.norm(stored) / np.linalg.norm(h[use])


def cover(waveforms):
    """Order (n,) of waveforms (n, frequency): each next one raises most the mean, over all, of the best match so far.

    The match is the overlap at the best time and phase, of strain whitened by the design noise of H1.
    """
    frequency = np.arange(LOW, HIGH, 0.5)
    log_amplitude, phase = (
        np.array([np.interp(frequency, FREQUENCY, row) for row in part]) for part in waveforms.transpose(1, 0, 2)
    )
    white = np.exp(log_amplitude + 1j * phase) / design_asd(frequency)[0]
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    matches = np.array([np.abs(np.fft.ifft(white * row.conj(), 2048)).max(1) * 2048 for row in white])
    best, order = np.zeros(len(white)), []
    for _ in range(len(white)):
        gain = np.maximum(matches - best, 0).sum(1)
        gain[order] = -1
        order.append(int(gain.argmax()))
        best = np.maximum(best, matches[order[-1]])
    return order


def main(bank="waveform_bank", path=None):
    """Draw the binaries, compute and store their waveforms, print the worst match."""
    path = path or f"data/{bank}.safetensors"
    parameters = draw_parameters(bank)
    stored, matches = [], []
    for row in parameters:
        h = waveform(*row)
        stored.append(compress(h))
        matches.append(match(h, *stored[-1]))
    order = cover(np.array(stored))
    log_amplitude, phase = np.array(stored)[order].transpose(1, 0, 2)
    tensors = {"frequency": FREQUENCY, "log_amplitude": log_amplitude, "phase": phase, "parameters": parameters[order]}
    beside = Path(f"{path}.part")
    save_file({name: value.astype(np.float32) for name, value in tensors.items()}, beside)
    os.replace(beside, path)
    print(
        f"{path}: {len(parameters)} waveforms, {Path(path).stat().st_size / 1e6:.1f} MB, match {np.sort(matches)[:5]}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
