"""Noise measured, windows, filters and whitening; checks of strain that comes from outside."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..shapes import ArrayLike, Device
from .detectors import DETECTORS, HIGH, LOW, N_SAMPLES, SAMPLE_RATE, StrainError, design_asd

LARGEST = 1e-15  # no strain is as large; whitened data, of order 1, are
SMALLEST = 1e-27  # nor is the noise of any detector so small; float32 ends at 1e-45


def measure_asd(strain: ArrayLike, segment: int = N_SAMPLES, average: str = "median", window: Tensor | None = None):
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

    >>> measure_asd(torch.randn(3, 16384, generator=torch.Generator().manual_seed(1))).shape
    torch.Size([3, 2049])
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


def _tensor(strain):
    """Return the strain as a floating-point tensor, whatever the order of its bytes."""
    if isinstance(strain, np.ndarray) and not strain.dtype.isnative:
        strain = strain.astype(strain.dtype.newbyteorder("="))
    strain = torch.as_tensor(strain)
    return strain if strain.is_floating_point() else strain.double()


def tukey(n: int, alpha: float = 0.1, dtype: torch.dtype = torch.float32, device: Device | None = None):
    """Tukey window: 1 in the middle, falling to 0 as a cosine in the outer ``alpha / 2`` at either end; shape (n,).

    >>> tukey(5, alpha=1.0).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    edge = torch.arange(n, dtype=dtype, device=device)
    edge = torch.minimum(edge, edge.flip(0)) / max(alpha * (n - 1) / 2, 1e-6)
    return 0.5 - 0.5 * torch.cos(math.pi * edge.clamp(max=1))


def band(frequency: Tensor, low: float = LOW, high: float = HIGH, order: int = 8):
    """Gain of a Butterworth band-pass, between 0 and 1; 0.71 at ``low`` and ``high``; same shape as ``frequency``.

    >>> [round(x, 2) for x in band(torch.tensor([1.0, 100.0, 1000.0])).tolist()]
    [0.0, 1.0, 0.0]
    """
    below = (low / frequency.clamp(min=1e-3)) ** (2 * order)
    above = (frequency / high) ** (2 * order)
    return ((1 + below) * (1 + above)) ** -0.5


def _frequency(strain):
    """Frequencies of the real Fourier transform of strain (..., samples), in Hz."""
    n = strain.shape[-1]
    return torch.fft.rfftfreq(n, 1 / SAMPLE_RATE, dtype=strain.dtype, device=strain.device)


def band_pass(strain: ArrayLike, low: float = LOW, high: float = HIGH, order: int = 8):
    """Keep the frequencies between ``low`` and ``high`` (Hz), without shifting phases: Fourier times ``band``.

    The strain is taken to repeat itself, so taper it first, as with ``tukey``.

    Parameters
    ----------
    strain : tensor, shape (..., samples)

    Returns
    -------
    tensor of the same shape

    >>> band_pass(torch.ones(1, 3, 4096, dtype=torch.float64)).abs().max() < 1e-6  # nothing at 0 Hz
    tensor(True)
    """
    strain = _tensor(strain)
    gain = band(_frequency(strain), low, high, order)
    return torch.fft.irfft(torch.fft.rfft(strain) * gain, strain.shape[-1])


def whiten(strain: ArrayLike, asd: ArrayLike | None = None, low: float = LOW, high: float = HIGH, alpha: float = 0.1):
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

    >>> from workshop_utils.simulate import simulate_strain
    >>> whiten(simulate_strain(1, seed=1, signals=0).strain).shape
    torch.Size([1, 3, 4096])
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


def windows(strain: ArrayLike, step: float = 0.125):
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

    >>> windows(torch.zeros(3, 8192), step=1.0)[0].shape
    torch.Size([3, 3, 4096])
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


def check_strain(strain: Any):
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

    >>> from workshop_utils.simulate import simulate_strain
    >>> check_strain(simulate_strain(1, seed=1).strain[0].numpy()).shape
    torch.Size([1, 3, 4096])
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
    if not len(strain):
        raise StrainError("no samples; give at least one.")
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
