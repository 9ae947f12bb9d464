"""The paper's convolutional network (its Fig. 5), its loss and its start."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..shapes import Channels, Outputs
from ..spectra import N_PIXELS
from .convolution import LongConv1d, PairMax
from .redshifts import REDSHIFT_BINS


class CNN(nn.Module):
    """The paper's convolutional network (its Fig. 5): kernels of 500, 200 and 10 pixels in series, then full layers.

    Each convolution is followed by batch normalisation, ReLU and pooling; each hidden fully connected layer by batch
    normalisation and ReLU. With one output the last hidden layer ends in a softmax instead of ReLU: its neurons share
    one vote, and the output is the average of what each stands for, weighted by the votes. (A single number is learned
    better so; probabilities are not: an average of votes cannot be sure.)

    Parameters
    ----------
    length : int
        Samples per channel: 4,618 for spectra.
    channels : int
        Input channels: 1 for a spectrum, 3 for three detectors.
    outputs : int
        Numbers it answers with: 1 for a redshift, `len(REDSHIFT_BINS)` for a probability of each, 2 for two classes.
    kernels, strides, widths : 3 int each
        Taps, steps and output channels of the three convolutions.
    hidden : 2 int
        Neurons in the two hidden full layers.

    >>> CNN(outputs=2)(torch.zeros(3, 1, 4618)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        length=N_PIXELS,
        channels=1,
        outputs=1,
        kernels=(500, 200, 10),
        strides=(8, 1, 1),
        widths=(16, 32, 64),
        hidden=(256, 256),
    ):
        super().__init__()
        layers = convolutions(channels, kernels, strides, widths)
        places = pooled_length(length, kernels, strides)
        layers += [nn.Flatten(), nn.Linear(widths[-1] * places, hidden[0]), nn.BatchNorm1d(hidden[0]), nn.ReLU()]
        last = nn.Softmax(1) if outputs == 1 else nn.ReLU()
        layers += [nn.Linear(*hidden), nn.BatchNorm1d(hidden[1]), last, nn.Linear(hidden[1], outputs)]
        self.layers = nn.Sequential(*layers)
        self.apply(he_uniform)
        if outputs == 1:
            nn.init.normal_(self.layers[-1].weight)  # its inputs sum to 1: weights of size 1 spread the first answers

    def forward(self, x: Channels) -> Outputs:
        return self.layers(x)


def convolutions(channels: int, kernels: Sequence[int], strides: Sequence[int], widths: Sequence[int]):
    """Layers of convolutions in series, each followed by batch normalisation, ReLU and pooling, as a list."""
    layers = []
    for kernel, stride, width in zip(kernels, strides, widths, strict=True):
        layers += [
            LongConv1d(channels, width, kernel, stride, kernel // 2),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            PairMax(),
        ]
        channels = width
    return layers


def pooled_length(length: int, kernels: Sequence[int], strides: Sequence[int]):
    """Length of the rows that `convolutions` make of rows of this length.

    >>> pooled_length(4618, (500, 200, 10), (8, 1, 1))
    73
    """
    for kernel, stride in zip(kernels, strides, strict=True):
        length = ((length + kernel // 2 * 2 - kernel) // stride + 1) // 2
    return length


def redshift_cnn():
    """The paper's CNN with an output for each of `REDSHIFT_BINS`: their softmax is a probability of each redshift.

    >>> redshift_cnn()(torch.zeros(2, 1, 4618)).shape
    torch.Size([2, 1017])
    """
    return CNN(outputs=len(REDSHIFT_BINS))


def classifier(classes: int = 2):
    """The paper's classifier: its CNN with an output for each class, made logarithms of probabilities by LogSoftmax."""
    return nn.Sequential(CNN(outputs=classes), nn.LogSoftmax(1))


def log_redshift_mse(output: Tensor, z: Tensor):
    """The paper's loss (its Eq. 2), the mean squared error, of ln(1 + z): an error of 0.02 is 6,000 km/s at any z.

    >>> round(float(log_redshift_mse(torch.zeros(1, 1), torch.tensor([1.0]))), 3)  # ln(2) squared
    0.48
    """
    return nn.functional.mse_loss(output[:, 0], torch.log1p(z))


def he_uniform(layer: nn.Module):
    """Start weights drawn as in He et al. (2015), step 0 of the paper's recipe."""
    if isinstance(layer, nn.Conv1d | nn.Linear):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
