"""The paper's CNN for strain, with the odds of all mergers and times added up in place of its full layers."""

import math

import torch
from torch import nn

from ..shapes import Outputs, Strain
from ..strain import LOW, N_SAMPLES, SAMPLE_RATE
from .cnn import convolutions, he_uniform, pooled_length
from .matched_filter import whitened_templates

FIRST, EVERY = 1024, 2  # of a sample's 4,096 values: no wave is in its first half second, and none above 500 Hz
AFTER_MERGER = 60  # values of a kernel's 1,000 that lie behind the merger
PHASES = 3  # ReLU hears a wave in half of all phases; of three, a third of a turn apart, one always hears it well
BANK = 400  # waveforms from which the kernels are chosen


class StrainCNN(nn.Module):
    """The paper's convolutions for strain, kernels of 500, 200 and 10 in series, and the odds of all mergers added up.

    The full layers of `CNN` have a weight for every place of the row, and learn for each time anew what a merger looks
    like. Here a few neurons, the same for all places, say the log odds of their kind of merger there; how frequent each
    place is, is learned and added. The answer is the logarithm of the mean of all these odds (logsumexp).

    Parameters
    ----------
    templates : int
        It begins as a matched filter with so many waveforms of the bank (`begin_as_matched_filter`), and learns on from
        there. 0: all kernels start at random.
    kernels, strides, widths : 3 int each
        Taps, steps and output channels of the three convolutions.

    >>> StrainCNN(templates=0)(torch.zeros(2, 3, 4096)).shape
    torch.Size([2, 1])
    """

    def __init__(self, templates=24, kernels=(500, 200, 10), strides=(4, 1, 1), widths=(216, 32, 48)):
        super().__init__()
        self.layers = nn.Sequential(*convolutions(3, kernels, strides, widths), nn.Conv1d(widths[2], widths[1], 1))
        self.apply(he_uniform)
        if templates:
            begin_as_matched_filter(self.layers, templates)
        places = pooled_length((N_SAMPLES - FIRST) // EVERY, kernels, strides)
        self.time_prior = nn.Parameter(torch.zeros(places))

    def forward(self, white: Strain) -> Outputs:
        odds = (self.layers(white[..., FIRST::EVERY]) + self.time_prior).flatten(1)
        return torch.logsumexp(odds, 1, keepdim=True) - math.log(odds.shape[1])


@torch.no_grad()
def begin_as_matched_filter(layers: nn.Sequential, n: int):
    """Set the first weights of `StrainCNN`'s layers so that it does what a matched filter with n templates does.

    A neuron of the first layer hears one template, in one phase, in one detector; what is weak there (1.3 standard
    deviations of the noise), ReLU takes for noise. A neuron of the second layer adds up the nine of its template, Virgo
    a little earlier and later too, for light needs 27 ms to it. The third passes that on. Batch normalisation follows,
    so the size of weights does not matter to what a neuron hears: it says how slowly Adam, whose steps are all of one
    size, will change it.

    Parameters
    ----------
    layers : torch.nn.Sequential
        Of a `StrainCNN` with at least 9 n channels in the first, and n in the second and third convolution.
    n : int
        How many templates.
    """
    convolution, normalise, add_up, pass_on, odds = (layers[place] for place in (0, 1, 4, 8, 12))
    convolution.weight[: 9 * n] = 30 * template_kernels(n, convolution.kernel_size[0])
    normalise.bias.fill_(-1.3)
    own, middle = torch.arange(n), add_up.kernel_size[0] // 2
    heard = add_up.weight[:n, : 9 * n].unflatten(1, (n, PHASES, 3))
    heard[own, own, :, :2, middle] = 11.0
    heard[own, own, :, 2, middle - 3 : middle + 4] = 3.3
    pass_on.weight[own, own, pass_on.kernel_size[0] // 2] = 10.0
    odds.weight *= 0.1
    odds.weight[own, own] = 1.0


def template_kernels(n: int, taps: int = 500):
    """The last part of n whitened waveforms, as kernels for `StrainCNN`.

    Returns
    -------
    tensor, shape (9 n, 3, taps), float32
        For each of the n, for three phases, for each detector: a kernel that looks at this detector alone; squares sum
        to 1. 1,024 taps are a second.

    >>> template_kernels(2).shape
    torch.Size([18, 3, 500])
    """
    first = round(LOW * N_SAMPLES / SAMPLE_RATE)
    templates = covering(whitened_templates(BANK), n)
    spectra = torch.zeros(n, 3, N_SAMPLES // 2 + 1, dtype=torch.complex64)
    spectra[..., first : first + templates.shape[-1]] = templates
    kernels = torch.zeros(n, PHASES, 3, 3, taps)
    for phase in range(PHASES):
        turned = spectra * torch.exp(torch.tensor(2j * math.pi * phase / PHASES))
        waves = torch.fft.irfft(turned, N_SAMPLES).roll(taps * EVERY - AFTER_MERGER, -1)[..., : taps * EVERY : EVERY]
        for detector in range(3):
            kernels[:, phase, detector, detector] = nn.functional.normalize(waves[:, detector], dim=-1)
    return kernels.flatten(0, 2)


def covering(templates, n: int):
    """The n templates that stand for all best: one after the other, each the one that adds most to the matches.

    A match is how much of a wave's S/N (in H1) another template still finds, at the time that suits it best.

    >>> covering(whitened_templates(5), 2).shape
    torch.Size([2, 3, 960])
    """
    h1 = templates[:, 0]
    match = torch.stack([torch.fft.fft(h1 * wave.conj(), N_SAMPLES).abs().amax(1) for wave in h1], 1)
    chosen, best = [], torch.zeros(len(match))
    for _ in range(n):
        chosen.append(int(torch.maximum(best[:, None], match).square().sum(0).argmax()))
        best = torch.maximum(best, match[:, chosen[-1]])
    return templates[chosen]
