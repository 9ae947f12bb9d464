"""Class and redshift in one softmax: outputs for redshifts of quasars, of galaxies, for stars, and for nothing."""

import torch
from torch import Tensor, nn

from ..spectra import LIGHT_SPEED
from .cnn import CNN
from .redshifts import CNN_PIXELS, REDSHIFT_BINS, SPREAD, redshift_bins

OBJECTS = ("quasar", "galaxy", "star", "nothing")
STAR_KINDS = 9  # as many as `simulate.stars.KINDS`
OUTPUT_BINS = REDSHIFT_BINS, redshift_bins(CNN_PIXELS, z_max=1.2)  # of quasars and of galaxies
# Of each output: the redshift it stands for, and its box: 0 quasar, 1 galaxy, 2 to 10 a kind of star, 11 nothing
OUTPUT_Z = torch.cat([*OUTPUT_BINS, torch.zeros(STAR_KINDS + 1)])
NOTHING = 2 + STAR_KINDS
_SIZES = torch.tensor([*map(len, OUTPUT_BINS), *[1] * (STAR_KINDS + 1)])
OUTPUT_BOX = torch.arange(NOTHING + 1).repeat_interleave(_SIZES)
OUTPUT_CLASS = torch.tensor([0, 1, *[2] * STAR_KINDS, 3])[OUTPUT_BOX]  # index in `OBJECTS`


def object_cnn():
    """The paper's CNN with an output for each of `OUTPUT_Z`.

    >>> object_cnn()(torch.zeros(2, 1, 4618)).shape
    torch.Size([2, 1456])
    """
    return CNN(outputs=len(OUTPUT_Z))


def object_loss(scores: Tensor, target: Tensor, spread: float = SPREAD):
    """Cross entropy of P(class, z), the softmax of `scores`, with the truth, its redshift blurred by `spread` (km/s).

    Parameters
    ----------
    scores : (batch, output)
        Logarithms of unnormalised probabilities.
    target : (batch, 2)
        Box (see `OUTPUT_BOX`) and redshift; the redshifts of stars and of nothing are not looked at.

    >>> scores = torch.zeros(1, len(OUTPUT_Z))
    >>> round(object_loss(scores, torch.tensor([[11.0, 0.0]])).item(), 2)  # knowing nothing costs ln(1,456)
    7.28
    """
    box, z = target[:, :1], target[:, 1:]
    ln_ratio = torch.log1p(OUTPUT_Z.to(z.device)) - torch.log1p(torch.where(box < 2, z, 0))
    truth = -0.5 * (LIGHT_SPEED * ln_ratio / spread) ** 2
    truth = truth.masked_fill(OUTPUT_BOX.to(z.device) != box, -torch.inf).softmax(1)
    return nn.functional.cross_entropy(scores, truth)
