"""Records of any length as they come from GWOSC or gwpy, with their gaps, read piece by piece."""

import gzip
import re
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from ..sources import remedy
from .detectors import DETECTORS, SAMPLE_RATE, StrainError
from .filters import LARGEST, SMALLEST
from .gwosc import check_rate, read_quality, resample

PIECE, PAD = 64, 1  # s read at a time, and what is read more on both sides, so that resampling has no edges
LOCKED = ("unable to lock file", "Resource temporarily unavailable", "Can't lock")


class Record(NamedTuple):
    """What one detector recorded.

    Attributes
    ----------
    strain : (n,) float64 array, 2,048 Hz; 0 where there are no good data
    good : (n,) bool array
    start : float, GPS time of the first sample (s)
    detector : str, "H1", "L1" or "V1"
    """

    strain: np.ndarray
    good: np.ndarray
    start: float
    detector: str


def read_record(path: str | PathLike):
    """Read a record, long or short, with gaps or without, resampled to 2,048 Hz.

    Parameters
    ----------
    path : str or Path
        HDF5 of GWOSC (any version, 4 or 16 kHz) or as gwpy writes it, or GWOSC's text (also packed by gzip).

    Returns
    -------
    Record
        Seconds whose flags `DATA` or `CBC_CAT1` are not set, seconds with a wave that was faked (GWOSC's "hardware
        injections"), and samples that are no number, are not `good`.

    Raises
    ------
    StrainError
        Where the file is missing, damaged, locked, of another kind, or sampled below 2,048 Hz.

    >>> from workshop_utils.sources import real_strain
    >>> record = read_record(real_strain('GW150914')[0][0])
    >>> record.detector, len(record.strain), bool(record.good.all())
    ('H1', 65536, True)
    """
    path = Path(path)
    if path.is_dir():
        raise StrainError(f"{path}: a folder; pass the file in it.")
    if not path.is_file():
        raise StrainError(f"{path}: this file does not exist; {remedy(path, 'get it from gwosc.org')}.")
    if path.suffix.lower() == ".gwf":
        raise StrainError(f"{path}: a GWF frame file; take the HDF5 file of the same record from gwosc.org.")
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                return read_hdf5(file)
        return read_text(path)
    except StrainError as error:
        raise StrainError(f"{path}: {error}") from None
    except PermissionError:
        raise StrainError(f"{path}: may not be read; close the program that holds it, or let it be read.") from None
    except Exception as error:  # of many kinds for a damaged file
        if any(word in str(error) for word in LOCKED):
            raise StrainError(f"{path}: another program has locked this file; close it there, or copy it.") from None
        advice = remedy(path, "download it again")
        raise StrainError(f"{path}: no whole file of strain ({type(error).__name__}: {error}); {advice}.") from None


def read_gwosc(path: str | PathLike):
    """Read a record without gaps; all else as `read_record` does it.

    Raises
    ------
    StrainError
        As `read_record`, and where there are gaps or bad data.

    >>> from workshop_utils.sources import real_strain
    >>> len(read_gwosc(real_strain('GW150914')[0][0]).strain)
    65536
    """
    record = read_record(path)
    if not record.good.all():
        first = int(record.good.argmin())
        length = int(np.append(record.good[first:], True).argmax())
        raise StrainError(
            f"{path}: gap of {length / SAMPLE_RATE:g} s at {first / SAMPLE_RATE:g} s (no data, or flagged as bad); "
            "take another time from gwosc.org, or cut the file there."
        )
    return record


def read_hdf5(file):
    """A record from an open HDF5 file of GWOSC or gwpy."""
    flags = {}
    if "strain/Strain" in file:
        if lost := [name for name in ("meta/GPSstart", "meta/Detector") if name not in file]:
            raise StrainError(f"no {lost[0]} in it; get a file from gwosc.org.")
        data = file["strain/Strain"]
        rate, start = 1 / float(data.attrs["Xspacing"]), float(file["meta/GPSstart"][()])
        detector = file["meta/Detector"].asstr()[()]
        flags = read_quality(file)
    else:  # gwpy: a data set named after its channel, H1:...
        names = [name for name in file if name[:2] in DETECTORS and {"x0", "dx"} <= set(file[name].attrs)]
        if len(names) > 1:
            raise StrainError(f"{len(names)} channels ({', '.join(names)}); write each to a file of its own.")
        if not names:
            raise StrainError("no strain of GWOSC or gwpy in it; get a file from gwosc.org.")
        data, detector = file[names[0]], names[0][:2]
        rate, start = 1 / float(data.attrs["dx"]), float(data.attrs["x0"])
    return from_pieces(lambda low, high: data[low:high], data.shape, rate, start, str(detector), flags)


def read_text(path):
    """A record from GWOSC's text: a header after #, then a sample a line; the detector is told by the file's name."""
    opened = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rt", encoding="ascii") as file:
        head = [file.readline() for _ in range(3)]
        found = re.search(r"(\d+) samples per second.*starting GPS (\d+) duration (\d+)", " ".join(head), re.DOTALL)
        if not found:
            raise StrainError("neither HDF5 nor text of GWOSC; get a file from gwosc.org.")
        detector = re.match(r"[A-Z]-([A-Z]\d)_", path.name)
        if not detector:
            raise StrainError("its name does not tell the detector; call it as GWOSC does, such as H-H1_....txt.")
        values = np.fromiter((float(line) for line in file if line.strip() and not line.startswith("#")), np.float64)
    rate, start, seconds = map(int, found.groups())
    if len(values) != rate * seconds:
        raise StrainError(f"{len(values):,} of {rate * seconds:,} samples; download it again.")
    return from_pieces(lambda low, high: values[low:high], values.shape, rate, float(start), detector[1], {})


def from_pieces(read, shape, rate, start, detector, flags):
    """Read samples (`read` takes first and last) piece by piece, resample, mark what is bad."""
    if len(shape) != 1 or shape[0] < 2:
        raise StrainError(f"strain of the shape {shape}; it must be one row of samples.")
    check_rate(rate)
    if detector not in DETECTORS:
        raise StrainError(f"strain of {detector}; the course knows {', '.join(DETECTORS)}.")
    if not 0 <= start < 1e10:
        raise StrainError(f"a GPS time of {start:g} s; download it again.")
    rate = round(rate)
    seconds = shape[0] // rate
    if not seconds:
        raise StrainError(f"{shape[0] / rate:g} s of strain are too few; take a longer record.")
    strain, good = np.zeros(seconds * SAMPLE_RATE), np.ones(seconds * SAMPLE_RATE, bool)
    for first in range(0, seconds, PIECE):
        low, high = max(first - PAD, 0), min(first + PIECE + PAD, seconds)
        values = np.asarray(read(low * rate, high * rate), np.float64)
        bad = ~np.isfinite(values)
        if np.abs(values[~bad]).max(initial=0) > LARGEST:
            raise StrainError(f"values up to {np.abs(values[~bad]).max():.2g} are no strain; take a file as recorded.")
        values[bad] = 0
        part = slice(first * SAMPLE_RATE, min(first + PIECE, seconds) * SAMPLE_RATE)
        inside = slice((first - low) * SAMPLE_RATE, (first - low) * SAMPLE_RATE + part.stop - part.start)
        strain[part] = resample(values, rate)[inside]
        spoilt = np.add.reduceat(bad, np.arange(0, len(bad), rate)) > 0  # by the second: resampling spreads a gap
        good[part] &= np.repeat(~spoilt, SAMPLE_RATE)[inside]
    for name, set_ in flags.items():
        if len(set_) != seconds:
            raise StrainError(f"{seconds} s of strain, but {len(set_)} s of the flag {name}; download it again.")
        good &= np.repeat(set_, SAMPLE_RATE)
    if good.any() and not strain.any():
        raise StrainError("all values are 0, this detector was off; take another time, or do without it.")
    strain[~good] = 0
    if 0 < np.abs(strain).max() < SMALLEST:
        raise StrainError(f"values of {np.abs(strain).max():.2g} at most are no strain; take a file as recorded.")
    if not strain.any():
        raise StrainError("no good data in it, all are gaps or flagged; take another time from gwosc.org.")
    return Record(strain, good, start, detector)
