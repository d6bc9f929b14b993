"""Fusion: contributions, identities, the best unbiased weights, inside and outside the simplex."""

import pytest
import torch

from physmix.applications import Fusion, Inception, branch_fusion
from physmix.errors import SamplesError, SettingsError, ShapeError
from physmix.mixing import mix
from physmix.optimization import projected


def covariance(count, seed=0, common=0.0):
    root = torch.randn(count, 3 * count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    scale = torch.linspace(0.5, 2.0, count).double()
    shared = common * torch.outer(scale, scale)
    return scale[:, None] * (root @ root.T) / (3 * count) * scale + shared


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_the_best_unbiased_weights(count):
    given = covariance(count)
    solved = torch.linalg.solve(given, torch.ones(count).double())
    torch.testing.assert_close(branch_fusion(given), solved / solved.sum(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_shares_solve_the_quadratic_programme_where_weights_leave_the_simplex(count):
    given = covariance(count, common=20.0)
    free, shares = branch_fusion(given), branch_fusion(given, shares=True)
    assert free.min() < -0.1  # so that the bound matters
    assert shares.min() >= 0
    assert float(shares.sum()) == pytest.approx(1, abs=1e-14)
    # Optimal if the slope is least, and alike, at the shares that are there.
    slope = given @ shares
    level = slope[shares > 0]
    assert float(level.max() - level.min()) < 1e-10 * float(level.max())
    assert bool((slope >= level.min() - 1e-10).all())
    clipped = free.clamp_min(0) / free.clamp_min(0).sum()  # the twin
    power = [float(w @ given @ w) for w in (free, shares, clipped)]
    assert power[0] < power[1] <= power[2] + 1e-12


def test_estimates_without_error_get_all_the_weight():
    singular = torch.diag(torch.tensor([0.0, 1.0, 2.0])).double()
    torch.testing.assert_close(branch_fusion(singular), torch.tensor([1.0, 0.0, 0.0]).double())
    with pytest.raises(SamplesError, match="negative"):
        branch_fusion(-torch.eye(2).double())


@pytest.mark.parametrize("sizes", [(3, 1), (2,), (2, 3, 5)])
@pytest.mark.parametrize("outputs", [1, 3])
def test_early_fusion_is_late_fusion_until_something_bends(sizes, outputs, generator):
    channels = {f"part {i}": size for i, size in enumerate(sizes)}
    fusion = Fusion(channels, outputs, generator=generator)
    parts = {
        name: torch.randn(2, size, 5, 3, generator=generator, dtype=torch.float64)
        for name, size in channels.items()
    }
    early = fusion(parts)
    singly = [mix(part, fusion.part(name), axis=1) for name, part in parts.items()]
    torch.testing.assert_close(early, sum(singly))
    bent = sum(torch.relu(one) for one in singly) - torch.relu(early)
    assert (float(bent.abs().max().detach()) > 0.1) is (len(sizes) > 1)
    same = {name: torch.full_like(part, 0.7) for name, part in parts.items()}
    torch.testing.assert_close(fusion(same), torch.full_like(early, 0.7))


def test_contributions_stay_as_designed_in_training(generator):
    wanted = torch.tensor([[0.5, 0.5], [1.0, 0.0], [-1.0, 2.0]]).double()
    fusion = Fusion({"a": 4, "b": 2}, 3, wanted, axis=-1, generator=generator)
    free = torch.nn.Linear(6, 3, bias=False, dtype=torch.float64)
    x = {
        "a": torch.randn(20, 4, generator=generator).double(),
        "b": torch.randn(20, 2, generator=generator).double(),
    }
    for module in (fusion, free):
        adam = torch.optim.Adam(module.parameters(), lr=0.1)
        optimizer = projected(adam, module) if module is fusion else adam
        for _ in range(20):
            optimizer.zero_grad()
            out = fusion(x) if module is fusion else free(torch.cat([x["a"], x["b"]], -1))
            (out - 1).square().mean().backward()
            optimizer.step()
    sums = torch.stack([fusion.part(name).sum(1) for name in "ab"], 1)
    torch.testing.assert_close(sums.detach(), wanted, rtol=1e-12, atol=1e-12)
    twin = torch.stack([free.weight[:, :4].sum(1), free.weight[:, 4:].sum(1)], 1)
    assert (twin - wanted).abs().max() > 0.1


def test_what_does_not_fit_is_refused():
    with pytest.raises(SettingsError):
        Fusion({}, 1)
    with pytest.raises(ShapeError, match=r"expected \(2, 2\)"):
        Fusion({"a": 1, "b": 2}, 2, torch.ones(3, 2))
    fusion = Fusion({"a": 1, "b": 2}, 2, [0.5, 0.5])
    with pytest.raises(SettingsError, match="no part 'c'"):
        fusion.part("c")
    with pytest.raises(SettingsError, match="give a, b"):
        fusion({"a": torch.zeros(1, 1, 2, 2)})
    with pytest.raises(ShapeError, match="the part b"):
        fusion({"a": torch.zeros(1, 1, 2).double(), "b": torch.zeros(1, 3, 2).double()})


def test_inception_concatenates_its_branches():
    module = Inception(6, 4, ((3, 5, 3), (2, 7, 5)), 1)
    images = torch.rand(2, 6, 5, 9)
    out = module(images)
    assert out.shape == (2, 17, 5, 9)
    direct = torch.nn.functional.conv2d(images, module.direct.weight[:, :, None, None], module.direct.bias)
    torch.testing.assert_close(out[:, :4], torch.relu(direct))


@pytest.mark.parametrize("count", [2, 3, 50])
@pytest.mark.parametrize("variance", [0.0, 1e-13, 0.3])
def test_estimates_whose_errors_are_the_same_are_averaged(count, variance):
    same = torch.full((count, count), variance, dtype=torch.float64)
    torch.testing.assert_close(branch_fusion(same), torch.full((count,), 1 / count, dtype=torch.float64))
    shares = branch_fusion(same, shares=True)
    assert float(shares.min()) >= 0
    assert float(shares.sum()) == pytest.approx(1, abs=1e-12)


def test_parts_on_different_grids_and_covariances_that_are_none_are_refused():
    fusion = Fusion({"a": 1, "b": 2}, 2)
    image = torch.ones(1, 1, 4, 4).double()
    with pytest.raises(ShapeError, match="the part b"):
        fusion({"a": image, "b": torch.ones(1, 2, 4, 5).double()})
    with pytest.raises(ShapeError, match="the part a"):
        fusion({"a": torch.ones(1).double(), "b": torch.ones(1).double()})
    with pytest.raises(ShapeError, match="a covariance"):
        branch_fusion(torch.zeros(0, 0))
    for shares in (False, True):
        with pytest.raises(SamplesError, match="complex"):
            branch_fusion(torch.eye(2, dtype=torch.complex128), shares=shares)
    with pytest.raises(SettingsError, match="odd size"):
        Inception(3, 4, ((2, 5, 2),), 7)
