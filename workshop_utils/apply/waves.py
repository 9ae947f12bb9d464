"""Gravitational waves in an astronomer's own strain, with the network that ships with the course."""

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..networks import MatchedFilterNetwork
from ..sources import shipped
from ..strain import (
    DETECTORS,
    HIGH,
    LARGEST,
    LOW,
    N_SAMPLES,
    SMALLEST,
    StrainError,
    check_strain,
    design_asd,
    measure_asd,
    tukey,
    whiten,
)
from ..training import load_checkpoint, predict

WAVES_CHECKPOINT = "checkpoints/gravitational_waves.safetensors"
BATCH = 64
NEEDED = 16  # samples from which a noise spectrum can be measured
DESIGN_ALPHA, MEASURED_ALPHA = 0.1, 0.2  # tapers, see `strain.tukey`
SUREST = 30.0  # ln odds that no answer exceeds: what the noise does once in 1e13 samples nobody has seen


def detect_waves(strain: Any, asd: Tensor | None = None):
    """Find gravitational waves of merging black holes.

    Parameters
    ----------
    strain : array or tensor, shape (n, 3, 4096) or (3, 4096)
        H1, L1, V1, 2 s at 2,048 Hz, as recorded (in strain, float32 or float64); a row of zeros means that the
        detector was off. A merger is looked for between 1.3 and 2.0 s: slide windows over longer records.
    asd : tensor, shape (3, k), optional
        Noise, as `strain.measure_asd` returns it. Without it the design's for detectors whose noise is as designed
        (such as the competition's); for others it is measured over the samples given, at least 16.

    Returns
    -------
    float64 array, shape (n,)
        Probability of a signal, where half of the samples hold one (as in training and in the competition).

    Raises
    ------
    StrainError (a ValueError)
        For strain that cannot be used (see `strain.check_strain`), for an asd that is none, and where a noise spectrum
        must and cannot be measured.

    >>> from workshop_utils.simulate import simulate_strain
    >>> detect_waves(simulate_strain(2, seed=1).strain).shape
    (2,)
    """
    strain = check_strain(strain)
    asd, alpha = noise_of(strain) if asd is None else (check_asd(asd, strain), MEASURED_ALPHA)
    white = whiten(strain, asd, alpha=alpha)
    log_odds = predict(waves_network(), white, BATCH)[:, 0].double()
    return torch.sigmoid(SUREST * torch.tanh(log_odds / SUREST)).numpy()


def check_asd(asd: Any, strain: Tensor):
    """Return an amplitude spectral density (3, k) as a tensor; StrainError where it cannot be that of the strain.

    >>> from workshop_utils.simulate import simulate_strain
    >>> check_asd(design_asd(np.linspace(0, 1024, 2049)), simulate_strain(1, seed=1).strain).shape
    torch.Size([3, 2049])
    """
    asd = torch.as_tensor(asd, dtype=strain.dtype)
    if asd.dim() != 2 or len(asd) != len(DETECTORS) or asd.shape[1] < 2:
        raise StrainError(f"asd of shape {tuple(asd.shape)}: it must be (3, k), as strain.measure_asd returns it.")
    for i, name in enumerate(DETECTORS):
        middle = float(asd[i].median())
        if strain[:, i].any() and not (asd[i].isfinite().all() and SMALLEST < middle < LARGEST):
            raise StrainError(
                f"{name}: an asd of {middle:.2g} is none of a detector, whose are of order 1e-23 strain/sqrt(Hz); "
                "give the root of the power spectral density, as strain.measure_asd returns it."
            )
    return asd


def noise_of(strain: Tensor | np.ndarray, tolerance: float = 0.25):
    """Noise of the detectors: the design's where it fits the samples (n, 3, 4096), else measured.

    It fits where the ratio of measured to designed asd, in each of eight parts of the band from 20 to 500 Hz (in all of
    it, for few samples), lies within `tolerance` of 1. The ratio is a median over frequencies and samples, which a
    signal hardly moves. Real noise has no lower end at 10 Hz; it is measured, and to be whitened, with a longer taper,
    through which less of it leaks.

    Returns
    -------
    asd : (3, 2049) tensor
    alpha : float
        Of the taper to whiten with.

    >>> from workshop_utils.simulate import simulate_strain
    >>> asd, alpha = noise_of(simulate_strain(2, seed=1, signals=0).strain)
    >>> asd.shape, alpha == DESIGN_ALPHA  # the design's noise fits
    (torch.Size([3, 2049]), True)
    """
    frequency = np.linspace(0, 1024, 2049)
    asd = torch.as_tensor(design_asd(frequency), dtype=strain.dtype)
    alpha = DESIGN_ALPHA
    for i, name in enumerate(DETECTORS):
        on = strain[strain[:, i].abs().amax(-1) > 0, i]
        if not len(on):
            continue
        each = (measure_asd(on) / asd[i])[:, (frequency >= LOW) & (frequency < HIGH)]
        parts = each.unflatten(1, (8 if len(on) >= NEEDED else 1, -1)).transpose(0, 1).flatten(1)
        parts = parts.median(1).values / np.sqrt(np.log(2))  # the root of a periodogram's median, for a mean of 1
        if bool(((parts - 1).abs() < tolerance).all()):
            continue
        if len(on) < NEEDED:
            raise StrainError(
                f"{name}: its noise is {parts.min():.2g} to {parts.max():.2g} times the design's, and it cannot be "
                f"measured in {len(on)} samples; give at least {NEEDED}, or pass asd=measure_asd(of a longer record)."
            )
        alpha = MEASURED_ALPHA
        asd[i] = measure_asd(on[:, None], window=tukey(N_SAMPLES, alpha))[0]
    return asd, alpha


@functools.cache
def waves_network():
    """The detector of gravitational waves with the weights that ship with the course, on the CPU."""
    network = MatchedFilterNetwork()
    load_checkpoint(network, shipped(WAVES_CHECKPOINT))
    return network
