"""The paper's CNN for strain, with what is known about waves built in, and the odds of all mergers added up."""

import math

import torch
from torch import Tensor, nn

from ..shapes import Features, Outputs, Strain
from ..strain import N_SAMPLES
from .cnn import he_uniform, pooled_length
from .convolution import LongConv1d, PairMax
from .matched_filter import in_time, whitened_templates

FIRST, EVERY, STRIDE = 1720, 2, 2  # of a sample's 4,096 values: mergers from 1.3 s on, no wave above 500 Hz, 512 Hz
AFTER_MERGER = 60  # values of a kernel's 1,000 that lie behind the merger
LOUD = 20.0  # squared S/N of a wave that is just worth hearing: in its units all numbers and weights are of size 1
BANK = 400  # waveforms from which the kernels are chosen


class StrainCNN(nn.Module):
    """The paper's convolutions for strain, kernels of 500, 200 and 10 in series, and the odds of all mergers added up.

    The full layers of `CNN` have a weight for every place of the row, and learn for each time anew what a merger looks
    like. Here what is the same shares its weights. The first convolution is one for all detectors, for a wave has the
    same shape in all. The second adds up what they heard of one kind of wave, each neuron for one direction of the sky;
    the third looks at what happens shortly before and after. Both are the same for every kind. From them follow the log
    odds of each kind, direction and time; how frequent each kind and time is, is learned and added. The answer is the
    logarithm of the mean of all these odds (logsumexp).

    Behind the first convolution `Power` stands in place of ReLU, which is deaf to a wave in half of all phases. No
    batch normalisation follows it: the loudest wave of a batch would set the scale for all others.

    Parameters
    ----------
    kinds : int
        Kinds of waves that the first layer hears.
    templates : bool
        It begins as a matched filter with waveforms of the bank (`begin_as_matched_filter`), and learns on from there.
        Otherwise all weights start at random.
    kernels : 3 int
        Taps of the three convolutions.
    neurons : int
        Output channels of the second and the third; to begin as a matched filter at least 5.

    >>> StrainCNN(kinds=4, templates=False)(torch.zeros(2, 3, 4096)).shape
    torch.Size([2, 1])
    """

    def __init__(self, kinds=96, templates=True, kernels=(500, 200, 10), neurons=8):
        super().__init__()
        self.kinds = kinds
        hear, combine, follow = kernels
        self.hear = nn.Sequential(LongConv1d(1, 2 * kinds, hear, STRIDE), nn.BatchNorm1d(2 * kinds), Power(), PairMax())
        self.combine = nn.Sequential(LongConv1d(3, neurons, combine, 1, combine // 2), nn.ReLU(), PairMax())
        self.follow = nn.Sequential(LongConv1d(neurons, neurons, follow, 1, follow // 2), nn.ReLU(), PairMax())
        self.odds = nn.Conv1d(neurons, neurons, 1)
        self.apply(he_uniform)
        if templates:
            begin_as_matched_filter(self)
        heard = ((N_SAMPLES - FIRST) // EVERY - hear) // STRIDE + 1
        self.time_prior = nn.Parameter(torch.zeros(pooled_length(heard // 2, kernels[1:], (1, 1))))
        self.kind_prior = nn.Parameter(torch.zeros(kinds, 1, 1))

    def forward(self, white: Strain) -> Outputs:
        n = len(white)
        power = self.hear(white[..., FIRST::EVERY].flatten(0, 1)[:, None])  # (sample detector, kind, time)
        power = power.unflatten(0, (n, 3)).transpose(1, 2).flatten(0, 1)  # (sample kind, detector, time)
        odds = self.odds(self.follow(self.combine(power))).unflatten(0, (n, self.kinds))
        odds = (odds + self.kind_prior + self.time_prior).flatten(1)
        return torch.logsumexp(odds, 1, keepdim=True) - math.log(odds.shape[1])


class Power(nn.Module):
    """Squares of every two channels added up: how loud a wave is whose phases they hear a quarter of a turn apart.

    >>> Power()(torch.tensor([[[2.0], [4.0]]]))  # in units of `LOUD`
    tensor([[[1.]]])
    """

    def forward(self, x: Tensor) -> Features:
        return x.unflatten(1, (-1, 2)).square().sum(2) / LOUD


@torch.no_grad()
def begin_as_matched_filter(network: StrainCNN):
    """Set the first weights of a `StrainCNN` so that it does what a matched filter does.

    Two channels of the first layer hear one template, a quarter of a turn apart. A neuron of the second adds up the
    detectors: L1 at one of five delays behind H1, Virgo at any time within 25 ms, as light needs to it. The third
    passes that on. Of a squared S/N of 1 the log odds rise by 0.35 (a half if the strength were known), and they start
    where about half of all samples are waves.

    Adam's steps are all of one size, so large weights change slowly, and what follows them makes up for their size.
    """
    network.hear[0].weight.copy_(60 * template_kernels(network.kinds, network.hear[0].kernel_size[0]))
    combine, follow, odds = network.combine[0].weight, network.follow[0].weight, network.odds
    for weights in (combine, follow, odds.weight):
        weights *= 0.1
    odds.bias.fill_(-11.5)
    for neuron, later in enumerate(range(-2, 3)):  # steps of 1/256 s
        combine[neuron], follow[neuron] = 0.0, 0.0
        middle = combine.shape[-1] // 2
        combine[neuron, 0, middle] = combine[neuron, 1, middle + later] = 4.0
        combine[neuron, 2, middle - 6 : middle + 7] = 0.8
        follow[neuron, neuron, follow.shape[-1] // 2] = 4.0
        odds.weight[neuron, neuron] = 0.35 * LOUD / 16
        odds.bias[neuron] = -8.5


def template_kernels(n: int, taps: int = 500):
    """The last part of n whitened waveforms, as kernels for `StrainCNN`.

    Returns
    -------
    tensor, shape (2 n, 1, taps), float32
        Each of the n (as whitened in H1) in two phases, a quarter of a turn apart; squares sum to 1. 1,024 taps are a
        second.

    >>> template_kernels(2).shape
    torch.Size([4, 1, 500])
    """
    templates = covering(whitened_templates(BANK)[:, 0], n)
    waves = in_time(templates[:, None] * torch.tensor([1, 1j])[:, None]).roll(taps * EVERY - AFTER_MERGER, -1)
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
