"""The networks: the long convolution is a convolution, the CNN fits any task, the shift network knows shifts."""

import numpy as np
import pytest
import torch
from torch import nn

from workshop_utils.networks import CNN, LongConv1d, PairMax, ShiftNetwork, fast_length, log_redshift_mse
from workshop_utils.spectra import N_PIXELS

SIZES = [(1, 4, 500, 250), (3, 5, 200, 0), (2, 2, 64, 7), (2, 3, 10, 5)]  # channels, out, kernel, padding


@pytest.mark.parametrize("stride", [1, 2, 3, 8])
@pytest.mark.parametrize(("channels", "out", "kernel", "padding"), SIZES)
def test_long_convolution_equals_torch(channels, out, kernel, padding, stride):
    torch.manual_seed(0)
    long = LongConv1d(channels, out, kernel, stride, padding)
    plain = nn.Conv1d(channels, out, kernel, stride, padding)
    plain.load_state_dict(long.state_dict())
    x = torch.randn(3, channels, 777, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    a, b = long(x), plain(y)
    weight = torch.randn_like(b)
    (a * weight).sum().backward()
    (b * weight).sum().backward()
    pairs = [(a, b), (x.grad, y.grad), (long.weight.grad, plain.weight.grad), (long.bias.grad, plain.bias.grad)]
    for ours, theirs in pairs:
        assert ours.shape == theirs.shape
        assert (ours - theirs).norm() <= 1e-4 * theirs.norm()


def test_long_convolution_without_bias():
    long = LongConv1d(1, 2, 100, bias=False)
    x = torch.randn(1, 1, 300)
    assert torch.allclose(long(x), nn.functional.conv1d(x, long.weight), atol=1e-4)


def test_fast_length():
    assert [fast_length(n) for n in (1, 7, 11, 121, 4097)] == [1, 8, 12, 125, 4320]


@pytest.mark.parametrize("length", [10, 11])
def test_pair_max_equals_max_pool(length):
    x = torch.randn(2, 3, length)
    assert torch.equal(PairMax()(x), nn.functional.max_pool1d(x, 2))


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
