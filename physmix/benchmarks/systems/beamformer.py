"""A microphone array in a simulated room: a voice, and another one that is not wanted."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from physmix.applications import (
    TappedBeamformer,
    beamformed,
    beamformer,
    delay_and_sum,
    spatial_covariance,
    steering_vectors,
)
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.systems.acoustics import FRAME, RATE, room, spectra
from physmix.benchmarks.systems.beam_patterns import beam_patterns
from physmix.benchmarks.systems.optima import Quadratic, optima
from physmix.benchmarks.systems.shown import Shown
from physmix.constraints import on_inputs
from physmix.optimization import Moments, least_power, projected

RATIO = "signal to interference"
_CHOSEN = 1250 * FRAME // RATE  # the frequency that is looked at by itself


def demonstrate(
    *, microphones: int = 8, absorption: float = 0.5, noise: float = 0.02, seed: int = 0, steps: int = 1000
) -> Shown:
    """Beamformers on a wanted voice beside another one, in a room with echoes.

    The covariance is that of the first two seconds, in which the wanted voice is silent; figures are
    of the rest.

    Args:
        microphones: of the array, 5 cm apart.
        absorption: of energy at each wall.
        noise: of each microphone, over what it hears of the wanted voice.
        seed: of voices and noise.
        steps: of the projected optimisers.
    """
    place = room(microphones, absorption, seed)
    hiss = torch.randn(
        place.heard.shape[1:], generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    both = spectra(place.heard)
    hum = noise * float(place.heard[0].std()) * spectra(hiss)
    frames = 2 * RATE // (FRAME // 2)
    frequencies = torch.arange(FRAME // 2 + 1, dtype=torch.float64) * RATE / FRAME
    steering = steering_vectors(place.microphones, place.wanted, frequencies)
    unwanted = spatial_covariance((both[1] + hum)[..., :frames])
    mixture = spatial_covariance((both.sum(0) + hum)[..., frames:])
    aside = steering_vectors(place.microphones, place.wanted + torch.tensor([0.3, 0.0, 0.0]), frequencies)
    null = steering_vectors(place.microphones, place.other, frequencies)
    answers = torch.tensor([[1.0, 0.0]], dtype=torch.float64)

    def ratio(weight: Tensor) -> float:
        wanted, other = (
            float(beamformed(weight, part[..., frames:]).abs().square().sum()) for part in (both[0], both[1])
        )
        return 10 * float(np.log10(wanted / other))

    first = torch.zeros(1, microphones, dtype=torch.complex128)
    first[0, 0] = 1
    sum_weight = delay_and_sum(steering)
    best = beamformer(unwanted, steering, loading=1e-3)
    of_peer = torch.from_numpy(np.asarray(place.array.weights)).mT.conj()[:, None]
    case = f"{microphones} microphones, two voices"
    gained = ratio(best) - ratio(sum_weight)
    rows = [
        ours(case, RATIO, ratio(best), "dB"),
        ours(case, f"{RATIO}, over delay and sum", gained, "dB", target=">= 4"),
        ours(
            case,
            RATIO,
            ratio(beamformer(unwanted, torch.stack([steering, null], -1), answers, loading=1e-3)),
            "dB",
            system="physmix, null at the other voice",
        ),
        peer(case, "one microphone", RATIO, ratio(first), "dB"),
        peer(case, "delay and sum", RATIO, ratio(sum_weight), "dB"),
        peer(case, "delay and sum of pyroomacoustics", RATIO, ratio(of_peer), "dB"),
        peer(case, "formula of torchaudio's MVDR", RATIO, ratio(_mvdr(unwanted, steering, 1e-3)), "dB"),
    ]
    steered = "steered 30 cm aside, from the mixture"
    for loading in (1e-6, 1.0):
        weight = beamformer(mixture, aside, loading=loading)
        loaded = ours if loading == 1.0 else peer
        rows.append(
            loaded(steered, system=f"loading {loading:g}", metric=RATIO, value=ratio(weight), unit="dB")
        )
    rows += [*_closed_forms(unwanted, steering), *_frost(place.heard, seed)]
    rows += _optima(unwanted, steering, steps)
    weights = {"least power": best, "delay and sum": sum_weight}
    return Shown(rows, beam_patterns(place, frequencies, weights, _CHOSEN))


def _mvdr(covariance: Tensor, steering: Tensor, loading: float = 0.0) -> Tensor:
    """As torchaudio.functional.mvdr_weights_rtf computes it, with the formula of its diagonal loading."""
    if loading:
        trace = covariance.diagonal(dim1=-2, dim2=-1).real.mean(-1)
        eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype)
        covariance = covariance + loading * trace[..., None, None] * eye
    numerator = torch.linalg.solve(covariance, steering[..., None]).squeeze(-1)
    denominator = torch.einsum("...d,...d->...", steering.conj(), numerator)
    return (numerator / (denominator.real[..., None] + 1e-30)).conj()[..., None, :]


def _closed_forms(covariance: Tensor, steering: Tensor) -> list[Row]:
    """Accuracy, gradient and speed of a batch, beside formulae and one problem at a time."""
    case = f"batch of {len(steering)} frequencies"
    trace = covariance.diagonal(dim1=-2, dim2=-1).real.mean(-1)[:, None, None]
    loaded = covariance + 1e-3 * trace * torch.eye(covariance.shape[-1])
    found, theirs = beamformer(loaded, steering), _mvdr(loaded, steering)
    singly = torch.stack(
        [
            least_power(Moments.from_covariance(one), on_inputs(d[:, None], d.new_ones(1, 1)), (1, len(d)))
            for one, d in zip(loaded, steering, strict=True)
        ]
    )
    excess = float(((_power(found, loaded) - _power(singly, loaded)) / _power(singly, loaded)).abs().max())
    few = slice(20, 23)
    variable = loaded[few].clone().requires_grad_()
    exact = torch.autograd.gradcheck(
        lambda r: _power(beamformer((r + r.mH) / 2, steering[few]), loaded[few] / trace[few]),
        (variable / trace[few]).detach().requires_grad_(),
        raise_exception=False,
    )
    calls: list[Callable[[], Tensor]] = [
        lambda: beamformer(loaded, steering),
        lambda: _mvdr(loaded, steering),
    ]
    mine, other = _seconds(calls)
    return [
        ours(case, "off the formula of torchaudio", float((found - theirs).abs().max()), target="<= 1e-9"),
        ours(case, "excess power over the engine's closed form", excess, target="<= 1e-9"),
        ours(case, "answer to the wanted source, off 1", _answered(found, steering), target="<= 1e-13"),
        peer(
            case,
            "formula of torchaudio's MVDR",
            "answer to the wanted source, off 1",
            _answered(theirs, steering),
        ),
        ours(case, "gradients as finite differences have them", float(exact), target=">= 1"),
        ours(case, "microseconds", 1e6 * mine),
        peer(case, "formula of torchaudio's MVDR", "microseconds", 1e6 * other),
        ours(case, "time over that of the formula", mine / other, target="<= 1.05"),
    ]


def _answered(weight: Tensor, steering: Tensor) -> float:
    return float(((weight @ steering[..., None]) - 1).abs().max())


def _power(weight: Tensor, covariance: Tensor) -> Tensor:
    return (weight @ covariance @ weight.mH).real.flatten()


def _seconds(calls: list[Callable[[], Tensor]], rounds: int = 200) -> list[float]:
    """The least time of each call, in turn, so that a busy machine is unfair to none."""
    least = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            begin = time.perf_counter()
            call()
            least[i] = min(least[i], time.perf_counter() - begin)
    return least


def _frost(heard: Tensor, seed: int) -> list[Row]:
    """Frost's constrained LMS, written out as in 1972, and the projected SGD of one mixing layer."""
    signals = heard[1].mT[4000:5000] / heard[1].std()
    response = torch.zeros(5, dtype=torch.float64)
    response[2] = 1
    array = TappedBeamformer(heard.shape[1], response)
    rate = 1e-3
    optimizer = projected(torch.optim.SGD(array.parameters(), lr=rate), array)
    c = torch.kron(torch.eye(5).double(), torch.ones(heard.shape[1], 1).double())
    onto = torch.eye(len(c)).double() - c @ torch.linalg.inv(c.mT @ c) @ c.mT
    quiescent = c @ torch.linalg.inv(c.mT @ c) @ response
    weight = quiescent.clone()
    order = torch.randperm(len(signals) - 4, generator=torch.Generator().manual_seed(seed))[:500]
    for start in order.tolist():
        window = signals[start : start + 5]
        optimizer.zero_grad()
        (0.5 * array(window).square().sum()).backward()
        optimizer.step()
        x = window.flip(0).flatten()
        weight = onto @ (weight - rate * (weight @ x) * x) + quiescent
    off = float((array.layer.weight.detach()[0] - weight).abs().max())
    return [ours("Frost's constrained LMS, 500 steps", "iterate off the formula", off, target="<= 1e-12")]


def _optima(covariance: Tensor, steering: Tensor, steps: int) -> list[Row]:
    """One frequency by every road, in coordinates in which what is heard is white: V = W T^T."""
    moments = Moments.from_covariance(covariance[_CHOSEN]).load(1e-3)
    root, d = moments.design, steering[_CHOSEN][:, None]
    best = least_power(moments, on_inputs(d, d.new_ones(1, 1)), (1, len(d)))
    members = on_inputs(torch.linalg.solve(root.mT, d), d.new_ones(1, 1))
    eye = torch.eye(len(d), dtype=torch.complex128)
    case = f"1250 Hz, condition {moments.condition:.0f}, whitened"
    return optima(
        case, lambda: Quadratic(members, eye, eye.new_zeros(len(d), 1)), best @ root.mT, steps=steps
    )
