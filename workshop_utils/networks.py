"""The networks of the course: the paper's CNN, and the shift network, which knows that a redshift is a shift."""

import math

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from .simulate.binaries import waveforms
from .spectra import LIGHT_SPEED, N_PIXELS
from .strain import HIGH, LOW, N_SAMPLES, SAMPLE_RATE, design_asd

FILTER_RATE = 512  # Hz at which a matched filter answers: its output varies no faster than its band is wide
REACH = (1, 6, 14)  # steps of 1/512 s within which H1, L1 and V1 see the same wave: light needs 10 and 27 ms to them
SEARCH = (1.3, 2.0)  # s into a sample in which a merger is looked for


class LongConv1d(nn.Conv1d):
    """`torch.nn.Conv1d` with the same parameters and results, computed by Fourier transform where that is faster.

    By the convolution theorem a convolution is a product of Fourier transforms: for each frequency, of the matrix
    (batch, channel) of the signals and the matrix (channel, out) of the kernels. A stride s is s interleaved signals,
    each with its own part of the kernel, so nothing is computed that the stride would throw away.
    """

    GAIN = 100  # taps per tap's worth of Fourier transforms, see `by_fourier`; measured on a CPU

    def forward(self, x: Float[Tensor, "batch channel pixel"]) -> Float[Tensor, "batch out position"]:
        if not self.by_fourier(x):
            return super().forward(x)
        stride, padding, weight = self.stride[0], self.padding[0], self.weight
        positions = (x.shape[-1] + 2 * padding - self.kernel_size[0]) // stride + 1
        if stride > 1:
            x, weight = interleave(nn.functional.pad(x, (padding, padding)), stride), interleave(weight, stride)
            padding = 0
        y = FourierCorrelation.apply(x, weight, padding)[..., :positions]
        return y if self.bias is None else y + self.bias[:, None]

    def by_fourier(self, x):
        """Whether the Fourier transform is the faster way, and possible.

        Direct, every tap costs `channels * out * batch` products. By Fourier the taps cost nothing, but each of the
        `batch * channels` signals, `batch * out` answers and `channels * out` kernels is transformed.
        """
        if x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return False  # a GPU multiplies faster than it moves data
        if self.groups > 1 or self.dilation[0] > 1 or self.padding_mode != "zeros" or isinstance(self.padding, str):
            return False
        stride, taps = self.stride[0], self.kernel_size[0]
        if x.dim() != 3 or x.shape[1] != self.in_channels or x.shape[2] + 2 * self.padding[0] < taps or not len(x):
            return False  # nn.Conv1d does it, or says what is wrong
        transforms = 1 / (self.in_channels * stride) + 1 / self.out_channels + 1 / len(x)
        return taps / stride > self.GAIN * transforms


class FourierCorrelation(torch.autograd.Function):
    """Correlation (what networks call a convolution) of x (b, c, length), zeros around it, with weight (o, c, taps).

    Its gradients are correlations and convolutions too. Written out, they use the transforms there already are: three
    are left to do in the backward pass.
    """

    @staticmethod
    def forward(ctx, x, weight, padding):
        length, taps = x.shape[-1] + 2 * padding, weight.shape[-1]
        n = 32 * fast_length(-(-length // 32))  # multiples of 32 are the fastest
        waves = to_frequency(nn.functional.pad(x, (padding, n - padding - x.shape[-1])))
        kernels = to_frequency(nn.functional.pad(weight, (0, n - taps))).conj_physical()
        ctx.save_for_backward(waves, kernels)
        ctx.sizes = n, padding, x.shape[-1], taps
        return to_time(waves @ kernels.mT, n)[..., : length - taps + 1]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope):
        (waves, kernels), (n, padding, length, taps) = ctx.saved_tensors, ctx.sizes
        slope = to_frequency(nn.functional.pad(slope, (0, n - slope.shape[-1])))
        x_slope = weight_slope = None
        if ctx.needs_input_grad[0]:
            x_slope = to_time(slope @ kernels.conj_physical(), n)[..., padding : padding + length]
        if ctx.needs_input_grad[1]:
            weight_slope = to_time(slope.conj_physical_().mT @ waves, n)[..., :taps]
        return x_slope, weight_slope, None


def to_frequency(x):
    """Fourier transform of real signals (a, b, time), as matrices (frequency, a, b)."""
    return torch.fft.rfft(x).permute(2, 0, 1).contiguous()


def to_time(waves, n):
    """The inverse of `to_frequency`: n real samples."""
    return torch.fft.irfft(waves.permute(1, 2, 0), n)


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
        return LargerNeighbour.apply(x)


class LargerNeighbour(torch.autograd.Function):
    """The larger of every two neighbours; the gradient goes to it alone, to the first if they are equal."""

    @staticmethod
    def forward(ctx, x):
        even = x.shape[-1] // 2 * 2
        first, second = x[..., :even:2], x[..., 1:even:2]
        ctx.save_for_backward(first >= second)
        ctx.shape = x.shape
        return torch.maximum(first, second)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope):
        (first_is_larger,) = ctx.saved_tensors
        x_slope = slope.new_zeros(ctx.shape)
        even = 2 * slope.shape[-1]
        first, second = x_slope[..., :even:2], x_slope[..., 1:even:2]
        torch.mul(slope, first_is_larger, out=first)
        torch.sub(slope, first, out=second)
        return x_slope


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


def whitened_templates(n):
    """The first n waveforms of the bank as templates for whitened strain.

    Returns
    -------
    tensor, shape (n, 3, 960), complex64
        For each detector, h(f) / asd(f) at 20, 20.5 ... 499.5 Hz, the squares summing to 1; the merger is at time 0.
    """
    frequency = np.arange(LOW, HIGH, SAMPLE_RATE / N_SAMPLES)
    h = waveforms(frequency, slice(n), longest=1.5)[:, None] / design_asd(frequency)
    return torch.tensor(h / np.linalg.norm(h, axis=-1, keepdims=True), dtype=torch.complex64)


def matched_filter(
    white: Float[Tensor, "batch detector sample"], templates: Complex[Tensor, "template detector frequency"]
) -> Complex[Tensor, "batch template detector time"]:
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
    """
    first, time = round(LOW * N_SAMPLES / SAMPLE_RATE), N_SAMPLES * FILTER_RATE // SAMPLE_RATE
    waves = torch.fft.rfft(white)[..., first : first + templates.shape[-1]]
    scale = (4 * (HIGH - LOW) / (N_SAMPLES * SAMPLE_RATE)) ** 0.5
    return torch.fft.ifft(waves[:, None] * (scale * templates.conj()), time, norm="forward")


def coincident_snr(
    snr: Complex[Tensor, "batch template detector time"], search=SEARCH
) -> Float[Tensor, "batch template step detector"]:
    """Squared S/N of the detectors at (nearly) the same time: the highest within the light's travel time from H1.

    One step is two samples of the filter's output, 1/256 s, of the times between `search` (s).
    """
    start, stop = (round(FILTER_RATE * t) for t in search)
    snr = snr[..., start:stop]
    power = snr.real.square() + snr.imag.square()
    highest = [
        nn.functional.max_pool1d(power[:, :, d], 2 * reach + 1, 2, reach) for d, reach in enumerate(REACH)
    ]
    return torch.stack(highest, -1)


def filtered(white, templates):
    """`coincident_snr` of the `matched_filter`; on a CPU a few samples at a time, for what lies between is large."""
    parts = white.split(4 if white.device.type == "cpu" else 32)
    return torch.cat([coincident_snr(matched_filter(part, templates)) for part in parts])


def matched_filter_snr(white: Float[Tensor, "batch detector sample"], n_templates=128, batch=32):
    """The yardstick: highest network S/N (n,) over all templates and times, the root of the sum of their squares."""
    templates = whitened_templates(n_templates).to(white.device)
    return torch.cat([filtered(part, templates).sum(-1).amax((1, 2)).sqrt() for part in white.split(batch)])


class MatchedFilterNetwork(nn.Module):
    """A merger's time is a shift: slide templates along the strain, weigh what they find, add up the probabilities.

    The first layer is a matched filter with waveforms that physics gives. For each template and time it passes on the
    S/N of the three detectors. From these a small network, the same for all, finds the logarithm of the odds that a
    wave of this shape arrived at this time; what was learned of how often a template and a time occur is added. The
    odds of a signal are the sum over all templates and times, where a matched filter takes the highest S/N.

    Parameters
    ----------
    templates : int
        How many of the bank.
    hidden : int
        Neurons in the hidden layer.
    """

    def __init__(self, templates=64, hidden=16):
        super().__init__()
        steps = -(-(round(FILTER_RATE * SEARCH[1]) - round(FILTER_RATE * SEARCH[0])) // 2)
        self.register_buffer("templates", whitened_templates(templates), persistent=False)
        self.weights = nn.Parameter(torch.full((3,), 0.35))  # 0.5 if the strength were known: ln odds = S/N^2 / 2
        self.evidence = nn.Sequential(nn.Linear(4, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, 1))
        self.template_prior = nn.Parameter(torch.zeros(templates))
        self.time_prior = nn.Parameter(torch.zeros(steps))
        self.prior = nn.Parameter(torch.tensor(-6.0 - math.log(templates * steps)))  # a signal is somewhere, or nowhere
        nn.init.zeros_(self.evidence[-1].weight)  # so that it starts as a matched filter
        nn.init.zeros_(self.evidence[-1].bias)

    def log_odds(self, white: Float[Tensor, "batch detector sample"]) -> Float[Tensor, "batch template step"]:
        """Logarithm of the odds of a merger for every template and time."""
        with torch.no_grad():  # nothing to learn in there
            power = filtered(white, self.templates)
            loudness = torch.cat([power.sqrt(), power.sum(-1, keepdim=True).sqrt()], -1)
        learned = power @ self.weights + 5 * self.evidence(loudness / 5)[..., 0]
        return learned + self.template_prior[:, None] + self.time_prior + self.prior

    def forward(self, white: Float[Tensor, "batch detector sample"]) -> Float[Tensor, "batch 1"]:
        return torch.logsumexp(self.log_odds(white).flatten(1), 1, keepdim=True)


def detection_loss(output, signal):
    """Cross entropy of the logarithm of odds (n, 1) and the truth (n,), 1 for a signal and 0 for noise."""
    return nn.functional.binary_cross_entropy_with_logits(output[:, 0], signal)
