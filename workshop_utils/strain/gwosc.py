"""Reading records of the Gravitational Wave Open Science Center."""

import math
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from ..sources import remedy
from .detectors import SAMPLE_RATE, StrainError
from .filters import LARGEST

DATA_QUALITY = ("DATA", "CBC_CAT1")  # GWOSC: data are there; no severe fault of the detector
NO_INJECTION = ("NO_CBC_HW_INJ", "NO_BURST_HW_INJ", "NO_DETCHAR_HW_INJ")  # no wave was faked by moving the mirrors


class GwoscStrain(NamedTuple):
    """A record of one detector."""

    strain: np.ndarray  # (n,) float64, 2,048 Hz
    start: float  # GPS time of the first sample, s
    detector: str  # "H1", "L1", "V1" ...


def read_gwosc(path: str | PathLike):
    """Read a strain file of the Gravitational Wave Open Science Center (HDF5), resampled to 2,048 Hz.

    Parameters
    ----------
    path : str or Path
        As downloaded from gwosc.org: 4,096 or 16,384 Hz, or any whole number of hertz from 2,048.

    Returns
    -------
    GwoscStrain

    Raises
    ------
    StrainError
        Where the file is missing or damaged, holds gaps or bad data, or is sampled too slowly.

    >>> from workshop_utils.sources import real_strain
    >>> record = read_gwosc(real_strain('GW150914')[0][0])
    >>> record.detector, len(record.strain)
    ('H1', 65536)
    """
    if not Path(path).is_file():
        raise StrainError(f"{path}: this file does not exist; {remedy(path, 'get it from gwosc.org')}.")
    try:
        with h5py.File(path, "r") as file:
            strain = file["strain/Strain"][:].astype(np.float64)
            rate = 1 / float(file["strain/Strain"].attrs["Xspacing"])
            start, detector = float(file["meta/GPSstart"][()]), file["meta/Detector"].asstr()[()]
            quality = read_quality(file)
    except KeyError as error:
        advice = remedy(path, "get one from gwosc.org")
        raise StrainError(f"{path}: no strain file of GWOSC ({error}); {advice}.") from None
    except Exception as error:  # of many kinds for a damaged file
        advice = remedy(path, "download it again")
        raise StrainError(f"{path}: no whole HDF5 file of GWOSC ({error}); {advice}.") from None
    try:
        _check_record(strain, rate, quality)
    except StrainError as error:
        raise StrainError(f"{path}: {error}") from None
    return GwoscStrain(resample(strain, round(rate)), start, detector)


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


def _check_record(strain, rate, quality):
    if strain.ndim != 1 or len(strain) < 2:
        raise StrainError(f"strain of the shape {strain.shape}; it must be one row of samples.")
    check_rate(rate)
    bad = {"": ~np.isfinite(strain)} | {name: np.repeat(~good, round(rate)) for name, good in quality.items()}
    for name, gaps in bad.items():
        if len(gaps) != len(strain):
            seconds = f"{len(strain) / rate:g} s of strain, but {len(gaps) / rate:g} s of flags"
            raise StrainError(f"{seconds}; download it again.")
        if gaps.any():
            first = int(gaps.argmax())
            length = int(np.argmin(np.append(gaps[first:], False)))
            raise StrainError(
                f"gap of {length / rate:g} s at {first / rate:g} s{name and f' (flag {name} is not set)'}; "
                "take another time from gwosc.org, or cut the file there."
            )
    peak = np.abs(strain).max()
    if not 0 < peak < LARGEST:
        raise StrainError(f"values up to {peak:.2g} are no strain; take a file as recorded from gwosc.org.")


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
