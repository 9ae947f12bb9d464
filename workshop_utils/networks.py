"""The networks of the course: the paper's CNN, and the shift network, which knows that a redshift is a shift."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from .spectra import LIGHT_SPEED, N_PIXELS


class LongConv1d(nn.Conv1d):
    """`torch.nn.Conv1d` with the same parameters and results, computed by Fourier transform when the kernel is long.

    By the convolution theorem a convolution is a product of Fourier transforms. A stride s is s interleaved signals,
    each with its own part of the kernel, so nothing is computed that the stride would throw away. No dilation, one
    group, zero padding.
    """

    LONG = 64  # taps from which the Fourier transform is the faster way on a CPU

    def forward(self, x: Float[Tensor, "batch channel pixel"]) -> Float[Tensor, "batch out position"]:
        if self.kernel_size[0] < self.LONG or x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(x)
        stride, padding = self.stride[0], self.padding[0]
        x = nn.functional.pad(x, (padding, padding))
        positions = (x.shape[-1] - self.kernel_size[0]) // stride + 1
        x, weight = interleave(x, stride), interleave(self.weight, stride)
        n = fast_length(x.shape[-1])
        spectrum = torch.fft.rfft(x, n).permute(2, 0, 1)  # frequency, batch, channel
        kernel = torch.fft.rfft(weight, n).permute(2, 1, 0).conj()  # frequency, channel, out
        y = torch.fft.irfft((spectrum @ kernel).permute(1, 2, 0), n)[..., :positions]
        return y if self.bias is None else y + self.bias[:, None]


def interleave(x, stride):
    """Split (a, b, length) into (a, b * stride, length / stride): every stride-th sample becomes a channel."""
    if stride == 1:
        return x
    x = nn.functional.pad(x, (0, -x.shape[-1] % stride))
    return x.unflatten(-1, (-1, stride)).transpose(-1, -2).flatten(1, 2)


def fast_length(n):
    """Smallest length >= n whose only prime factors are 2, 3 and 5: the Fourier transform is fast there."""
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


class CNN(nn.Module):
    """The paper's convolutional network (its Fig. 5): kernels of 500, 200 and 10 pixels in series, then full layers.

    Each convolution is followed by batch normalisation, ReLU and pooling; each hidden full layer by batch
    normalisation. The last hidden layer ends in a softmax: its neurons share one vote, and the output is the average
    of what each stands for, weighted by the votes.

    Parameters
    ----------
    length : int
        Samples per channel: 4,618 for spectra.
    channels : int
        Input channels: 1 for a spectrum, 3 for three detectors.
    outputs : int
        Numbers it answers with: 1 for a redshift, 2 for two classes.
    kernels, strides, widths : 3 int each
        Taps, steps and output channels of the three convolutions.
    hidden : 2 int
        Neurons in the two hidden full layers.
    """

    def __init__(self, length=N_PIXELS, channels=1, outputs=1, kernels=(500, 200, 10), strides=(8, 1, 1),
                 widths=(16, 32, 64), hidden=(256, 256)):
        super().__init__()
        layers = []
        for kernel, stride, width in zip(kernels, strides, widths, strict=True):
            layers += [LongConv1d(channels, width, kernel, stride, kernel // 2), nn.BatchNorm1d(width)]
            layers += [nn.ReLU(), PairMax()]
            channels, length = width, ((length + kernel // 2 * 2 - kernel) // stride + 1) // 2
        layers += [nn.Flatten(), nn.Linear(channels * length, hidden[0]), nn.BatchNorm1d(hidden[0]), nn.ReLU()]
        layers += [nn.Linear(*hidden), nn.BatchNorm1d(hidden[1]), nn.Softmax(1), nn.Linear(hidden[1], outputs)]
        self.layers = nn.Sequential(*layers)
        self.apply(he_uniform)
        nn.init.normal_(self.layers[-1].weight)  # its inputs sum to 1: weights of size 1 spread the first answers

    def forward(self, x: Float[Tensor, "batch channel pixel"]) -> Float[Tensor, "batch output"]:
        return self.layers(x)


def classifier(classes=2):
    """The paper's classifier: its CNN with an output for each class, made logarithms of probabilities by LogSoftmax."""
    return nn.Sequential(CNN(outputs=classes), nn.LogSoftmax(1))


class PairMax(nn.Module):
    """Pooling: the larger of every two neighbours, as nn.MaxPool1d(2), in a third of its time on a CPU."""

    def forward(self, x: Float[Tensor, "batch channel position"]) -> Float[Tensor, "batch channel half"]:
        x = x[..., : x.shape[-1] // 2 * 2]
        return torch.maximum(x[..., ::2], x[..., 1::2])


def log_redshift_mse(output, z):
    """The paper's loss (its Eq. 2), the mean squared error, of ln(1 + z): an error of 0.02 is 6,000 km/s at any z."""
    return nn.functional.mse_loss(output[:, 0], torch.log1p(z))


def he_uniform(layer):
    """Start weights drawn as in He et al. (2015), step 0 of the paper's recipe."""
    if isinstance(layer, nn.Conv1d | nn.Linear):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)


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
    """

    def __init__(self, width=16, bin_pixels=4, z_max=5.5, kernel=31):
        super().__init__()
        self.bin_pixels = bin_pixels
        self.bins = N_PIXELS // bin_pixels
        self.shifts = int(np.log10(1 + z_max) / (1e-4 * bin_pixels)) + 1
        self.filters = nn.Sequential(
            nn.Conv1d(1, width, kernel, padding=kernel // 2), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Conv1d(width, width, 9, padding=4), nn.BatchNorm1d(width), nn.ReLU(),
        )
        self.templates = nn.Parameter(torch.randn(width, self.bins + self.shifts - 1) * 0.01)
        self.prior = nn.Parameter(torch.zeros(self.shifts))
        self.register_buffer("z", torch.expm1(torch.arange(self.shifts) * np.log(10) * 1e-4 * bin_pixels))

    def forward(self, x: Float[Tensor, "batch 1 pixel"]) -> Float[Tensor, "batch shift"]:
        """Scores (logarithms of unnormalised probabilities) of every shift, lowest redshift first."""
        x = nn.functional.avg_pool1d(x, self.bin_pixels)
        features = self.filters(x)
        n = fast_length(self.templates.shape[-1])
        product = torch.fft.rfft(features, n).conj() * torch.fft.rfft(self.templates, n)
        scores = torch.fft.irfft(product.sum(1), n)[:, : self.shifts]
        return scores.flip(-1) + self.prior

    def loss(self, scores: Float[Tensor, "batch shift"], z: Float[Tensor, " batch"], spread=400.0):
        """Cross entropy with the true redshift, blurred by `spread` km/s: nobody knows a quasar's better than that."""
        velocity = LIGHT_SPEED * (torch.log1p(self.z) - torch.log1p(z)[:, None])
        truth = torch.softmax(-0.5 * (velocity / spread) ** 2, 1)
        return nn.functional.cross_entropy(scores, truth)
