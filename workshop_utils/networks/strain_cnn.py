"""The paper's CNN for strain, with the odds of all times added up in place of its full layers."""

import math

import torch
from torch import nn

from ..shapes import Outputs, Strain
from ..strain import LOW, N_SAMPLES, SAMPLE_RATE
from .cnn import convolutions, he_uniform
from .matched_filter import whitened_templates

AFTER_MERGER = 60  # samples of a kernel that lie behind the merger


class StrainCNN(nn.Module):
    """The paper's convolutions for strain, kernels of 500, 200 and 10 in series, and the odds of all times added up.

    The full layers of `CNN` have a weight for every place of the row, and learn for each time anew what a merger looks
    like. Here one neuron, the same for all places, says the log odds of a merger there; the answer is the logarithm of
    the mean of these odds (logsumexp). Mergers come at any time, so what is learned at one is known at all.

    Parameters
    ----------
    templates : int
        So many waveforms of the bank, each as a cosine and a sine in each detector, are the first layer's kernels to
        begin with (see `template_kernels`); all are learned on. 0: all kernels start at random.
    kernels, strides, widths : 3 int each
        Taps, steps and output channels of the three convolutions.

    >>> StrainCNN(templates=0)(torch.zeros(2, 3, 4096)).shape
    torch.Size([2, 1])
    """

    def __init__(self, templates=8, kernels=(500, 200, 10), strides=(4, 1, 1), widths=(48, 32, 64)):
        super().__init__()
        self.layers = nn.Sequential(*convolutions(3, kernels, strides, widths), nn.Conv1d(widths[-1], 1, 1))
        self.apply(he_uniform)
        if templates:
            start = template_kernels(templates, kernels[0])
            with torch.no_grad():
                self.layers[0].weight[: len(start)] = start

    def forward(self, white: Strain) -> Outputs:
        odds = self.layers(white)
        return torch.logsumexp(odds, 2) - math.log(odds.shape[2])


def template_kernels(n: int, taps: int = 500):
    """The last part of n whitened waveforms, as kernels for `StrainCNN`.

    Returns
    -------
    tensor, shape (6 n, 3, taps), float32
        For cosine and sine, and for each detector, n kernels that look at this detector alone; squares sum to 1.

    >>> template_kernels(2).shape
    torch.Size([12, 3, 500])
    """
    templates, first = whitened_templates(n), round(LOW * N_SAMPLES / SAMPLE_RATE)
    spectra = torch.zeros(n, 3, N_SAMPLES // 2 + 1, dtype=torch.complex64)
    spectra[..., first : first + templates.shape[-1]] = templates
    kernels = torch.zeros(2, 3, n, 3, taps)
    for phase, turned in enumerate((spectra, -1j * spectra)):
        waves = torch.fft.irfft(turned, N_SAMPLES).roll(taps - AFTER_MERGER, -1)[..., :taps]
        for detector in range(3):
            kernels[phase, detector, :, detector] = nn.functional.normalize(waves[:, detector], dim=-1)
    return kernels.flatten(0, 2)
