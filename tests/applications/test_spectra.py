"""Spectra: least residuals, matched filters, colours that keep grey, and twins that must fail."""

import pytest
import torch

from physmix.applications import false_colour, matched_filter, residual, spectral_projection
from physmix.errors import ContradictionError, SamplesError, ShapeError


def scene(bands, seed=0):
    """A field of mixed spectra far from zero, (row, column, band)."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)
    mixed = draw(9, 11, 4) @ draw(4, bands)
    return 50 + 10 * draw(bands) + mixed * torch.logspace(0, -1, bands) + 0.1 * draw(9, 11, bands)


@pytest.mark.parametrize("bands", [3, 5, 20])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_residual_is_the_sum_of_the_other_squared_singular_values(bands, channels):
    cube = scene(bands)
    layer = spectral_projection(cube, channels)
    assert layer.constrained["weight"].contains(layer.weight.detach())
    pixels = cube.flatten(0, 1)
    values = torch.linalg.svdvals(pixels - pixels.mean(0)) ** 2
    least = float(values[channels:].sum())
    assert float(residual(layer, cube)) == pytest.approx(least, rel=1e-9, abs=1e-9 * float(values.sum()))
    torch.testing.assert_close(
        layer(cube).detach().mean((0, 1)), torch.zeros(channels).double(), atol=1e-9, rtol=0
    )
    if channels < bands:
        bare = torch.linalg.svd(pixels, full_matrices=False).Vh[:channels]  # without centring
        layer.weight.data.copy_(bare)
        assert float(residual(layer, cube)) > 1.01 * least


@pytest.mark.parametrize("bands", [3, 5, 20])
def test_a_matched_filter_answers_its_target_alone(bands):
    cube = scene(bands)
    target = 45 + 8 * scene(bands, seed=1)[0, 0] / 50
    layer = matched_filter(cube, target)
    pixels = cube.flatten(0, 1)
    mean, off = pixels.mean(0), target - pixels.mean(0)
    covariance = (pixels - mean).T @ (pixels - mean) / len(pixels)
    quiet = torch.linalg.solve(covariance, off)
    expected = (pixels - mean) @ quiet / (off @ quiet)
    torch.testing.assert_close(layer(pixels)[:, 0].detach(), expected, rtol=1e-8, atol=1e-8)
    assert float(layer(target).detach()) == pytest.approx(1, abs=1e-10)
    simple = (pixels - mean) @ off / (off @ off)  # the twin
    assert float(expected.square().mean()) < 0.9 * float(simple.square().mean())
    heavy = matched_filter(cube, target, loading=1e9)
    torch.testing.assert_close(heavy(pixels)[:, 0].detach(), simple, rtol=1e-5, atol=1e-5)


def test_several_targets_do_not_disturb_each_other():
    cube = scene(6)
    targets = torch.stack([scene(6, seed=1)[0, 0], scene(6, seed=2)[0, 0]])
    layer = matched_filter(cube, targets)
    torch.testing.assert_close(layer(targets).detach(), torch.eye(2).double(), rtol=1e-9, atol=1e-9)


def test_grey_stays_grey():
    cube = scene(7)
    weight = torch.tensor(
        [[0.2, 0.8, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0.5, 0.5]]
    ).double()
    layer = false_colour(cube, cube @ weight.T)
    torch.testing.assert_close(layer.weight.detach(), weight, rtol=1e-7, atol=1e-7)
    other = false_colour(cube, torch.rand(9, 11, 3, generator=torch.Generator().manual_seed(3)))
    for level in (0.0, 1.0, 3e4):
        grey = torch.full((2, 7), level).double()
        torch.testing.assert_close(other(grey).detach(), grey[:, :3])
    shown = other(cube)
    assert cube.min() <= shown.min()
    assert shown.max() <= cube.max()


def test_what_does_not_fit_is_refused():
    cube = scene(4)
    with pytest.raises(ShapeError, match="drop outputs"):
        spectral_projection(cube, 5)
    with pytest.raises(ShapeError, match="spectrum of a target"):
        matched_filter(cube, torch.ones(3))
    with pytest.raises(ContradictionError):
        matched_filter(cube, cube.flatten(0, 1).mean(0))
    with pytest.raises(ShapeError, match="wished colours"):
        false_colour(cube, torch.ones(9, 10, 3))


@pytest.mark.parametrize("bands", [4, 9])
def test_complex_spectra_are_projected_and_filtered(bands):
    generator = torch.Generator().manual_seed(4)
    cube = 3j + torch.randn(5, 7, bands, generator=generator, dtype=torch.complex128)
    cube = cube * torch.logspace(0, -4, bands)
    pixels = cube.flatten(0, 1)
    centred = pixels - pixels.mean(0)
    values = torch.linalg.svdvals(centred) ** 2
    for channels in (1, bands - 1):
        layer = spectral_projection(cube, channels)
        assert float(residual(layer, cube)) == pytest.approx(float(values[channels:].sum()), rel=1e-9)
        assert layer.constrained["weight"].contains(layer.weight.detach())
    target = cube[0, 0]
    found = matched_filter(cube, target)(pixels)[:, 0].detach()
    off = target - pixels.mean(0)
    quiet = torch.linalg.solve(centred.mH @ centred, off.conj())  # w with w^T R w* least, w^T d = 1
    expected = centred @ torch.linalg.solve((centred.mT @ centred.conj()).mT, off.conj()) / (off @ quiet)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7)
    with pytest.raises(SamplesError, match="amplitudes"):
        false_colour(cube, cube.abs()[..., :3])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: spectral_projection(c[0, 0], 1), ShapeError, "a cube"),
        (lambda c: spectral_projection(c[:0], 1), ShapeError, "a cube"),
        (lambda c: spectral_projection(c * torch.nan, 1), SamplesError, "not finite"),
        (lambda c: residual(spectral_projection(c, 2), c[..., :3]), ShapeError, "a cube"),
        (lambda c: matched_filter(c, c), ShapeError, "spectrum of a target"),
        (lambda c: matched_filter(c, c[0, 0] * torch.nan), SamplesError, "a target"),
        (lambda c: false_colour(c, c[..., :0]), ShapeError, "wished colours"),
    ],
)
def test_a_cube_that_is_none_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(scene(4))
