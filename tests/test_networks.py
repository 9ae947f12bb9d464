"""The networks: the long convolution is a convolution, the CNN fits any task, the shift network knows shifts."""

import numpy as np
import pytest
import torch
from torch import nn

from workshop_utils import networks
from workshop_utils.networks import CNN, LongConv1d, PairMax, ShiftNetwork, fast_length, log_redshift_mse
from workshop_utils.spectra import N_PIXELS

SIZES = [(1, 4, 500, 250), (3, 5, 200, 0), (2, 2, 64, 7), (2, 3, 10, 5), (1, 1, 1, 0)]  # channels, out, taps, padding


def same_as_torch(long, shape):
    """Assert that values and gradients are those of nn.Conv1d to 1e-4 (and the layer's own parameters get them)."""
    plain = nn.Conv1d(
        long.in_channels,
        long.out_channels,
        long.kernel_size,
        long.stride,
        long.padding,
        long.dilation,
        long.groups,
        long.bias is not None,
        long.padding_mode,
    )
    plain.load_state_dict(long.state_dict())
    x = torch.randn(shape, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    a, b = long(x), plain(y)
    weight = torch.randn_like(b)
    (a * weight).sum().backward()
    (b * weight).sum().backward()
    pairs = [(a, b), (x.grad, y.grad)]
    pairs += [(p.grad, q.grad) for p, q in zip(long.parameters(), plain.parameters(), strict=True)]
    for ours, theirs in pairs:
        assert ours.shape == theirs.shape
        assert (ours - theirs).norm() <= 1e-4 * theirs.norm()


@pytest.mark.parametrize("stride", [1, 2, 3, 8])
@pytest.mark.parametrize(("channels", "out", "kernel", "padding"), SIZES)
def test_long_convolution_equals_torch(channels, out, kernel, padding, stride):
    torch.manual_seed(0)
    long = LongConv1d(channels, out, kernel, stride, padding)
    long.GAIN = 0  # by Fourier, however small
    assert long.by_fourier(torch.zeros(3, channels, 777))
    same_as_torch(long, (3, channels, 777))


@pytest.mark.parametrize("shape", [(128, 1, N_PIXELS), (128, 16, 289), (1, 16, 289), (0, 16, 289), (16, 289)])
def test_long_convolution_of_the_course_equals_torch(shape):
    """With the way chosen by size, batches of one and none, and a lone spectrum."""
    torch.manual_seed(1)
    layers = CNN().layers
    same_as_torch(layers[0 if 1 in shape[1:] else 4], shape)


@pytest.mark.parametrize(
    "options",
    [
        dict(dilation=2),
        dict(groups=2),
        dict(bias=False),
        dict(padding="same", kernel_size=101),
        dict(padding=40, padding_mode="circular"),
    ],
)
def test_long_convolution_takes_every_option_of_torch(options):
    torch.manual_seed(2)
    long = LongConv1d(4, 6, **{"kernel_size": 100, **options})
    long.GAIN = 0
    same_as_torch(long, (3, 4, 300))


def test_long_convolution_complains_as_torch_does():
    for wrong in (torch.zeros(2, 5, 300), torch.zeros(2, 4, 99)):
        with pytest.raises(RuntimeError) as ours:
            LongConv1d(4, 6, 100)(wrong)
        with pytest.raises(RuntimeError) as theirs:
            nn.Conv1d(4, 6, 100)(wrong)
        assert str(ours.value) == str(theirs.value)


def test_long_convolution_chooses_by_size():
    assert LongConv1d(32, 32, 200).by_fourier(torch.zeros(64, 32, 2059))
    assert not LongConv1d(32, 32, 5).by_fourier(torch.zeros(64, 32, 2059))
    assert not LongConv1d(1, 60, 20).by_fourier(torch.zeros(64, 1, 2059))


def test_long_convolution_without_bias():
    long = LongConv1d(1, 2, 100, bias=False)
    x = torch.randn(1, 1, 300)
    assert torch.allclose(long(x), nn.functional.conv1d(x, long.weight), atol=1e-4)


def test_fast_length():
    assert [fast_length(n) for n in (1, 7, 11, 121, 4097)] == [1, 8, 12, 125, 4320]


@pytest.mark.parametrize("length", [1, 10, 11])
def test_pair_max_equals_max_pool(length):
    x = torch.randn(2, 3, length).relu().requires_grad_()  # with zeros side by side
    y = x.detach().clone().requires_grad_()
    a, b = PairMax()(x), nn.functional.max_pool1d(y, 2) if length > 1 else y[..., :0]
    assert torch.equal(a, b)
    weight = torch.randn_like(a)
    (a * weight).sum().backward()
    (b * weight).sum().backward()
    assert torch.equal(x.grad, y.grad)


@pytest.mark.parametrize(("length", "channels", "outputs"), [(N_PIXELS, 1, 1), (N_PIXELS, 1, 2), (4096, 3, 1)])
def test_cnn_takes_any_length_channels_and_outputs(length, channels, outputs):
    network = CNN(length, channels, outputs)
    assert network(torch.randn(4, channels, length)).shape == (4, outputs)


def test_cnn_has_the_kernels_of_the_paper():
    kernels = [layer.kernel_size[0] for layer in CNN().modules() if isinstance(layer, nn.Conv1d)]
    assert kernels == [500, 200, 10]


def test_he_uniform_start():
    layer = CNN().layers[0]
    bound = np.sqrt(6 / 500)  # He et al. (2015): sqrt(6 / inputs of a neuron)
    assert layer.weight.abs().max() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / np.sqrt(3), rel=0.05)
    assert not layer.bias.any()


def test_log_redshift_mse():
    z = torch.tensor([0.0, 1.0])
    assert log_redshift_mse(torch.log1p(z)[:, None], z) == 0
    assert log_redshift_mse(torch.log1p(z)[:, None] + 0.02, z) == pytest.approx(4e-4, rel=1e-4)


def test_shift_network_scores_are_the_correlation_with_its_templates():
    torch.manual_seed(0)
    network = ShiftNetwork(width=3).eval()
    nn.init.normal_(network.prior)
    x = torch.randn(2, 1, N_PIXELS)
    with torch.no_grad():
        scores = network(x)
        features = network.filters(nn.functional.avg_pool1d(x, network.bin_pixels))
        assert scores.shape == (2, network.shifts) == (2, len(network.z))
        for shift in (0, 1, 777, network.shifts - 1):
            start = network.shifts - 1 - shift
            template = network.templates[:, start : start + network.bins]
            direct = (features * template).sum((1, 2)) + network.prior[shift]
            assert torch.allclose(scores[:, shift], direct, atol=1e-3, rtol=1e-4)


def test_shift_network_loss_is_least_at_the_true_redshift():
    network = ShiftNetwork(width=2)
    z = network.z[[100, 1000, 1500]]
    losses = []
    for offset in (-300, -20, 0, 20, 300):
        scores = torch.full((3, network.shifts), -20.0)
        scores[torch.arange(3), torch.tensor([100, 1000, 1500]) + offset] = 20.0
        losses.append(network.loss(scores, z).item())
    assert min(losses) == losses[2]


def test_redshift_loss_is_least_at_the_truth_and_refuses_what_it_does_not_know():
    z = torch.tensor([0.5, 1.3, 3.0])
    bins = networks.REDSHIFT_BINS
    near = -0.5 * (3e5 / 200 * (torch.log1p(bins) - torch.log1p(z)[:, None])) ** 2
    best = networks.redshift_loss(near, z)
    assert best < networks.redshift_loss(near.roll(1, 1), z) < networks.redshift_loss(near.roll(100, 1), z)
    for wrong in (-0.1, 5.6, float("nan")):
        with pytest.raises(ValueError, match="redshifts run from .* the bins reach from 0 to 5.50"):
            networks.redshift_loss(near, torch.tensor([0.5, 1.0, wrong]))
    with pytest.raises(ValueError, match="2 scores for 1017 bins of redshift; give the network as many outputs"):
        networks.redshift_loss(near[:, :2], z)
