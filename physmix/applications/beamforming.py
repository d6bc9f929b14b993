"""Microphone arrays: one complex 1x1 layer for each frequency, or one real one on delayed copies.

A beamformer y = W x answers a source with steering vector d by W d. Among all W with wished answers,
W C = F, it lets through the least power of everything else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from physmix.constraints import on_inputs
from physmix.errors import SamplesError, SettingsError, ShapeError
from physmix.mixing import MixingLayer
from physmix.optimization import least_power_batched

SOUND = 343.0
"""The speed of sound in air, m/s."""


def steering_vectors(
    microphones: Tensor, source: Tensor, frequencies: Tensor, *, speed: float = SOUND, far: bool = False
) -> Tensor:
    """What each microphone hears of a source in free space, over what the middle of the array hears.

    Args:
        microphones: places, (microphone, 3), in m.
        source: its place, (3,), in m; or if it is far the direction towards it, of any length.
        frequencies: (frequency,), in Hz.
        speed: of sound, in m/s.
        far: whether waves are plane.

    Returns:
        d, (frequency, microphone), complex.

    Raises:
        ShapeError: if places do not have the same number of coordinates.
        SettingsError: if a source is at a microphone, or has no direction; or for such a speed.
    """
    if microphones.ndim != 2 or not len(microphones):
        raise ShapeError("the places of microphones", microphones.shape, "(microphones, 3), one or more")
    if source.shape != microphones.shape[1:]:
        raise ShapeError("the place of a source", source.shape, f"({microphones.shape[1]},)")
    if frequencies.ndim != 1:
        raise ShapeError("the frequencies of an array", frequencies.shape, "(frequencies,)")
    if not 0 < speed < math.inf:
        raise SettingsError("steering vectors", f"speed={speed}", "give that of sound, in m/s")
    if not microphones.is_floating_point():
        microphones = microphones.double()
    centre = microphones.mean(0)
    if far:
        towards = source / torch.linalg.vector_norm(source)
        delays, gains = -((microphones - centre) @ towards) / speed, torch.ones_like(microphones[:, 0])
    else:
        distance = torch.linalg.vector_norm(microphones - source, dim=1)
        middle = torch.linalg.vector_norm(centre - source)
        delays, gains = (distance - middle) / speed, middle / distance
    if not bool((delays.isfinite() & gains.isfinite() & (gains > 0)).all()):
        raise SettingsError(
            "a source", "it is at a microphone, in their middle, or has no direction", "move it"
        )
    phase = -2 * math.pi * frequencies[:, None] * delays
    return torch.polar(gains.expand_as(phase), phase)


def delay_and_sum(steering: Tensor) -> Tensor:
    """The beamformer that aligns a source and adds up, W = d^H / (d^H d): best in white noise.

    Args:
        steering: d, (*batch, microphone).

    Returns:
        W, (*batch, 1, microphone).
    """
    power = steering.abs().square().sum(-1, keepdim=True)
    return (steering.conj() / power)[..., None, :]


def beamformer(
    covariance: Tensor, steering: Tensor, answers: Tensor | None = None, *, loading: float = 0.0
) -> Tensor:
    """The beamformer of least power with given answers (LCMV; with one source answered by 1, MVDR).

    The covariance is best that of what is to be suppressed. From the mixture, a target that is
    steered at slightly wrongly is suppressed as well, the more so the stronger it is: load the
    diagonal (Cox, Zeskind and Owen, "Robust adaptive beamforming", 1987), with 0.01 to 1. It is
    differentiable in all its arguments, for any batch, such as (frequency,) or (room, frequency).

    Args:
        covariance: R = E[x x^H], (*batch, microphone, microphone).
        steering: d of the wanted source, (*batch, microphone), which is answered by 1; or with `answers`
            those of several, (*batch, microphone, source).
        answers: F, the gain for each source, (*batch, output, source), such as 0 for a null.
        loading: added to the diagonal, over the mean power of a microphone.

    Returns:
        W, (*batch, output, microphone); the output is W x.

    Raises:
        ShapeError: if the shapes do not fit, or more sources are given than microphones can tell apart.
        SettingsError: if the loading is negative or not finite.
        SamplesError: if a covariance is not positive definite; loading helps. Or if two sources look
            alike to the array but are to be answered otherwise, as far ones do at 0 Hz.
    """
    if not 0 <= loading < math.inf:
        raise SettingsError("a beamformer", f"loading={loading}", "give 0 or more")
    sources = steering[..., None] if answers is None else steering
    if loading:
        power = covariance.diagonal(dim1=-2, dim2=-1).real.mean(-1)
        eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
        covariance = covariance + loading * power[..., None, None] * eye
    wanted = sources.new_ones(1, 1) if answers is None else answers
    return least_power_batched(covariance, sources, wanted)


def spatial_covariance(spectra: Tensor, weight: Tensor | None = None) -> Tensor:
    """R = E[x x^H] at each frequency, in the square of the unit of x.

    Args:
        spectra: x, (*batch, microphone, frequency, frame), as torch.stft gives it.
        weight: of each frame and frequency, (*batch, frequency, frame), such as a mask.

    Returns:
        R, (*batch, frequency, microphone, microphone).

    Raises:
        ShapeError: if there are no frames, or the weights are those of others.
        SamplesError: if weights are negative, or zero at all frames of a frequency.
    """
    if spectra.ndim < 3 or not spectra.shape[-1]:
        raise ShapeError("the spectra of an array", spectra.shape, "(..., microphone, frequency, frames)")
    x = spectra.movedim(-3, -2)
    if weight is None:
        return x @ x.mH / x.shape[-1]
    expected = (*spectra.shape[:-3], *spectra.shape[-2:])
    if weight.shape not in (expected, expected[-2:]):
        raise ShapeError("the weights of frames", weight.shape, f"{expected}")
    total = weight.sum(-1)[..., None, None]
    if not bool((weight >= 0).all() and (total > 0).all()):
        problem = "weights of frames are negative, or all zero at a frequency"
        raise SamplesError("a covariance", problem, "give 0 or more, and some above")
    return (x * weight[..., None, :]) @ x.mH / total


def beamformed(weight: Tensor, spectra: Tensor) -> Tensor:
    """Apply weights (*batch, frequency, output, microphone) to (*batch, microphone, frequency, frame).

    Weights (output, microphone) serve all frequencies alike.

    Returns:
        y = W x, (*batch, output, frequency, frame), in the unit of x.

    Raises:
        ShapeError: if the microphones or the frequencies differ.
    """
    given = spectra.shape[-3:-1] if spectra.ndim > 2 else (0, 0)
    frequencies = weight.shape[-3] if weight.ndim > 2 and weight.shape[-3] > 1 else given[1]
    if given != (weight.shape[-1], frequencies):
        expected = f"(..., microphone, frequency, frame), for weights {tuple(weight.shape)}"
        raise ShapeError("the spectra of an array", spectra.shape, expected)
    return (weight @ spectra.movedim(-3, -2)).movedim(-2, -3)


class TappedBeamformer(nn.Module):
    """Frost's beamformer: aligned microphones with a line of delays each, as one real mixing layer.

    A signal that reaches all microphones alike leaves it filtered by `response`: the weights of each
    tap sum to that number, W C = F. Trained on the power of its output by plain gradient descent
    through `physmix.projected`, its steps are those of Frost's constrained LMS (1972, equation 12).

    Args:
        microphones: how many.
        response: f, (tap,), such as (0, 1, 0) for a pure delay by one sample.
        dtype: of the weights.

    Raises:
        ShapeError: if the response is not a list of numbers, one or more.
        SettingsError, NoFreedomError: if there are not two microphones or more.

    Attributes:
        layer: the mixing layer; its weight is (1, tap * microphones), tap after tap.
    """

    def __init__(
        self, microphones: int, response: Tensor | Sequence[float], *, dtype: torch.dtype = torch.float64
    ) -> None:
        super().__init__()
        response = torch.as_tensor(response, dtype=torch.float64)
        if response.ndim != 1 or not len(response):
            raise ShapeError("the response of a beamformer", response.shape, "(taps,), one or more")
        if microphones < 1:
            raise SettingsError("a beamformer", f"microphones={microphones}", "give two or more")
        self.taps, self.microphones = len(response), microphones
        ones = torch.ones(microphones, 1, dtype=torch.float64)
        sums = torch.kron(torch.eye(self.taps, dtype=torch.float64), ones)
        members = on_inputs(sums, response[None])
        self.layer = MixingLayer(self.taps * microphones, 1, members, bias=False, dtype=dtype)
        with torch.no_grad():  # delay and sum, the member of least norm
            self.layer.weight.copy_(members.origin())

    def stack(self, signals: Tensor) -> Tensor:
        """The delayed copies, (..., time - taps + 1, taps * microphones), the latest first.

        Args:
            signals: (..., time, microphone).

        Raises:
            ShapeError: if they are shorter than the line of delays, or of other microphones.
        """
        short = signals.ndim < 2 or signals.shape[-2] < self.taps
        if short or signals.shape[-1] != self.microphones:
            expected = f"(..., {self.taps} or more times, {self.microphones})"
            raise ShapeError("the signals of a beamformer", signals.shape, expected)
        return signals.unfold(-2, self.taps, 1).flip(-1).mT.flatten(-2)

    def forward(self, signals: Tensor) -> Tensor:
        """The output, (..., time - taps + 1), for signals (..., time, microphone)."""
        out: Tensor = self.layer(self.stack(signals))
        return out[..., 0]
