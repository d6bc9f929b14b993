"""Feature pyramids: their paths, sizes, sets and weights."""

import pytest
import torch
from torch import nn

from physmix.applications import feature_pyramid
from physmix.applications.pyramid import FeaturePyramid, repeat_nearest
from physmix.errors import SettingsError, ShapeError
from physmix.mixing import MixingLayer
from physmix.optimization import projected, violations

CHANNELS = (3, 5, 8)


def levels(grids, generator):
    sizes = zip(CHANNELS, grids, strict=True)
    return [torch.randn(2, channels, *grid, generator=generator).double() for channels, grid in sizes]


@pytest.mark.parametrize(
    "grids",
    [[(16, 16), (8, 8), (4, 4)], [(17, 13), (9, 7), (5, 4)], [(33,), (17,), (9,)]],
    ids=["even", "odd", "1-D"],
)
def test_levels_are_merged_from_coarse_to_fine(grids, generator):
    """Against the formula with plain convolutions, written out."""
    pyramid = feature_pyramid(CHANNELS, 4, dimensions=len(grids[0]), dtype=torch.float64)
    given = levels(grids, generator)
    top = None
    expected = []
    for lateral, smooth, level in reversed(list(zip(pyramid.lateral, pyramid.smooth, given, strict=True))):
        own = lateral.fold(len(grids[0]))(level)
        top = own if top is None else own + repeat_nearest(top, own.shape[2:])
        expected.insert(0, smooth(top))
    for ours, theirs in zip(pyramid(given), expected, strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_mixing_commutes_with_repeating_the_nearest_point(generator):
    coarse = torch.randn(1, 5, 6, 7, generator=generator).double()
    layer = MixingLayer(5, 3, axis=1, dtype=torch.float64, generator=generator)
    spatial = nn.Conv2d(5, 3, 3, padding=1, dtype=torch.float64)
    torch.testing.assert_close(
        repeat_nearest(layer(coarse), (13, 15)), layer(repeat_nearest(coarse, (13, 15)))
    )
    off = repeat_nearest(spatial(coarse), (13, 15)) - spatial(repeat_nearest(coarse, (13, 15)))
    assert off.abs().max() > 0.1  # a kernel with neighbours does not


def test_orthonormal_laterals_stay_so_and_keep_norms_where_there_is_room(generator):
    pyramid = feature_pyramid(CHANNELS, 5, lateral="orthonormal", dtype=torch.float64, generator=generator)
    given = levels([(8, 8), (4, 4), (2, 2)], generator)
    adam = projected(torch.optim.Adam(pyramid.parameters(), lr=0.1), pyramid)
    for _ in range(5):
        adam.zero_grad()
        sum(level.square().mean() for level in pyramid(given)).backward()
        adam.step()
    assert max(violations(pyramid).values()) < 1e-13
    with torch.no_grad():
        for lateral, level in zip(pyramid.lateral, given, strict=True):
            out = (lateral(level) - lateral.bias[:, None, None]).norm(dim=1) / level.norm(dim=1)
            assert (out <= 1 + 1e-12).all()
            if level.shape[1] <= 5:
                assert (out >= 1 - 1e-12).all()


def test_weights_of_torchvision_are_taken_by_their_names(generator):
    pyramid = feature_pyramid(CHANNELS, 4)
    state = {}
    for i, c in enumerate(CHANNELS):
        state |= {
            f"inner_blocks.{i}.0.weight": torch.randn(4, c, 1, 1),
            f"inner_blocks.{i}.0.bias": torch.randn(4),
        }
        state |= {
            f"layer_blocks.{i}.0.weight": torch.randn(4, 4, 3, 3),
            f"layer_blocks.{i}.0.bias": torch.zeros(4),
        }
    pyramid.load_torchvision(state)
    assert torch.equal(pyramid.lateral[1].weight, state["inner_blocks.1.0.weight"][:, :, 0, 0])
    assert torch.equal(pyramid.smooth[2].weight, state["layer_blocks.2.0.weight"])
    with pytest.raises(SettingsError, match="same channels, width"):
        feature_pyramid(CHANNELS[:2], 4).load_torchvision(state)
    with pytest.raises(SettingsError, match="same channels, width"):
        feature_pyramid(CHANNELS, 5).load_torchvision(state)


def test_what_does_not_fit_is_refused():
    with pytest.raises(SettingsError, match="1 to 3 dimensions"):
        feature_pyramid(CHANNELS, 4, dimensions=4)
    with pytest.raises(ShapeError, match="one number for all"):
        FeaturePyramid([MixingLayer(3, 4), MixingLayer(3, 5)], [nn.Identity(), nn.Identity()])
    with pytest.raises(ShapeError, match="levels for a pyramid"):
        feature_pyramid(CHANNELS, 4)([torch.zeros(1, 3, 4, 4)])


@pytest.mark.parametrize(
    ("fine", "coarse"),
    [((2, 3, 9, 7), (3, 5, 4, 3)), ((2, 3, 9, 7), (2, 5, 4)), ((2, 3, 9, 7), (2, 5, 0, 3)), ((3, 9), (5, 9))],
    ids=["batches", "dimensions", "no points", "no batch"],
)
def test_levels_that_do_not_fit_each_other_are_refused(fine, coarse):
    with pytest.raises(ShapeError, match="a level for a pyramid"):
        feature_pyramid([3, 5], 4)([torch.zeros(fine), torch.zeros(coarse)])
