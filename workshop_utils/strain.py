"""Strain: the three detectors, their noise, windows, filters and whitening, and the readers of strain files.

Strain h is the relative change of a detector's arm lengths, without unit, of order 1e-21. Its noise is described by
the amplitude spectral density (asd) in strain/sqrt(Hz): noise of asd s in a band of B hertz scatters by s sqrt(B).
Arrays of strain end in (..., detectors, samples); the detectors are H1, L1, V1, in that order.
"""

import functools
import math
import os
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
import torch

from .sources import KAGGLE_COMPETITION, find_data, shipped

SAMPLE_RATE = 2048  # Hz
N_SAMPLES = 4096  # 2 s
DETECTORS = ("H1", "L1", "V1")
NOISE_START = 10.0  # Hz: neither the design tables nor the competition's noise go lower
LOW, HIGH = 20.0, 500.0  # Hz: the band of the paper
LIGHT_SPEED = 299792458.0  # m/s, exact by definition of the metre
LARGEST = 1e-15  # no strain is as large; whitened data, of order 1, are
SMALLEST = 1e-27  # nor is the noise of any detector so small; float32 ends at 1e-45
DATA_QUALITY = ("DATA", "CBC_CAT1")  # GWOSC: data are there; no severe fault of the detector

TREE = f"Take train/ and training_labels.csv of kaggle.com/competitions/{KAGGLE_COMPETITION}"

# Where the beams meet (m) and the directions of the two arms: x to Greenwich, z to the north pole.
# Numbers of LAL (lal/LALDetectors.h), from LIGO-T980044 (H1, L1) and gr-qc/0008066 (V1).
VERTICES = np.array(
    [
        [-2161414.92636, -3834695.17889, 4600350.22664],
        [-74276.0447238, -5496283.71971, 3224257.01744],
        [4546374.09900, 842989.697626, 4378576.96241],
    ]
)
ARMS = np.array(
    [
        [[-0.22389266154, 0.79983062746, 0.55690487831], [-0.91397818574, 0.02609403989, -0.40492342125]],
        [[-0.95457412153, -0.14158077340, -0.26218911324], [0.29774156894, -0.48791033647, -0.82054461286]],
        [[-0.70045821479, 0.20848948619, 0.68256166277], [-0.05379255368, -0.96908180549, 0.24080451708]],
    ]
)
# A wave stretches one arm and shortens the other: h = response : wave, response = (x x - y y) / 2.
RESPONSES = (ARMS[:, 0, :, None] * ARMS[:, 0, None] - ARMS[:, 1, :, None] * ARMS[:, 1, None]) / 2


class StrainError(ValueError):
    """Strain or its file cannot be used; the message names the file, what is wrong and what to do."""


class GwoscStrain(NamedTuple):
    """A record of one detector."""

    strain: np.ndarray  # (n,) float64, 2,048 Hz
    start: float  # GPS time of the first sample, s
    detector: str  # "H1", "L1", "V1" ...


# ------------------------------------------------------------------------------------------- the detectors


def antenna_patterns(longitude, latitude, polarisation):
    """How strongly each detector feels the two polarisations of a wave from a point of the sky.

    Parameters
    ----------
    longitude, latitude, polarisation : tensors, shape (n,)
        Angles in rad, Earth-fixed: longitude = right ascension - Greenwich sidereal time, latitude = declination.
        The polarisation angle is LAL's: from north towards east.

    Returns
    -------
    f_plus, f_cross : tensors, shape (n, 3)
        The strain is f_plus h_plus + f_cross h_cross; f_plus^2 + f_cross^2 <= 1.
    """
    east = torch.stack([-longitude.sin(), longitude.cos(), torch.zeros_like(longitude)], -1)
    cosine = latitude.cos()
    north = torch.stack([-longitude.cos() * latitude.sin(), -longitude.sin() * latitude.sin(), cosine], -1)
    sin, cos = polarisation.sin()[:, None], polarisation.cos()[:, None]
    x, y = north * sin - east * cos, north * cos + east * sin  # the axes of the wave
    responses = torch.as_tensor(RESPONSES, dtype=x.dtype, device=x.device)

    def felt(a, b):
        return torch.einsum("ni,dij,nj->nd", a, responses, b)

    return felt(x, x) - felt(y, y), 2 * felt(x, y)


def light_delays(longitude, latitude):
    """Arrival time of a wave at each detector after its arrival at the Earth's centre.

    Parameters
    ----------
    longitude, latitude : tensors, shape (n,)
        Of the source, in rad, Earth-fixed, see ``antenna_patterns``.

    Returns
    -------
    tensor, shape (n, 3), in s
        At most 0.0213 s either way: the Earth's radius over the speed of light.
    """
    cosine = latitude.cos()
    source = torch.stack([longitude.cos() * cosine, longitude.sin() * cosine, latitude.sin()], -1)
    seconds = torch.as_tensor(VERTICES / LIGHT_SPEED, dtype=source.dtype, device=source.device)
    return -source @ seconds.T


# ------------------------------------------------------------------------------------------- noise


@functools.cache
def _design_table():
    return np.log(np.loadtxt(shipped("design_asd.csv"), delimiter=",", comments="#", skiprows=5)).T


def design_asd(frequency):
    """Noise of the detectors as designed for observing run 4: the noise of the g2net competition.

    Parameters
    ----------
    frequency : array, shape (n,), in Hz
        Between the points of the table log asd is linear in log frequency; outside 10-1,024 Hz it is the edge's.

    Returns
    -------
    float64 array, shape (3, n), in strain/sqrt(Hz)
        Keep to this root: the power, 1e-47, is less than the smallest float32.
    """
    table = _design_table()
    x = np.log(np.maximum(frequency, NOISE_START))
    return np.exp([np.interp(x, table[0], curve) for curve in table[1:]])


def measure_asd(strain, segment=N_SAMPLES, average="median", window=None):
    """Measure the amplitude spectral density of noise, by Welch's method (1967, 10.1109/TAU.1967.1161901).

    The strain is cut into segments that overlap by half; each is tapered by a window, and the squared Fourier
    amplitudes of all segments, and of all samples of a batch, are averaged.

    Parameters
    ----------
    strain : tensor, shape (..., detectors, samples)
        One long record, or many samples.
    segment : int
        Samples in a segment; the resolution is 2,048 Hz / segment.
    average : "median" or "mean"
        The median, divided by what it is for a mean of 1 (ln 2 for many segments), is not moved by a short signal.
    window : tensor, shape (segment,), optional
        By default Hann's, which leaks least. To whiten short samples of loud noise take their own taper: what leaks
        through it is noise to be divided by, too.

    Returns
    -------
    tensor, shape (detectors, segment // 2 + 1), in strain/sqrt(Hz), at 0 ... 1,024 Hz
    """
    strain = _tensor(strain)
    if strain.dim() < 2 or strain.shape[-1] < segment:
        raise StrainError(f"strain of shape {tuple(strain.shape)} holds no segment of {segment} samples; give more.")
    window = torch.hann_window(segment, device=strain.device) if window is None else window
    window = window.to(strain)
    pieces = strain.unfold(-1, segment, segment // 2).movedim(-3, 0).flatten(1, -2)  # (detectors, pieces, segment)
    scale = pieces.abs().amax().clamp(min=1e-30)  # 1e-21 squared is less than float32 holds
    power = torch.fft.rfft(pieces / scale * window).abs().square()
    if average == "median":
        n = power.shape[1] - 1 + power.shape[1] % 2  # an odd number
        power = power[:, :n].median(1).values / sum((-1) ** i / (i + 1) for i in range(n))
    else:
        power = power.mean(1)
    return scale * (power * 2 / (SAMPLE_RATE * window.square().sum())).sqrt()


# ------------------------------------------------------------------------------------------- windows and filters


def _tensor(strain):
    """Return the strain as a floating-point tensor."""
    strain = torch.as_tensor(strain)
    return strain if strain.is_floating_point() else strain.double()


def tukey(n, alpha=0.1, dtype=torch.float32, device=None):
    """Tukey window: 1 in the middle, falling to 0 as a cosine in the outer ``alpha / 2`` at either end; shape (n,)."""
    edge = torch.arange(n, dtype=dtype, device=device)
    edge = torch.minimum(edge, edge.flip(0)) / max(alpha * (n - 1) / 2, 1e-6)
    return 0.5 - 0.5 * torch.cos(math.pi * edge.clamp(max=1))


def band(frequency, low=LOW, high=HIGH, order=8):
    """Gain of a Butterworth band-pass, between 0 and 1; 0.71 at ``low`` and ``high``; same shape as ``frequency``."""
    below = (low / frequency.clamp(min=1e-3)) ** (2 * order)
    above = (frequency / high) ** (2 * order)
    return ((1 + below) * (1 + above)) ** -0.5


def _frequency(strain):
    """Frequencies of the real Fourier transform of strain (..., samples), in Hz."""
    n = strain.shape[-1]
    return torch.fft.rfftfreq(n, 1 / SAMPLE_RATE, dtype=strain.dtype, device=strain.device)


def band_pass(strain, low=LOW, high=HIGH, order=8):
    """Keep the frequencies between ``low`` and ``high`` (Hz), without shifting phases: Fourier times ``band``.

    The strain is taken to repeat itself, so taper it first, as with ``tukey``.

    Parameters
    ----------
    strain : tensor, shape (..., samples)

    Returns
    -------
    tensor of the same shape
    """
    strain = _tensor(strain)
    gain = band(_frequency(strain), low, high, order)
    return torch.fft.irfft(torch.fft.rfft(strain) * gain, strain.shape[-1])


def whiten(strain, asd=None, low=LOW, high=HIGH, alpha=0.1):
    """Divide strain by its noise, frequency by frequency, so that what is left over is noise of variance 1.

    Taper (else the loud noise at 10-15 Hz leaks into all frequencies), Fourier transform, divide by the asd, keep
    the band from ``low`` to ``high``, transform back. The scale is exact: noise of this asd gets variance 1 inside
    the band-pass, whatever its width, where the taper is 1; that is, but for ``alpha / 2`` of the time at either end.

    Parameters
    ----------
    strain : tensor, shape (..., detectors, samples)
    asd : tensor, shape (detectors, k), optional
        At k frequencies evenly spaced from 0 to 1,024 Hz, as ``measure_asd`` returns it; interpolated to what is
        needed. Without it the design's, for which the detectors must be H1, L1, V1 or the first of them.
    low, high : float
        Band in Hz, see ``band``.
    alpha : float
        Share of the time that is tapered, see ``tukey``.

    Returns
    -------
    tensor of the same shape, in units of the noise's standard deviation; zeros stay zeros
    """
    strain = _tensor(strain)
    n = strain.shape[-1]
    frequency = _frequency(strain)
    if asd is None:
        asd = design_asd(frequency.cpu().numpy())[: strain.shape[-2]]
    asd = torch.as_tensor(asd).to(strain)
    if asd.shape[-1] != len(frequency):
        asd = torch.nn.functional.interpolate(asd[None], size=len(frequency), mode="linear", align_corners=True)[0]
    gain = band(frequency, low, high)
    gain = gain / (gain.square().sum() * frequency[1]).sqrt()
    gain = torch.where(asd > 0, gain / asd, 0)
    waves = torch.fft.rfft(strain * tukey(n, alpha, strain.dtype, strain.device))
    return torch.fft.irfft(waves.mul_(gain), n)


def windows(strain, step=0.125):
    """Cut a long record into windows of 2 s, one every ``step`` seconds, without copying it.

    Parameters
    ----------
    strain : tensor, shape (3, n)
    step : float
        In s; rounded to whole samples. What is left over at the end is dropped.

    Returns
    -------
    windows : tensor, shape (n_windows, 3, 4096)
    start : tensor, shape (n_windows,)
        Of each window after the record's first sample, in s.
    """
    strain = _tensor(strain)
    samples = round(step * SAMPLE_RATE)
    if strain.dim() != 2 or strain.shape[-1] < N_SAMPLES or samples < 1:
        raise StrainError(
            f"strain of shape {tuple(strain.shape)} gives no windows every {step} s; it must be (3, n) with at least "
            f"{N_SAMPLES} samples, and the step at least 1 / {SAMPLE_RATE} s."
        )
    cut = strain.unfold(-1, N_SAMPLES, samples).movedim(1, 0)
    return cut, torch.arange(len(cut), dtype=torch.float64) * samples / SAMPLE_RATE


# ------------------------------------------------------------------------------------------- checks


def check_strain(strain):
    """Check strain that came from outside.

    Parameters
    ----------
    strain : numpy array or torch tensor, shape (n, 3, 4096) or (3, 4096)
        H1, L1, V1 at 2,048 Hz, in strain, float32 or float64; a row of zeros is a detector that was off.

    Returns
    -------
    float32 tensor, shape (n, 3, 4096)

    Raises
    ------
    StrainError
        For other shapes and types, values that are not finite or too large for strain, and samples that are zero.
    """
    if not torch.is_tensor(strain):
        strain = np.asarray(strain)
        known = strain.dtype.kind == "f" and strain.itemsize in (4, 8)
        strain = torch.from_numpy(strain.astype(f"f{strain.itemsize}")) if known else strain
    if strain.dtype not in (torch.float32, torch.float64):
        raise StrainError(
            f"strain of type {strain.dtype}: it must be float32 or float64, for 1e-21 does not fit into less."
        )
    if strain.dim() not in (2, 3) or strain.shape[-2:] != (len(DETECTORS), N_SAMPLES):
        raise StrainError(
            f"strain of shape {tuple(strain.shape)}: it must be (n, 3, {N_SAMPLES}): H1, L1, V1, 2 s at "
            f"{SAMPLE_RATE} Hz; give a detector that was off a row of zeros."
        )
    strain = strain.reshape(-1, len(DETECTORS), N_SAMPLES)
    peak = strain.abs().amax(-1)  # NaN where there is one
    if not peak.isfinite().all():
        sample, detector = (~peak.isfinite()).nonzero()[0].tolist()
        raise StrainError(
            f"sample {sample}, {DETECTORS[detector]}: values that are not finite; fill or leave out what holds gaps."
        )
    if (peak > LARGEST).any():
        sample, detector = (peak > LARGEST).nonzero()[0].tolist()
        raise StrainError(
            f"sample {sample}, {DETECTORS[detector]}: values up to {peak[sample, detector]:.2g} are no strain, which "
            "is of order 1e-21; this looks whitened or rescaled, give it as recorded."
        )
    if ((0 < peak) & (peak < SMALLEST)).any():
        sample, detector = ((0 < peak) & (peak < SMALLEST)).nonzero()[0].tolist()
        raise StrainError(
            f"sample {sample}, {DETECTORS[detector]}: values of {peak[sample, detector]:.2g} at most are no strain, "
            "which is of order 1e-21; this looks rescaled, give it as recorded."
        )
    if (peak.amax(-1) == 0).any():
        sample = int((peak.amax(-1) == 0).nonzero()[0])
        raise StrainError(f"sample {sample}: all three detectors are zero; leave out what was not recorded.")
    return strain.float()


# ------------------------------------------------------------------------------------------- g2net


def g2net_labels(folder=None, partial=False):
    """List the labelled samples of the g2net competition on this machine; no strain is read.

    Parameters
    ----------
    folder : str or Path, optional
        Holds training_labels.csv (id, target) and ID.npy, or train/a/b/c/abc....npy. Without it, a folder "g2net"
        or that of the Kaggle competition is looked for, see ``sources.find_data``.
    partial : bool
        Keep the samples that have both file and label, rather than refuse the others.

    Returns
    -------
    pandas.DataFrame
        Columns id, file (full path), target (1 = signal); empty where no folder is given and none is found.

    Raises
    ------
    StrainError
        Where the table cannot be used, or labels and files do not belong together.
    """
    path = _g2net_table(folder)
    if path is None:
        return pd.DataFrame({"id": [], "file": [], "target": []}).astype({"target": int})
    table = _read_labels(path)
    home = path.parent / "train" if (path.parent / "train").is_dir() else path.parent
    files = {
        name.removesuffix(".npy"): os.path.join(place, name)
        for place, _, names in os.walk(home)
        for name in names
        if name.endswith(".npy")
    }
    table["file"] = table["id"].map(files)
    lost, strange = table["id"][table["file"].isna()], sorted(files.keys() - set(table["id"]))
    if not partial and len(lost):
        raise StrainError(
            f"{path}: {len(lost)} of {len(table)} labels have no file under {home}, the first {lost.iloc[0]}.npy. "
            f"{TREE}, or pass partial=True to do without them."
        )
    if not partial and strange:
        raise StrainError(
            f"{files[strange[0]]}: this file and {len(strange) - 1} more have no label in {path}; move them elsewhere, "
            "or pass partial=True to do without them."
        )
    return table.dropna(subset="file")[["id", "file", "target"]].reset_index(drop=True)


def _g2net_table(folder):
    """Path of training_labels.csv, or None."""
    places = [Path(folder).expanduser()] if folder is not None else []
    for place in places + [place / "g2net" for place in places]:
        if (place / "training_labels.csv").is_file():
            return place / "training_labels.csv"
    if places:
        raise StrainError(f"{folder}: no training_labels.csv there or in its folder g2net. {TREE}.")
    for name in ("g2net/training_labels.csv", f"{KAGGLE_COMPETITION}/training_labels.csv", "training_labels.csv"):
        try:
            return find_data(name)
        except FileNotFoundError:
            continue
    return None


def _read_labels(path):
    try:
        table = pd.read_csv(path, dtype={"id": str}, keep_default_na=False)  # an id may look like a number
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise StrainError(f"{path}: no table that can be read ({error}); download it again.") from None
    if not {"id", "target"} <= set(table):
        problem = f"the columns are {', '.join(map(str, table))}, not id and target"
    elif not table["target"].isin([0, 1]).all():
        problem = f"targets are 0 or 1, not {table['target'][~table['target'].isin([0, 1])].iloc[0]!r}"
    elif table["id"].duplicated().any():
        problem = f"the id {table['id'][table['id'].duplicated()].iloc[0]} stands there twice"
    else:
        return table
    raise StrainError(f"{path}: {problem}; download it again.")


def read_g2net(files):
    """Read samples of the g2net competition.

    Parameters
    ----------
    files : path, or sequence of paths
        As in the column file of ``g2net_labels``.

    Returns
    -------
    float32 array, shape (n, 3, 4096)
        H1, L1, V1, 2 s at 2,048 Hz; a row of zeros is a detector that was off.

    Raises
    ------
    StrainError
        Where a file is missing, damaged, of another shape or type, or holds no strain.
    """
    files = [files] if isinstance(files, str | os.PathLike) else list(files)
    strain = np.empty((len(files), len(DETECTORS), N_SAMPLES), np.float32)
    for row, path in zip(strain, files, strict=True):
        row[:] = _read_npy(path)
    return strain


def g2net_blocks(files, block=256):
    """Read samples block by block, so that the 560,000 need not fit into memory: float32 arrays (<= block, 3, 4096)."""
    files = list(files)
    for start in range(0, len(files), block):
        yield read_g2net(files[start : start + block])


def _read_npy(path):
    """One file's strain, (3, 4096), or StrainError."""
    if not Path(path).is_file():
        raise StrainError(f"{path}: this file does not exist. {TREE}.")
    try:  # a map, so that a header that lies about the length allocates nothing; pickled objects are refused
        strain = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # of many kinds for a damaged file
        reason = " ".join(str(error).split())
        raise StrainError(f"{path}: no whole .npy file of numbers ({reason}); download it again.") from None
    try:
        if np.shape(strain) != (len(DETECTORS), N_SAMPLES):
            raise StrainError(
                f"strain of shape {np.shape(strain)}, not (3, {N_SAMPLES}); take a file of the competition."
            )
        return check_strain(strain)[0].numpy()
    except StrainError as error:
        raise StrainError(f"{path}: {error}") from None


# ------------------------------------------------------------------------------------------- GWOSC


def read_gwosc(path):
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
    """
    if not Path(path).is_file():
        raise StrainError(f"{path}: this file does not exist; get it from gwosc.org.")
    try:
        with h5py.File(path, "r") as file:
            strain = file["strain/Strain"][:].astype(np.float64)
            rate = 1 / float(file["strain/Strain"].attrs["Xspacing"])
            start, detector = float(file["meta/GPSstart"][()]), file["meta/Detector"].asstr()[()]
            quality = _quality(file)
    except KeyError as error:
        raise StrainError(f"{path}: no strain file of GWOSC ({error}); get one from gwosc.org.") from None
    except Exception as error:  # of many kinds for a damaged file
        raise StrainError(f"{path}: no whole HDF5 file of GWOSC ({error}); download it again.") from None
    try:
        _check_record(strain, rate, quality)
    except StrainError as error:
        raise StrainError(f"{path}: {error}") from None
    return GwoscStrain(resample(strain, round(rate)), start, detector)


def _quality(file):
    """Boolean array per second and per flag in DATA_QUALITY; all good where the file has no such table."""
    if "quality/simple/DQmask" not in file:
        return {}
    mask = file["quality/simple/DQmask"][:]
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in file["quality/simple/DQShortnames"][:]]
    return {name: mask >> bit & 1 == 1 for bit, name in enumerate(names) if name in DATA_QUALITY}


def _check_record(strain, rate, quality):
    if strain.ndim != 1 or len(strain) < 2:
        raise StrainError(f"strain of the shape {strain.shape}; it must be one row of samples.")
    if not np.isfinite(rate) or round(rate) < SAMPLE_RATE or abs(rate - round(rate)) > 1e-6 * rate:
        raise StrainError(f"sampled at {rate:g} Hz; take a file of 4,096 or 16,384 Hz from gwosc.org.")
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


def resample(strain, rate):
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
