"""The shift network, which knows that a redshift is a shift in log wavelength."""

import torch
from torch import nn

from ..shapes import BinScores, Channels, Number, PerObject
from ..spectra import N_PIXELS
from .convolution import fast_length
from .redshifts import Z_MAX, redshift_bins, redshift_loss


class ShiftNetwork(nn.Module):
    """Redshift is a translation in log wavelength: filter the spectrum, slide learned templates along it.

    Each template has a value for every bin of rest wavelength. The score of a shift is the match between the filtered
    spectrum and the templates moved by it, a cross-correlation, computed for all shifts at once by Fourier transform.
    The softmax of the scores is the probability of each redshift.

    Parameters
    ----------
    width : int
        Filters, and as many templates.
    bin_pixels : int
        Pixels of the spectrum averaged into one bin; a shift is a whole number of bins.
    z_max : float
        Highest redshift.

    >>> ShiftNetwork()(torch.zeros(2, 1, 4618)).shape
    torch.Size([2, 2033])
    """

    def __init__(self, width=16, bin_pixels=4, z_max=Z_MAX, kernel=31):
        super().__init__()
        self.bin_pixels = bin_pixels
        self.bins = N_PIXELS // bin_pixels
        self.register_buffer("z", redshift_bins(bin_pixels, z_max))
        self.shifts = len(self.z)
        self.filters = nn.Sequential(
            nn.Conv1d(1, width, kernel, padding=kernel // 2),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, width, 9, padding=4),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )
        self.templates = nn.Parameter(torch.randn(width, self.bins + self.shifts - 1) * 0.01)
        self.prior = nn.Parameter(torch.zeros(self.shifts))

    def forward(self, x: Channels) -> BinScores:
        """Scores (logarithms of unnormalised probabilities) of every shift, lowest redshift first."""
        x = nn.functional.avg_pool1d(x, self.bin_pixels)
        features = self.filters(x)
        n = fast_length(self.templates.shape[-1])
        product = torch.fft.rfft(features, n).conj() * torch.fft.rfft(self.templates, n)
        scores = torch.fft.irfft(product.sum(1), n)[:, : self.shifts]
        return scores.flip(-1) + self.prior

    def loss(self, scores: BinScores, z: PerObject) -> Number:
        """Cross entropy of P(z) with the true redshifts, see `redshift_loss`."""
        return redshift_loss(scores, z, self.z)
