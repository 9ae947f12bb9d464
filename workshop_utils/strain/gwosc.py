"""What records of the Gravitational Wave Open Science Center need: quality flags, sampling rate, resampling."""

import math

import numpy as np

from .detectors import SAMPLE_RATE, StrainError

DATA_QUALITY = ("DATA", "CBC_CAT1")  # GWOSC: data are there; no severe fault of the detector
NO_INJECTION = ("NO_CBC_HW_INJ", "NO_BURST_HW_INJ", "NO_DETCHAR_HW_INJ")  # no wave was faked by moving the mirrors


def read_quality(file):
    """Boolean array per second and per flag in DATA_QUALITY and NO_INJECTION; all good where there is no such table."""
    flags = {}
    for table, wanted in (("simple/DQ", DATA_QUALITY), ("injections/Inj", NO_INJECTION)):
        if f"quality/{table}mask" not in file:
            continue
        mask, names = file[f"quality/{table}mask"][:], file[f"quality/{table}Shortnames"][:]
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in names]
        flags |= {name: mask >> bit & 1 == 1 for bit, name in enumerate(names) if name in wanted}
    return flags


def check_rate(rate):
    """Raise StrainError unless a sampling rate (Hz) is a whole number from 2,048 up."""
    if not np.isfinite(rate) or round(rate) < SAMPLE_RATE or abs(rate - round(rate)) > 1e-6 * rate:
        raise StrainError(f"sampled at {rate:g} Hz; take a file of 4,096 or 16,384 Hz from gwosc.org.")


def resample(strain: np.ndarray, rate: int):
    """Resample a record (n,) from ``rate`` to 2,048 Hz; what is faster than 1,024 Hz is taken out first.

    By Fourier transform, of the record less the line between its ends, continued by its reflection: so nothing
    jumps where the ends meet. Samples at the end that do not fill a sample of the result are dropped.
    """
    if rate == SAMPLE_RATE:
        return strain
    step = rate // math.gcd(rate, SAMPLE_RATE)
    strain = strain[: len(strain) // step * step]
    n = len(strain) * SAMPLE_RATE // rate
    level = np.linspace(strain[0], strain[-1], len(strain))
    waves = np.fft.rfft(np.concatenate([strain - level, (level - strain)[::-1]]))[:n]
    time = np.arange(n) * rate / SAMPLE_RATE
    return np.fft.irfft(waves, 2 * n)[:n] * n / len(strain) + np.interp(time, np.arange(len(strain)), level)
