"""Gates and attention: bounds, the simplex, and what depends on the input."""

import pytest
import torch
from torch import nn

from physmix.applications import (
    ChannelAttention,
    SqueezeExcite,
    channel_attention,
    fixed_attention,
    squeeze_excite,
)
from physmix.constraints import Simplex
from physmix.errors import SettingsError, ShapeError
from physmix.mixing import MixingLayer
from physmix.optimization import projected, violations

SIZES = [(16, 4, (12, 10)), (3, 1, (7, 5)), (5, 2, (9,)), (48, 16, (3, 4, 5))]


@pytest.mark.parametrize(("channels", "reduction", "grid"), SIZES)
def test_the_excitation_is_two_1x1_convolutions_on_the_pooled_tensor(channels, reduction, grid, generator):
    block = squeeze_excite(channels, reduction, dtype=torch.float64, generator=generator)
    images = torch.randn(2, channels, *grid, generator=generator).double()
    pooled = images.flatten(2).mean(2)[:, :, None]
    gates = block.expand.fold(1)(block.reduce.fold(1)(pooled).relu()).sigmoid()
    expected = images * gates.reshape(2, channels, *(1,) * len(grid))
    torch.testing.assert_close(block(images), expected, rtol=1e-13, atol=1e-13)
    assert ((block.gates(images) > 0) & (block.gates(images) < 1)).all()


def test_the_weights_of_a_resnet_50_are_counted():
    with torch.device("meta"):
        stages = {256: 3, 512: 4, 1024: 6, 2048: 3}
        blocks = [squeeze_excite(width, bias=False) for width, count in stages.items() for _ in range(count)]
    assert sum(p.numel() for block in blocks for p in block.parameters()) == 2_514_944


def test_excitations_that_leave_nothing_are_refused():
    with pytest.raises(SettingsError, match="reduction of 1 to 8"):
        squeeze_excite(8, 16)
    with pytest.raises(ShapeError, match="transpose"):
        SqueezeExcite(MixingLayer(8, 2), MixingLayer(3, 8))


@pytest.mark.parametrize(
    ("channels", "outputs", "grid"), [(12, None, (6, 7)), (3, 5, (9,)), (5, 2, (2, 3, 3))]
)
def test_attention_is_that_of_torch_with_rows_on_the_simplex(channels, outputs, grid, generator):
    layer = channel_attention(channels, outputs, dtype=torch.float64, generator=generator)
    images = torch.randn(2, channels, *grid, generator=generator).double()
    flat = images.flatten(2)
    query, key, value = (part.weight @ flat for part in (layer.query, layer.key, layer.value))
    expected = nn.functional.scaled_dot_product_attention(query, key, value).unflatten(2, grid)
    torch.testing.assert_close(layer(images), expected, rtol=1e-12, atol=1e-12)
    assert Simplex().contains(layer.weights(images))


def test_without_a_query_all_channels_share_evenly(generator):
    layer = channel_attention(5, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        layer.query.weight.zero_()
    shares = layer.weights(torch.randn(1, 5, 8, generator=generator).double())
    torch.testing.assert_close(shares, torch.full_like(shares, 0.2))


def test_superposition_holds_for_a_fixed_mixture_alone(generator):
    first, second = torch.randn(2, 1, 6, 5, 5, generator=generator).double()

    def defect(layer):
        both = layer(first + second)
        return (both - layer(first) - layer(second)).norm() / both.norm()

    fixed = fixed_attention(6, 4, dtype=torch.float64, generator=generator)
    assert defect(fixed) < 1e-13
    assert defect(channel_attention(6, dtype=torch.float64, generator=generator)) > 0.1
    assert defect(squeeze_excite(6, 2, dtype=torch.float64, generator=generator)) > 1e-3


def test_a_fixed_mixture_learns_on_the_simplex(generator):
    """It finds shares that are known, where step-then-project of the free twin is not on the simplex."""
    true = Simplex().sample(3, 4, generator=generator, dtype=torch.float64)
    x = torch.randn(1, 4, 50, generator=generator).double()
    layer = fixed_attention(4, 3, dtype=torch.float64, generator=generator)
    adam = projected(torch.optim.Adam(layer.parameters(), lr=0.05), layer)
    for step in range(300):
        adam.param_groups[0]["lr"] = 0.05 * 0.97**step
        adam.zero_grad()
        (layer(x) - true @ x).square().sum().backward()
        adam.step()
    assert (layer.weight - true).abs().max() < 1e-3
    assert max(violations(layer).values()) < 1e-15
    free = MixingLayer(4, 3, bias=False, axis=1, dtype=torch.float64, generator=generator)
    assert Simplex().violation(free.weight) > 0.1


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="values of an attention"):
        ChannelAttention(MixingLayer(4, 4), MixingLayer(4, 4), MixingLayer(4, 3))
    with pytest.raises(ShapeError, match="queries of an attention"):
        ChannelAttention(MixingLayer(3, 4), MixingLayer(4, 4), MixingLayer(4, 4))


def test_images_without_points_are_refused():
    empty = torch.zeros(2, 4, 0, 3)
    with pytest.raises(ShapeError, match="an excitation"):
        squeeze_excite(4, 2)(empty)
    for images in (empty, torch.zeros(2, 4)):
        with pytest.raises(ShapeError, match="an attention"):
            channel_attention(4)(images)
