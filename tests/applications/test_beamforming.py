"""Beamformers: batches, gradients, nulls, loading, Frost's steps, and twins that must fail."""

import pytest
import torch

from physmix.applications import (
    TappedBeamformer,
    beamformed,
    beamformer,
    delay_and_sum,
    spatial_covariance,
    steering_vectors,
)
from physmix.constraints import on_inputs
from physmix.errors import SamplesError, SettingsError, ShapeError
from physmix.optimization import Moments, least_power, projected

LINE = torch.tensor([[0.05 * i, 0.0, 0.0] for i in range(4)], dtype=torch.float64)
HERTZ = torch.tensor([400.0, 1000.0, 3000.0]).double()


def source(degrees):
    angle = torch.deg2rad(torch.tensor(degrees).double())
    return torch.stack([angle.cos(), angle.sin(), 0 * angle])


def far(degrees):
    return steering_vectors(LINE, source(degrees), HERTZ, far=True)


@pytest.fixture
def covariance(generator):
    """An interferer at 120 degrees in noise, for two rooms."""
    d = far(120.0)
    noise = torch.tensor([0.01, 0.1]).double()[:, None, None, None] * torch.eye(4)
    return d[:, :, None] * d.conj()[:, None, :] + noise


def test_a_batch_is_the_engine_one_by_one(covariance):
    wanted = far(60.0)
    found = beamformer(covariance, wanted)
    assert found.shape == (2, 3, 1, 4)
    for room in range(2):
        for i in range(3):
            members = on_inputs(wanted[i, :, None], torch.ones(1, 1))
            one = least_power(Moments.from_covariance(covariance[room, i]), members, (1, 4))
            torch.testing.assert_close(found[room, i], one, rtol=1e-8, atol=1e-8)


def test_the_wanted_source_passes_and_the_other_does_not(covariance):
    wanted, other = far(60.0), far(120.0)
    weight = beamformer(covariance, wanted)
    torch.testing.assert_close(weight @ wanted[..., None], torch.ones(2, 3, 1, 1, dtype=weight.dtype))
    left = (weight @ other[..., None]).abs()
    twin = (delay_and_sum(wanted) @ other[..., None]).abs()
    assert (left < 0.2 * twin).all()
    answers = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double()  # both voices, apart
    both = torch.stack([wanted, other], -1)
    apart = beamformer(covariance, both, answers)
    torch.testing.assert_close(apart @ both, answers.expand(2, 3, 2, 2).to(apart.dtype))


def test_it_is_differentiable(covariance):
    root = torch.linalg.cholesky(covariance[0, :2]).requires_grad_()
    d = far(60.0)[:2].requires_grad_()
    assert torch.autograd.gradcheck(lambda r, v: beamformer(r @ r.mH, v, loading=0.1), (root, d))
    both = torch.stack([d.detach(), far(90.0)[:2]], -1).requires_grad_()
    answers = torch.tensor([[1.0, 0.0]]).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda r, v, f: beamformer(r @ r.mH, v, f), (root, both, answers))


def test_loading_keeps_a_target_that_is_steered_at_wrongly():
    true, steered = far(60.0), far(66.0)
    mixture = 100 * true[:, :, None] * true.conj()[:, None, :] + torch.eye(4)
    kept = (beamformer(mixture, steered, loading=1.0) @ true[..., None]).abs()
    lost = (beamformer(mixture, steered, loading=0.0) @ true[..., None]).abs()
    assert kept.min() > 0.7
    assert lost[2] < 0.5  # the twin cancels it
    heavy = beamformer(mixture, steered, loading=1e9)
    torch.testing.assert_close(heavy, delay_and_sum(steered), rtol=1e-6, atol=1e-6)


def test_what_cannot_be_solved_is_refused(covariance):
    d = far(60.0)
    with pytest.raises(SamplesError, match="load the diagonal"):
        beamformer(torch.zeros(3, 4, 4, dtype=torch.complex128), d)
    with pytest.raises(SamplesError, match="load the diagonal"):
        beamformer(-covariance, d)
    with pytest.raises(SettingsError):
        beamformer(covariance, d, loading=-1.0)
    with pytest.raises(ShapeError):
        beamformer(covariance, d[:, :3])
    with pytest.raises(ShapeError):
        beamformer(covariance, d, torch.ones(1, 2).double())
    with pytest.raises(SettingsError, match="at a microphone"):
        steering_vectors(LINE, LINE[1], HERTZ)
    with pytest.raises(ShapeError):
        steering_vectors(LINE, source(60.0)[:2], HERTZ)


def test_a_near_source_is_delayed_by_its_distance_and_a_distant_one_is_far():
    place = LINE.mean(0) + 2000 * source(40.0)
    torch.testing.assert_close(steering_vectors(LINE, place, HERTZ), far(40.0), rtol=1e-3, atol=1e-3)
    wave = far(0.0)[0]  # reaches the microphone at the far end of the line first
    later = torch.angle(wave[0] / wave[3])
    assert later == pytest.approx(-2 * torch.pi * 400 * 0.15 / 343, rel=1e-12)


def test_covariances_of_frames(generator):
    x = torch.randn(5, 4, 3, 50, dtype=torch.complex128, generator=generator)
    found = spatial_covariance(x)
    torch.testing.assert_close(found, torch.einsum("bmft,bnft->bfmn", x, x.conj()) / 50)
    mask = torch.zeros(5, 3, 50).double()
    mask[..., :20] = 2.0
    torch.testing.assert_close(spatial_covariance(x, mask), spatial_covariance(x[..., :20]))
    weight = torch.randn(5, 3, 2, 4, dtype=torch.complex128, generator=generator)
    out = beamformed(weight, x)
    torch.testing.assert_close(out, torch.einsum("bfom,bmft->boft", weight, x))


def test_projected_descent_is_frosts_constrained_lms(generator):
    response = torch.tensor([0.0, 1.0, 0.0]).double()
    array = TappedBeamformer(4, response)
    signals = torch.randn(40, 4, dtype=torch.float64, generator=generator)
    alike = signals[:, :1].expand(-1, 4)
    torch.testing.assert_close(array(alike), signals[1:-1, 0])
    optimizer = projected(torch.optim.SGD(array.parameters(), lr=0.01), array)
    free = torch.full((12,), 0.0).double()
    free[4:8] = 0.25
    c = torch.kron(torch.eye(3), torch.ones(4, 1)).double()
    weight, start = free.clone(), free.clone()
    onto = torch.eye(12).double() - c @ c.T / 4
    for i in range(38):
        optimizer.zero_grad()
        (0.5 * array(signals[i : i + 3]).square().sum()).backward()
        optimizer.step()
        x = signals[i : i + 3].flip(0).flatten()
        weight = onto @ (weight - 0.01 * (weight @ x) * x) + start
        free -= 0.01 * (free @ x) * x  # without the constraint
    torch.testing.assert_close(array.layer.weight.detach()[0], weight, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(array(alike).detach(), signals[1:-1, 0])
    assert (free.view(3, 4).sum(1) - response).abs().max() > 1e-2
    with pytest.raises(ShapeError):
        array(signals[:2])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r, d: beamformer(r, torch.stack([d, 2 * d], -1), ANSWERS), SamplesError, "each other"),
        (lambda r, d: beamformer(r, torch.stack([d] * 5, -1), torch.ones(1, 5)), ShapeError, "conditions"),
        (lambda r, d: beamformer(r, d.expand(5, 3, 4)), ShapeError, "batch of R"),
        (lambda r, d: beamformer(r, d[0, 0]), ShapeError, "conditions"),
        (lambda r, d: beamformer(r, d, loading=float("nan")), SettingsError, "loading=nan"),
        (lambda r, d: spatial_covariance(d), ShapeError, "spectra"),
        (lambda r, d: spatial_covariance(r, torch.ones(2, 4, 5)), ShapeError, "weights of frames"),
        (lambda r, d: spatial_covariance(r, torch.zeros(2, 4, 4)), SamplesError, "all zero"),
        (lambda r, d: spatial_covariance(r, -torch.ones(2, 4, 4)), SamplesError, "negative"),
        (lambda r, d: beamformed(beamformer(r, d), d[:, :, None]), ShapeError, "spectra"),
        (lambda r, d: beamformed(torch.eye(4), d), ShapeError, "spectra"),
        (lambda r, d: steering_vectors(LINE, source(0.0), HERTZ[0]), ShapeError, "frequencies"),
        (lambda r, d: steering_vectors(LINE[:0], source(0.0), HERTZ), ShapeError, "microphones"),
        (lambda r, d: steering_vectors(LINE, source(0.0), HERTZ, speed=-1.0), SettingsError, "speed"),
        (lambda r, d: TappedBeamformer(3, torch.ones(2, 2)), ShapeError, "response"),
        (lambda r, d: TappedBeamformer(0, [0.0, 1.0]), SettingsError, "two or more"),
        (lambda r, d: TappedBeamformer(2, [1.0, 0.0])(torch.ones(2)), ShapeError, "signals"),
    ],
)
def test_what_is_no_array_is_refused(covariance, call, error, message):
    with pytest.raises(error, match=message):
        call(covariance, far(60.0))


ANSWERS = torch.tensor([[1.0, 0.0]]).double()


def test_two_far_sources_are_told_apart_but_at_no_frequency_of_zero(covariance):
    hertz = torch.tensor([0.0, 1000.0, 3000.0]).double()
    both = torch.stack([steering_vectors(LINE, source(a), hertz, far=True) for a in (60.0, 120.0)], -1)
    with pytest.raises(SamplesError, match="0 Hz"):
        beamformer(covariance, both, ANSWERS)
    answers = torch.tensor([[1.0, 1.0]]).double().expand(3, 1, 2)
    with pytest.raises(SamplesError):  # also if the answers agree: the weights are not unique in C
        beamformer(covariance, both, answers)
    found = beamformer(covariance[:, 1:], both[1:], ANSWERS)
    torch.testing.assert_close(found @ both[1:], ANSWERS.expand(2, 2, 1, 2).to(found.dtype))


def test_weights_follow_the_places_of_the_microphones(covariance):
    places = LINE.clone().requires_grad_()
    place = torch.tensor([0.4, 0.9, 0.3]).double().requires_grad_()
    one = covariance[:, :1] + torch.eye(4)
    answer = lambda m, s: beamformer(one, steering_vectors(m, s, HERTZ[:1])).abs()
    assert torch.autograd.gradcheck(answer, (places, place))


def test_weights_of_no_frequency_serve_all(generator):
    heard = torch.randn(2, 4, 3, 5, generator=generator, dtype=torch.complex128)
    one = torch.eye(4, dtype=torch.complex128)[:1]
    torch.testing.assert_close(beamformed(one, heard), heard[:, :1])
