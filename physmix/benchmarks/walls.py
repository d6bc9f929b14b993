"""Boundary values beside the law: a driven cavity, and a channel with a cylinder off its axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from physmix.benchmarks.library import System, system
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.violation import OVER, over_bound, train
from physmix.checking import judge_model
from physmix.jets import Function, ball, blend, box, coordinates, union
from physmix.mixing import Lifting, PotentialModel, Wall, force_channels, pointwise_network, stream

ERROR, TRACTION, DRAG = "wall error", "traction at the wall", "drag of the steady tensor"
STEPS = 200
FLOW = system({"volume": "div(u) = 0"}, "xy", vectors="u")
STEADY = system({"mass": "div(m) = 0", "momentum": "div(s) = 0"}, "xy", vectors="m", tensors="s")
VELOCITY, MOMENTUM, STRESS = ("ux", "uy"), ("mx", "my"), ("sxx", "sxy", "syy")
CENTRE, RADIUS = (1.0, 0.45), 0.15
_X, _Y = coordinates("xy")
_SQUARE = box({_X: (0, 1), _Y: (0, 1)})
_LID = 16 * _X**2 * (1 - _X) ** 2 * (_Y - 1) * _Y**2  # ux = 16 x^2 (1 - x)^2 on y = 1
_CYLINDER = ball((_X, _Y), CENTRE, RADIUS)
_STRAIGHT = box({_X: (0, None), _Y: (0, 1)})  # inlet and channel, open at the end
_AROUND: list[tuple[Function, Function | float]] = [
    (_STRAIGHT, 2 * _Y**2 - 4 / 3 * _Y**3),
    (_CYLINDER, 0.0),
]  # of ux = 4 y (1 - y)
_UNIT = torch.linspace(0, 1, 101, dtype=torch.float64)
_ARC = torch.linspace(0, 2 * math.pi, 257, dtype=torch.float64)[:-1]
_NORMAL = torch.stack([_ARC.cos(), _ARC.sin()], 1)
_DOWNSTREAM = {"x": (1.4, 3.0), "y": (0.0, 1.0)}


def cavity_case(case: str) -> list[Row]:
    """No slip on three sides and a lid that moves, with a free pressure; a twin without walls leaks."""
    sides = torch.cat([_places(0.0, _UNIT), _places(1.0, _UNIT), _places(_UNIT, 0.0)])
    lid = _places(_UNIT, 1.0)
    moving = torch.stack([16 * _UNIT**2 * (1 - _UNIT) ** 2, 0 * _UNIT], 1)
    points, given = torch.cat([sides, lid]), torch.cat([torch.zeros_like(sides), moving])
    inside = torch.rand(96, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    down = torch.tensor([[0.0, 1.0]], dtype=torch.float64).expand(len(_UNIT), 2)
    rows = []
    for walls in ([Wall(_SQUARE, VELOCITY)], []):
        model = _model(FLOW, [*VELOCITY, "p"], 1, walls, [stream(_LID, VELOCITY)])
        train(model, STEPS, inside)
        error = _off(model(points)[:, :2], given)
        if not walls:
            rows.append(peer(case, "without the powers of the distance", ERROR, error))
            continue
        rows = [
            ours(case, ERROR, error),
            ours(case, OVER, _violation(model, FLOW, {"x": (0.0, 1.0), "y": (0.0, 1.0)})),
            ours(case, TRACTION, _viscous(model, _places(_UNIT, 0.0), down)),
        ]
    return rows


def channel_case(case: str) -> list[Row]:
    """A parabolic inflow around the cylinder, with a learnt flux below it."""
    flux = blend([(_STRAIGHT, 0.0), (_CYLINDER, 1.0)], 2)
    liftings = [stream(blend(_AROUND, 2), VELOCITY), stream(flux, VELOCITY, amount=0.3, trainable=True)]
    model = _model(FLOW, VELOCITY, 1, [Wall(union(_STRAIGHT, _CYLINDER), VELOCITY)], liftings)
    train(model, STEPS, _outside())
    return [
        ours(case, ERROR, _channel_error(model)),
        ours(case, OVER, _violation(model, FLOW, _DOWNSTREAM)),
        ours(case, TRACTION, _viscous(model, _circle(RADIUS), _NORMAL)),
    ]


def tensor_case(case: str) -> list[Row]:
    """Mass and momentum of a steady flow: stress on the cylinder, and the force that it sums to."""
    liftings = [
        stream(_X * blend(_AROUND, 3), MOMENTUM, order=2),
        *force_channels((_X, _Y), CENTRE, STRESS),
    ]
    walls = [Wall(union(_STRAIGHT, _CYLINDER), MOMENTUM)]
    model = _model(STEADY, [*MOMENTUM, *STRESS], 2, walls, liftings)
    train(model, STEPS, _outside())
    drag, around = (_force(model, radius) for radius in (RADIUS, 2 * RADIUS))
    with torch.no_grad():
        for amount in list(model.network.amounts)[1:]:  # type: ignore[arg-type]
            amount.zero_()
    return [
        ours(case, ERROR, _channel_error(model)),
        ours(case, OVER, _violation(model, STEADY, _DOWNSTREAM)),
        ours(case, TRACTION, float(_traction(model, RADIUS).abs().max())),
        ours(case, DRAG, float(drag[0].abs())),
        ours(case, "force through two loops, apart", _off(drag, around)),
        peer(case, "without force channels", DRAG, float(_force(model, RADIUS)[0].abs())),
    ]


def _model(
    laws: System, fields: Sequence[str], order: int, walls: Sequence[Wall], liftings: Sequence[Lifting]
) -> PotentialModel:
    generator = torch.Generator().manual_seed(0)
    return PotentialModel(
        pointwise_network(2, [16, 16], 8, slope=1.5, generator=generator),
        laws.laws,
        fields,
        coordinates="xy",
        potentials=8,
        order=order,
        generator=generator,
        walls=walls,
        liftings=liftings,
    )


def _places(x: float | Tensor, y: float | Tensor) -> Tensor:
    both = torch.broadcast_tensors(*(torch.as_tensor(v, dtype=torch.float64) for v in (x, y)))
    return torch.stack(both, 1)


def _circle(radius: float) -> Tensor:
    return torch.tensor(CENTRE, dtype=torch.float64) + radius * _NORMAL


def _outside() -> Tensor:
    """Points of the channel that are not in the cylinder."""
    points = torch.rand(128, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    points = points * torch.tensor([3.0, 1.0], dtype=torch.float64)
    return points[torch.linalg.vector_norm(points - torch.tensor(CENTRE).double(), dim=1) > RADIUS + 0.02]


def _off(found: Tensor, given: Tensor) -> float:
    return float((found - given).detach().abs().max())


def _channel_error(model: PotentialModel) -> float:
    at_rest = torch.cat([_circle(RADIUS), _places(3 * _UNIT, 0.0), _places(3 * _UNIT, 1.0)])
    entering = torch.stack([4 * _UNIT * (1 - _UNIT), 0 * _UNIT], 1)
    points = torch.cat([at_rest, _places(0.0, _UNIT)])
    return _off(model(points)[:, :2], torch.cat([torch.zeros_like(at_rest), entering]))


def _violation(model: PotentialModel, laws: System, bounds: dict[str, tuple[float, float]]) -> float:
    return max(over_bound(one) for one in judge_model(model, laws.laws, bounds, points=64, boxes=8))


def _viscous(model: PotentialModel, points: Tensor, normal: Tensor) -> float:
    """The largest traction (grad u + grad u^T) n of a fluid of viscosity one; pressure is left out."""
    points = points.clone().requires_grad_()
    velocity = model(points)[:, :2]
    slopes = [torch.autograd.grad(u.sum(), points, retain_graph=True)[0] for u in velocity.unbind(1)]
    gradient = torch.stack(slopes, 1)
    return float(((gradient + gradient.mT) @ normal[..., None]).abs().max())


def _traction(model: PotentialModel, radius: float) -> Tensor:
    """Sigma n on a circle around the cylinder's centre."""
    with torch.no_grad():
        sxx, sxy, syy = model(_circle(radius))[:, 2:].unbind(1)
    nx, ny = _NORMAL.unbind(1)
    return torch.stack([sxx * nx + sxy * ny, sxy * nx + syy * ny], 1)


def _force(model: PotentialModel, radius: float) -> Tensor:
    """The integral of the traction; trapezoids converge fast on a circle."""
    return _traction(model, radius).mean(0) * 2 * math.pi * radius
