"""Matched filter: the yardstick for gravitational waves, and the network that begins as one."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..shapes import CoincidentSnr, Outputs, SnrSeries, Strain, Templates, TemplateScores
from ..strain import HIGH, LOW, N_SAMPLES, SAMPLE_RATE, design_asd, waveforms
from .parts import in_parts

FILTER_RATE = 512  # Hz at which a matched filter answers: its output varies no faster than its band is wide
REACH = (1, 6, 14)  # steps of 1/512 s within which H1, L1 and V1 see the same wave: light needs 10 and 27 ms to them
SEARCH = (1.3, 2.0)  # s into a sample in which a merger is looked for
NEARBY = (1.1, 2.0)  # and a burst: what began earlier still rings there
UNHEARD = -1000.0  # ln of how probable a glitch is for a network that was not taught about any: impossible
BURSTS, QUALITIES = np.geomspace(30, 400, 8), (3, 10)  # Hz; frequency over width


def whitened_templates(n: int, bank: str = "waveform_bank"):
    """The first n waveforms of a bank as templates for whitened strain.

    Returns
    -------
    tensor, shape (n, 3, 960), complex64
        For each detector, h(f) / asd(f) at 20, 20.5 ... 499.5 Hz, the squares summing to 1; the merger is at time 0.

    >>> len(whitened_templates(2))
    2
    """
    frequency = np.arange(LOW, HIGH, SAMPLE_RATE / N_SAMPLES)
    h = waveforms(frequency, slice(n), longest=1.5, bank=bank)[:, None] / design_asd(frequency)
    return torch.tensor(h / np.linalg.norm(h, axis=-1, keepdims=True), dtype=torch.complex64)


def burst_templates(frequencies=BURSTS, qualities=QUALITIES):
    """Sine-Gaussians as templates for whitened strain: bursts of every pitch, for glitches of which nobody knows more.

    Searches for bursts and for glitches lay such tiles over the strain (Chatterji et al. 2004, CQG 21, S1809).

    Returns
    -------
    tensor, shape (len(frequencies) * len(qualities), 3, 960), complex64
        As `whitened_templates`; each is a bell of width frequency / quality around its frequency.

    >>> len(burst_templates([50.0, 100.0], [3.0]))
    2
    """
    frequency = np.arange(LOW, HIGH, SAMPLE_RATE / N_SAMPLES)
    middle, quality = (grid.reshape(-1, 1) for grid in np.meshgrid(frequencies, qualities, indexing="ij"))
    h = np.exp(-0.5 * ((frequency - middle) * quality / middle) ** 2)[:, None] / design_asd(frequency)
    return torch.tensor(h / np.linalg.norm(h, axis=-1, keepdims=True), dtype=torch.complex64)


def matched_filter(white: Strain, templates: Templates) -> SnrSeries:
    """Matched filter: slide every template along whitened strain, a cross-correlation by Fourier transform.

    Parameters
    ----------
    white : (n, 3, 4096)
        As `strain.whiten` makes it.
    templates : (k, 3, 960)
        As `whitened_templates` makes them.

    Returns
    -------
    (n, k, 3, 1024) complex64
        At merger times 0, 1/512 s ... The absolute value is the S/N; in noise alone real and imaginary part are
        standard normal. (Allen et al. 2012, PRD 85, 122006, Eqs. 4.2-4.4.)

    >>> matched_filter(torch.zeros(1, 3, 4096), whitened_templates(2)).shape
    torch.Size([1, 2, 3, 1024])
    """
    first, time = round(LOW * N_SAMPLES / SAMPLE_RATE), N_SAMPLES * FILTER_RATE // SAMPLE_RATE
    waves = torch.fft.rfft(white)[..., first : first + templates.shape[-1]]
    scale = (4 * (HIGH - LOW) / (N_SAMPLES * SAMPLE_RATE)) ** 0.5
    return torch.fft.ifft(waves[:, None] * (scale * templates.conj()), time, norm="forward")


def in_time(templates: Tensor):
    """Templates (..., 960) as rows in time (..., 4096), the merger at time 0; what comes before it is at the end.

    >>> in_time(whitened_templates(2)).shape
    torch.Size([2, 3, 4096])
    """
    first = round(LOW * N_SAMPLES / SAMPLE_RATE)
    above = N_SAMPLES // 2 + 1 - first - templates.shape[-1]
    return torch.fft.irfft(nn.functional.pad(templates, (first, above)), N_SAMPLES)


def fitting_template(white: Tensor, templates: Tensor, values: int = 1100, merger: int = 1000):
    """The template that fits a sample best in H1, with the phase that fits, as a row in time.

    Parameters
    ----------
    white : tensor, shape (3, 4096)
        One sample, as `strain.whiten` makes it.
    templates : tensor, shape (k, 3, 960)
        As `whitened_templates` makes them.
    values : int
        Length of the row; there are 2,048 a second.
    merger : int
        Place of the merger in it.

    Returns
    -------
    tensor, shape (values,)
        The squares sum to 1.

    >>> row = fitting_template(torch.ones(3, 4096), whitened_templates(2))
    >>> row.shape, round(float(row.norm()), 3)
    (torch.Size([1100]), 1.0)
    """
    in_h1 = matched_filter(white[None], templates)[0, :, 0]  # (template, time)
    k, when = divmod(int(in_h1.abs().argmax()), in_h1.shape[1])
    phase = in_h1[k, when].angle() + 2 * math.pi * LOW * when / FILTER_RATE  # the filter's sums begin at LOW, not at 0
    row = in_time(templates[k, 0] * torch.exp(1j * phase)).roll(merger)[:values]
    return row / row.norm()


def coincident_snr(snr: SnrSeries, search: Sequence[float] = SEARCH) -> CoincidentSnr:
    """Squared S/N of the detectors at (nearly) the same time: the highest within the light's travel time from H1.

    One step is two samples of the filter's output, 1/256 s, of the times between `search` (s).

    >>> coincident_snr(torch.zeros(1, 2, 3, 4096, dtype=torch.complex64)).shape
    torch.Size([1, 2, 179, 3])
    """
    start, stop = (round(FILTER_RATE * t) for t in search)
    snr = snr[..., start:stop]
    power = snr.real.square() + snr.imag.square()
    highest = [nn.functional.max_pool1d(power[:, :, d], 2 * reach + 1, 2, reach) for d, reach in enumerate(REACH)]
    return torch.stack(highest, -1)


def filtered(white: Tensor, templates: Tensor, search: Sequence[float] = SEARCH):
    """`coincident_snr` of the `matched_filter`; on a CPU a few samples at a time, for what lies between is large.

    >>> filtered(torch.zeros(1, 3, 4096), whitened_templates(2)).shape
    torch.Size([1, 2, 179, 3])
    """
    size = 4 if white.device.type == "cpu" else 32
    return in_parts(lambda part: coincident_snr(matched_filter(part, templates), search), white, size)


def matched_filter_snr(white: Strain, n_templates: int = 128, batch: int = 32):
    """The yardstick: highest network S/N (n,) over all templates and times, the root of the sum of their squares.

    >>> matched_filter_snr(torch.zeros(2, 3, 4096), n_templates=2)
    tensor([0., 0.])
    """
    templates = whitened_templates(n_templates).to(white.device)
    return in_parts(lambda part: filtered(part, templates).sum(-1).amax((1, 2)).sqrt(), white, batch)


class MatchedFilterNetwork(nn.Module):
    """A merger's time is a shift: slide templates along the strain, weigh what they find, add up the probabilities.

    The first layer is a matched filter with waveforms that physics gives. For each template and time it passes on the
    S/N of the three detectors. From these a small network, the same for all, finds the logarithm of the odds that a
    wave of this shape arrived at this time; what was learned of how often a template and a time occur is added. The
    odds of a signal are the sum over all templates and times, where a matched filter takes the highest S/N.

    These are odds against noise. Something loud may also be a glitch in one detector, a third hypothesis: it explains
    what that detector heard as well as a wave that it heard alone would, or a burst of any pitch, and leaves the
    others' part to chance. The answer is the odds of a wave, seen or beneath a glitch, against both.

    Parameters
    ----------
    templates : int
        How many of the bank.
    hidden : int
        Neurons in the hidden layer.

    >>> sum(p.numel() for p in MatchedFilterNetwork().parameters())
    348
    """

    def __init__(self, templates=64, hidden=16):
        super().__init__()
        steps = -(-(round(FILTER_RATE * SEARCH[1]) - round(FILTER_RATE * SEARCH[0])) // 2)
        self.register_buffer("templates", whitened_templates(templates), persistent=False)
        self.register_buffer("bursts", burst_templates(), persistent=False)
        self.weights = nn.Parameter(torch.full((3,), 0.35))  # 0.5 if the strength were known: ln odds = S/N^2 / 2
        self.evidence = nn.Sequential(nn.Linear(4, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 1))
        self.template_prior = nn.Parameter(torch.zeros(templates))
        self.time_prior = nn.Parameter(torch.zeros(steps))
        self.prior = nn.Parameter(torch.tensor(-6.0 - math.log(templates * steps)))  # a signal is somewhere, or nowhere
        self.glitch_prior = nn.Parameter(torch.full((3,), UNHEARD))  # ln of how probable one is, relative to a wave
        self.beneath = nn.Parameter(torch.tensor(-2.0))  # ln odds that a wave lies unseen beneath a glitch
        nn.init.zeros_(self.evidence[-1].weight)  # so that it starts as a matched filter
        nn.init.zeros_(self.evidence[-1].bias)

    def log_odds(self, white: Strain) -> TemplateScores:
        """Logarithm of the odds of a merger, against noise, for every template and time."""
        with torch.no_grad():  # nothing to learn in there
            power = filtered(white, self.templates)
        return self.of_power(power) + self.frequent()

    def of_power(self, power: CoincidentSnr) -> TemplateScores:
        """The same from the squared S/N of the three detectors, where all templates and times are as frequent."""
        loudness = torch.cat([power.sqrt(), power.sum(-1, keepdim=True).sqrt()], -1)
        return power @ self.weights + 5 * self.evidence(loudness / 5)[..., 0] + self.prior

    def frequent(self):
        """How much more frequent each template and time is than others: logarithms (k, t)."""
        return self.template_prior[:, None] + self.time_prior

    def hypotheses(self, white: Strain):
        """The ln odds, against noise, of a wave (n, 1), and of a glitch in each detector as probable as one (n, 3)."""
        with torch.no_grad():
            power, bursts = filtered(white, self.templates), filtered(white, self.bursts, NEARBY)
        frequent = self.frequent()
        wave = torch.logsumexp((self.of_power(power) + frequent).flatten(1), 1, keepdim=True)
        glitch = []
        for one in torch.eye(3, device=power.device):  # what this detector alone heard
            odds = (self.of_power(power * one) + frequent, self.of_power(bursts * one))
            glitch.append(torch.logsumexp(torch.cat([each.flatten(1) for each in odds], 1), 1))
        return wave, torch.stack(glitch, 1)

    def forward(self, white: Strain) -> Outputs:
        if (self.glitch_prior <= UNHEARD).all():  # impossible, so there is nothing to weigh
            return torch.logsumexp(self.log_odds(white).flatten(1), 1, keepdim=True)
        return self.against_both(*self.hypotheses(white))

    def against_both(self, wave, glitch):
        """The ln odds (n, 1) of a wave against noise and glitches, from those of `hypotheses`."""
        glitch = torch.logsumexp(glitch + self.glitch_prior, 1, keepdim=True)
        return torch.logaddexp(wave, glitch + self.beneath) - torch.logaddexp(torch.zeros_like(glitch), glitch)


def detection_loss(output: Tensor, signal: Tensor):
    """Cross entropy of the logarithm of odds (n, 1) and the truth (n,), 1 for a signal and 0 for noise.

    >>> round(float(detection_loss(torch.zeros(2, 1), torch.tensor([0.0, 1.0]))), 2)  # even odds cost ln(2)
    0.69
    """
    return nn.functional.binary_cross_entropy_with_logits(output[:, 0], signal)
