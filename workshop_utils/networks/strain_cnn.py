"""The paper's CNN for strain, with what is known about waves built in, and the odds of all mergers added up."""

import math

import torch
from torch import nn

from ..shapes import Outputs, Strain
from ..strain import N_SAMPLES
from .cnn import convolutions, he_uniform, pooled_length
from .matched_filter import in_time, whitened_templates

FIRST, EVERY = 1536, 2  # of a sample's 4,096 values: mergers are in the last half second, no wave is above 500 Hz
AFTER_MERGER = 60  # values of a kernel's 1,000 that lie behind the merger
PHASES = 3  # ReLU hears a wave in half of all phases; of three, a third of a turn apart, one always hears it well
BANK = 400  # waveforms from which the kernels are chosen


class StrainCNN(nn.Module):
    """The paper's convolutions for strain, kernels of 500, 200 and 10 in series, and the odds of all mergers added up.

    The full layers of `CNN` have a weight for every place of the row, and learn for each time anew what a merger looks
    like. Here what is the same shares its weights. The first convolution is one for all detectors, for a wave has the
    same shape in all. The second adds up what they heard of one kind of wave, the same way for every kind. The third
    compares the kinds; neurons, the same for all times, say the log odds of each, and how frequent each time is, is
    learned and added. The answer is the logarithm of the mean of all these odds (logsumexp).

    Parameters
    ----------
    kinds : int
        Kinds of waves; the first layer hears each in three phases.
    templates : bool
        It begins as a matched filter with waveforms of the bank (`begin_as_matched_filter`), and learns on from there.
        Otherwise all weights start at random.
    kernels, strides : 3 int each
        Taps and steps of the three convolutions.
    neurons, width : int
        Output channels of the second (for each kind) and the third; to begin as a matched filter at least 3, and at
        least as many as `kinds`.

    >>> StrainCNN(templates=False)(torch.zeros(2, 3, 4096)).shape
    torch.Size([2, 1])
    """

    def __init__(self, kinds=48, templates=True, kernels=(500, 200, 10), strides=(4, 1, 1), neurons=8, width=64):
        super().__init__()
        self.kinds = kinds
        self.hear = nn.Sequential(*convolutions(1, kernels[:1], strides[:1], [PHASES * kinds]))
        self.combine = nn.Sequential(*convolutions(3 * PHASES, kernels[1:2], strides[1:2], [neurons]))
        self.compare = nn.Sequential(*convolutions(neurons * kinds, kernels[2:], strides[2:], [width]))
        self.odds = nn.Conv1d(width, kinds, 1)
        self.apply(he_uniform)
        if templates:
            begin_as_matched_filter(self)
        places = pooled_length((N_SAMPLES - FIRST) // EVERY, kernels, strides)
        self.time_prior = nn.Parameter(torch.zeros(places))

    def forward(self, white: Strain) -> Outputs:
        n = len(white)
        heard = self.hear(white[..., FIRST::EVERY].flatten(0, 1)[:, None])  # (sample detector, kind phase, time)
        heard = heard.view(n, 3, self.kinds, PHASES, -1).transpose(1, 2).flatten(0, 1).flatten(1, 2)
        combined = self.combine(heard)  # (sample kind, neuron, time)
        odds = self.odds(self.compare(combined.view(n, -1, combined.shape[-1]))) + self.time_prior
        return torch.logsumexp(odds.flatten(1), 1, keepdim=True) - math.log(odds[0].numel())


@torch.no_grad()
def begin_as_matched_filter(network: StrainCNN):
    """Set the first weights of a `StrainCNN` so that it does what a matched filter does.

    A neuron of the first layer hears one template in one phase; what is weak there (1.3 standard deviations of the
    noise), ReLU takes for noise. Neurons of the second add up phases and detectors, L1 at the same time as H1, before
    or after, Virgo at any time within 27 ms, as light needs to it. The third passes that on. (Batch normalisation
    follows, so the size of weights does not matter to what a neuron hears: it says how slowly Adam, whose steps are all
    of one size, will change it.)
    """
    kinds = torch.arange(network.kinds)
    network.hear[0].weight.copy_(60 * template_kernels(network.kinds, network.hear[0].kernel_size[0]))
    network.hear[1].bias.fill_(-1.3)
    combine = network.combine[0].weight.unflatten(1, (3, PHASES))  # neuron, detector, phase, tap
    middle = combine.shape[-1] // 2
    for neuron, later in enumerate((0, -1, 1)):
        combine[neuron, 0, :, middle] = combine[neuron, 1, :, middle + later] = 10.0
        combine[neuron, 2, :, middle - 3 : middle + 4] = 3.0
    compare = network.compare[0].weight
    compare.unflatten(1, (network.kinds, -1))[kinds, kinds, :3, compare.shape[-1] // 2] = 20.0
    network.odds.weight *= 0.1
    network.odds.weight[kinds, kinds] = 1.0


def template_kernels(n: int, taps: int = 500):
    """The last part of n whitened waveforms, as kernels for `StrainCNN`.

    Returns
    -------
    tensor, shape (3 n, 1, taps), float32
        Each of the n (as whitened in H1) in three phases; squares sum to 1. 1,024 taps are a second.

    >>> template_kernels(2).shape
    torch.Size([6, 1, 500])
    """
    templates = covering(whitened_templates(BANK)[:, 0], n)
    turns = torch.exp(2j * math.pi * torch.arange(PHASES) / PHASES)
    waves = in_time(templates[:, None] * turns[:, None]).roll(taps * EVERY - AFTER_MERGER, -1)
    waves = waves[..., : taps * EVERY : EVERY]
    return nn.functional.normalize(waves, dim=-1).flatten(0, 1)[:, None]


def covering(templates: torch.Tensor, n: int):
    """The n templates (k, frequency) that stand for all best: one after the other, the one that adds most to the match.

    A match is how much of a wave's S/N another template still finds, at the time that suits it best.

    >>> covering(whitened_templates(5)[:, 0], 2).shape
    torch.Size([2, 960])
    """
    match = torch.stack([torch.fft.fft(templates * wave.conj(), N_SAMPLES).abs().amax(1) for wave in templates], 1)
    chosen, best = [], torch.zeros(len(match))
    for _ in range(n):
        chosen.append(int(torch.maximum(best[:, None], match).square().sum(0).argmax()))
        best = torch.maximum(best, match[:, chosen[-1]])
    return templates[chosen]
