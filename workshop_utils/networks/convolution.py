"""Layers: a convolution that is fast for long kernels, and pooling."""

import torch
from torch import Tensor, nn

from ..shapes import AnyChannels, Channels, Features


class LongConv1d(nn.Conv1d):
    """`torch.nn.Conv1d` with the same parameters and results, computed by Fourier transform where that is faster.

    By the convolution theorem a convolution is a product of Fourier transforms: for each frequency, of the matrix
    (batch, channel) of the signals and the matrix (channel, out) of the kernels. A stride s is s interleaved signals,
    each with its own part of the kernel, so nothing is computed that the stride would throw away.
    """

    GAIN = 100  # taps per tap's worth of Fourier transforms, see `by_fourier`; measured on a CPU

    def forward(self, x: AnyChannels) -> Features:
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


def to_frequency(x: Tensor):
    """Fourier transform of real signals (a, b, time), as matrices (frequency, a, b)."""
    return torch.fft.rfft(x).permute(2, 0, 1).contiguous()


def to_time(waves: Tensor, n: int):
    """The inverse of `to_frequency`: n real samples."""
    return torch.fft.irfft(waves.permute(1, 2, 0), n)


def interleave(x: Tensor, stride: int):
    """Split (a, b, length) into (a, b * stride, length / stride): every stride-th sample becomes a channel."""
    if stride == 1:
        return x
    x = nn.functional.pad(x, (0, -x.shape[-1] % stride))
    return x.unflatten(-1, (-1, stride)).transpose(-1, -2).flatten(1, 2)


def fast_length(n: int):
    """Smallest length >= n whose only prime factors are 2, 3 and 5: the Fourier transform is fast there.

    >>> fast_length(4097)
    4320
    """
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


class PairMax(nn.Module):
    """Pooling: the larger of every two neighbours, as nn.MaxPool1d(2), in a third of its time on a CPU.

    >>> PairMax()(torch.tensor([[[1.0, 3.0, 2.0, 0.0]]]))
    tensor([[[3., 2.]]])
    """

    def forward(self, x: Channels) -> Features:
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
