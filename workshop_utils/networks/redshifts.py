"""A probability for each redshift: the bins, and the loss that asks for it."""

import numpy as np
import torch
from torch import nn

from ..shapes import Bins, BinScores, Number, PerObject
from ..spectra import LIGHT_SPEED

Z_MAX = 5.5
CNN_PIXELS = 8  # pixels of the grid in one of the CNN's bins: 552 km/s
SPREAD = 300.0  # km/s by which the loss blurs the true redshift: about what a catalogue knows


def redshift_bins(bin_pixels: int, z_max: float = Z_MAX):
    """Redshifts (bin,) at whole bins of log wavelength, from 0: evenly spaced in ln(1 + z).

    >>> z = redshift_bins(8)
    >>> len(z), float(z[0]), round(float(z[-1]), 2)
    (1017, 0.0, 5.5)
    """
    step = 1e-4 * bin_pixels
    return torch.expm1(torch.arange(int(np.log10(1 + z_max) / step) + 1) * np.log(10) * step)


REDSHIFT_BINS = redshift_bins(CNN_PIXELS)


def redshift_loss(
    scores: BinScores,
    z: PerObject,
    bins: Bins = REDSHIFT_BINS,
    spread: float = SPREAD,
) -> Number:
    """Cross entropy of P(z), the softmax of `scores`, with the true redshift, blurred by `spread` (km/s).

    The blur tells the network that the bin beside the truth is nearly right; it also bounds how narrow P(z) can get, so
    it should be no wider than what a spectrum can tell.

    Parameters
    ----------
    scores : (batch, bin)
        Logarithms of unnormalised probabilities.
    z : (batch,)
        True redshifts.
    bins : (bin,)
        Redshifts of the bins.

    Raises
    ------
    ValueError
        Where there is not a score for each bin, or a redshift is no number or lies outside the bins.

    >>> scores = torch.zeros(1, len(REDSHIFT_BINS))
    >>> round(redshift_loss(scores, torch.tensor([2.0])).item(), 2)  # knowing nothing costs ln(1,017)
    6.92
    """
    if scores.shape[1] != len(bins):
        raise ValueError(
            f"{scores.shape[1]} scores for {len(bins)} bins of redshift; give the network as many outputs."
        )
    log_bins, log_z = torch.log1p(bins.to(z.device)), torch.log1p(z)
    if not bool(((z >= 0) & (log_z < 2 * log_bins[-1] - log_bins[-2])).all()):
        raise ValueError(f"redshifts run from {z.min():g} to {z.max():g}; the bins reach from 0 to {bins[-1]:.2f}.")
    velocity = LIGHT_SPEED * (log_bins - log_z[:, None])
    truth = torch.softmax(-0.5 * (velocity / spread) ** 2, 1)
    return nn.functional.cross_entropy(scores, truth)
