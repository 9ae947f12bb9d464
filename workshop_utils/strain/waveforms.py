"""The banks of waveforms that ship with the course."""

import functools

import numpy as np
from safetensors.numpy import load_file

from ..shapes import ArrayLike
from ..sources import shipped


@functools.cache
def waveform_bank(name="waveform_bank"):
    """A bank, `waveform_bank` or `mass_bank`, as float64 arrays.

    frequency (k,) in Hz, log_amplitude and phase (n, k), parameters (n, 4): the total mass (solar masses, redshifted),
    the mass ratio (lighter over heavier) and the two spins along the orbit's axis. The first K rows are good templates
    for all others, for any K.
    """
    return {name: value.astype(float) for name, value in load_file(shipped(f"{name}.safetensors")).items()}


def chirp_mass(total: ArrayLike, ratio: ArrayLike):
    """Chirp mass (m1 m2)^(3/5) / (m1 + m2)^(1/5), from total mass and mass ratio, as a bank holds them.

    >>> round(chirp_mass(65.0, 29 / 36), 1)  # 36 and 29 solar masses
    28.1
    """
    return total * (ratio / (1 + ratio) ** 2) ** 0.6


def waveforms(
    frequency: ArrayLike,
    rows: slice | ArrayLike = slice(None),
    longest: float | None = None,
    bank: str = "waveform_bank",
):
    """Waveforms h(f), complex128 (n, k), of rows of the bank at frequencies (k,) in Hz; the merger is at time 0.

    Only the shape matters: the highest amplitude is 1. `longest` leaves out what is more than so many seconds before
    the merger: the time at which a frequency arrives is the slope of its phase.

    >>> waveforms(np.array([50.0, 100.0]), rows=slice(3)).shape
    (3, 2)
    """
    bank = waveform_bank(bank)
    log_amplitude, phase = (
        np.array([np.interp(frequency, bank["frequency"], row) for row in bank[name][rows]])
        for name in ("log_amplitude", "phase")
    )
    if longest is not None:
        before = np.gradient(phase, frequency, axis=1) / (2 * np.pi)
        late = 1 / (1 + np.exp(np.clip((before - longest) / 0.05, -50, 50)))
        log_amplitude = log_amplitude + np.log(np.where(frequency < 100, late, 1))
    return np.exp(log_amplitude + 1j * phase)
