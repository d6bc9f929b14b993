"""Boundary values at once with the law, before and after training; twins without powers fail."""

import math

import numpy as np
import pytest
import torch

from physmix.checking import judge_model
from physmix.checking.continuum import fields_by_autograd
from physmix.errors import SettingsError
from physmix.flows.gas import SPACE_TIME
from physmix.jets import ball, blend, box, coordinates, towers, union
from physmix.laws import Scaling, parse_laws
from physmix.mixing import Lifting, PotentialModel, Wall, force_channels, pointwise_network, stream
from physmix.optimization import projected

INCOMPRESSIBLE = parse_laws({"mass": "dx(ux) + dy(uy) = 0"}, "xy")
STEADY = parse_laws(
    {"mass": "dx(mx) + dy(my) = 0", "x": "dx(sxx) + dy(sxy) = 0", "y": "dx(sxy) + dy(syy) = 0"}, "xy"
)
X, Y = coordinates("xy")
VELOCITY = ("ux", "uy")
CENTRE, RADIUS = (1.0, 0.45), 0.15
CYLINDER = ball((X, Y), CENTRE, RADIUS)
ARC = torch.linspace(0, 2 * math.pi, 65, dtype=torch.float64)[:-1]
UNIT = torch.linspace(0, 1, 33, dtype=torch.float64)
LID = 16 * X**2 * (1 - X) ** 2 * (Y - 1) * Y**2
SQUARE = box({X: (0, 1), Y: (0, 1)})


def places(x, y):
    return torch.stack(torch.broadcast_tensors(torch.as_tensor(x), torch.as_tensor(y)), 1).double()


def circle(radius=RADIUS, centre=CENTRE):
    return places(centre[0] + radius * ARC.cos(), centre[1] + radius * ARC.sin())


def model_of(laws, fields, generator, **settings):
    names = settings.pop("coordinates", "xy")
    net = pointwise_network(len(names), [10, 10], 8, slope=1.5, generator=generator)
    return PotentialModel(net, laws, fields, coordinates=names, potentials=8, generator=generator, **settings)


def train(model, points, steps=30):
    """A fit to noise, far from any law or wall."""
    draw = torch.Generator().manual_seed(1)
    target = 3 * torch.randn(len(points), len(model.fields), generator=draw, dtype=torch.float64)
    optimizer = projected(torch.optim.Adam(model.parameters(), lr=0.02), model)
    before = model(points).detach().clone()
    for _ in range(steps):
        optimizer.zero_grad()
        (model(points) - target).square().mean().backward()
        optimizer.step()
    assert (model(points) - before).abs().max() > 0.1
    return model


def lawful(model, laws, bounds):
    """By nested autograd and fluxes, within what rounding allows."""
    for finding in judge_model(model, laws, bounds, points=64, boxes=4):
        assert not finding.trivial
        assert finding.violation < 100 * finding.round_off, finding
    return True


def shear(model, points):
    """The largest velocity gradient at points."""
    jacobian = torch.autograd.functional.jacobian(lambda p: model(p)[:, :2].sum(0), points)
    return jacobian.abs().max()


def cavity(generator, *, walled=True, scaling=None):
    walls = [Wall(SQUARE, VELOCITY)] if walled else []
    return model_of(
        INCOMPRESSIBLE,
        [*VELOCITY, "p"],
        generator,
        walls=walls,
        liftings=[stream(LID, VELOCITY)],
        scaling=scaling,
        mean={"ux": 1.0, "p": 2.0} if walled else None,
    )


SCALING = Scaling(centre={"x": 0.5}, length={"x": 0.5, "y": 2.0}, size={"ux": 4.0, "p": 0.5})


@pytest.mark.parametrize("scaling", [None, SCALING], ids=["unit", "scaled"])
@pytest.mark.parametrize("steps", [0, 30])
def test_a_cavity_with_a_moving_lid(steps, scaling, generator):
    model = train(cavity(generator, scaling=scaling), torch.rand(64, 2).double(), steps) if steps else None
    model = model or cavity(generator, scaling=scaling)
    sides = torch.cat([places(0.0, UNIT), places(1.0, UNIT), places(UNIT, 0.0)])
    lid = places(UNIT, 1.0)
    assert model(sides)[:, :2].abs().max() < 1e-13
    moving = torch.stack([16 * UNIT**2 * (1 - UNIT) ** 2, 0 * UNIT], 1)
    torch.testing.assert_close(model(lid)[:, :2], moving, rtol=0, atol=1e-13)
    assert lawful(model, INCOMPRESSIBLE, {"x": (0, 1), "y": (0, 1)})
    assert shear(model, sides) > 1e-3
    assert model(sides)[:, 2].std() > 1e-3  # pressure is free


def test_a_twin_without_the_powers_leaks(generator):
    model = cavity(generator, walled=False)
    assert model(places(0.0, UNIT))[:, :2].abs().max() > 1e-2


def inflow(y):
    return 4 * y * (1 - y)


PROFILE = 2 * Y**2 - 4 / 3 * Y**3  # its derivative is the inflow
STRAIGHT = box({X: (0, None), Y: (0, 1)})  # inlet and channel, open at the end
AROUND = [(STRAIGHT, PROFILE), (CYLINDER, 0.0)]
FLUX = blend([(STRAIGHT, 0.0), (CYLINDER, 1.0)], 2)


def channel(generator, constant=0.3):
    return model_of(
        INCOMPRESSIBLE,
        VELOCITY,
        generator,
        walls=[Wall(union(STRAIGHT, CYLINDER), VELOCITY)],
        liftings=[
            stream(blend(AROUND, 2), VELOCITY),
            stream(FLUX, VELOCITY, amount=constant, trainable=True),
        ],
    )


def flux_below(model):
    """The integral of ux from the channel's wall to the cylinder's lowest point."""
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(40))
    gap = CENTRE[1] - RADIUS
    with torch.no_grad():
        return float(model(places(CENTRE[0], gap * (nodes + 1) / 2))[:, 0] @ weights * gap / 2)


@pytest.mark.parametrize("steps", [0, 30])
def test_a_channel_with_a_cylinder_off_its_axis(steps, generator):
    model = channel(generator)
    if steps:
        points = torch.rand(96, 2, generator=generator, dtype=torch.float64)
        points[:, 0] *= 3
        train(model, points[CYLINDER(points) > 0.01], steps)
        assert model.network.amounts[1] != 0.3
    at_rest = torch.cat([circle(), places(3 * UNIT, 0.0), places(3 * UNIT, 1.0)])
    assert model(at_rest).abs().max() < 1e-13
    entering = torch.stack([inflow(UNIT), 0 * UNIT], 1)
    torch.testing.assert_close(model(places(0.0, UNIT)), entering, rtol=0, atol=1e-13)
    assert lawful(model, INCOMPRESSIBLE, {"x": (1.4, 3), "y": (0, 1)})
    assert shear(model, circle()) > 1e-3
    assert flux_below(model) == pytest.approx(float(model.network.amounts[1].detach()), abs=1e-10)


def test_the_fields_are_those_of_nested_autograd(generator):
    """The lifting included: jets and plain evaluation agree away from the walls."""
    model = channel(generator)
    points = places(1.4 + UNIT, 0.8 * UNIT + 0.1).requires_grad_()
    torch.testing.assert_close(fields_by_autograd(model, points), model(points), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("constant", [0.0, 0.5])
def test_the_flux_below_the_cylinder_is_the_scalar(constant, generator):
    assert flux_below(channel(generator, constant)) == pytest.approx(constant, abs=1e-10)


def test_a_wall_may_slip(generator):
    wall = Wall(CYLINDER, normal={"x": "ux", "y": "uy"})
    scaling = Scaling(length={"x": 4.0}, size={"uy": 2.0})
    carried = stream(blend([(X + 5, Y - 0.45), (CYLINDER, 0.0)], 1), VELOCITY)
    model = model_of(INCOMPRESSIBLE, VELOCITY, generator, walls=[wall], liftings=[carried], scaling=scaling)
    assert model.network.powers == ((1,),)
    normal = torch.stack([ARC.cos(), ARC.sin()], 1)
    velocity = model(circle())
    assert (velocity * normal).sum(1).abs().max() < 1e-13
    assert velocity.abs().max() > 1e-2


@pytest.mark.parametrize("slips", [True, False])
def test_a_sphere_in_space(slips, generator):
    laws = parse_laws({"mass": "dx(ux) + dy(uy) + dz(uz) = 0"}, "xyz")
    fields = ("ux", "uy", "uz")
    distance = ball(coordinates("xyz"), (0.2, 0.0, -0.1), 0.5)
    given = {"normal": dict(zip("xyz", fields, strict=True))} if slips else {"fields": fields}
    model = model_of(laws, fields, generator, coordinates="xyz", walls=[Wall(distance, **given)])
    assert model.network.powers == ((1 if slips else 2,),)
    normal = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    normal /= normal.norm(dim=1, keepdim=True)
    points = normal / 2 + torch.tensor([0.2, 0.0, -0.1], dtype=torch.float64)
    velocity = train(model, 2 * torch.rand(64, 3, generator=generator, dtype=torch.float64))(points)
    assert (velocity * normal).sum(1).abs().max() < 1e-13
    assert velocity.abs().max() > 1e-2 if slips else velocity.abs().max() < 1e-13
    assert shear(model, points) > 1e-2
    assert lawful(model, laws, dict.fromkeys("xyz", (-1, 1)))


def traction(model, radius, centre, first):
    """Force along x and y, and torque about the cylinder's centre, of Sigma n over a circle."""
    around = torch.linspace(0, 2 * math.pi, 257, dtype=torch.float64)[:-1]  # trapezoids converge fast
    nx, ny = around.cos(), around.sin()
    points = places(centre[0] + radius * nx, centre[1] + radius * ny)
    sxx, sxy, syy = model(points)[:, first : first + 3].unbind(1)
    tx, ty = sxx * nx + sxy * ny, sxy * nx + syy * ny
    arm = points - torch.tensor(CENTRE, dtype=torch.float64)
    sums = torch.stack([tx, ty, arm[:, 0] * ty - arm[:, 1] * tx])
    return sums.mean(1) * 2 * math.pi * radius


TENSOR = ("mx", "my", "sxx", "sxy", "syy")


def test_force_and_torque_on_a_body_in_the_steady_tensor_form(generator):
    given = (0.7, -0.3, 0.2)
    flow = X * blend(AROUND, 3)
    model = model_of(
        STEADY,
        TENSOR,
        generator,
        order=2,
        walls=[Wall(union(STRAIGHT, CYLINDER), TENSOR[:2])],
        liftings=[
            stream(flow, TENSOR[:2], order=2),
            *force_channels((X, Y), CENTRE, TENSOR[2:], amounts=given),
        ],
    )
    expected = torch.tensor(given, dtype=torch.float64)
    for radius, centre in ((RADIUS, CENTRE), (0.3, CENTRE), (0.35, (1.05, 0.5))):
        torch.testing.assert_close(traction(model, radius, centre, 2), expected, rtol=0, atol=1e-11)
    with torch.no_grad():
        for amount in list(model.network.amounts)[1:]:
            amount.zero_()
    assert traction(model, RADIUS, CENTRE, 2).abs().max() < 1e-12  # no drag without them
    at_rest = torch.cat([circle(), places(3 * UNIT, 0.0), places(3 * UNIT, 1.0)])
    assert model(at_rest)[:, :2].abs().max() < 1e-13
    entering = torch.stack([inflow(UNIT), 0 * UNIT], 1)
    torch.testing.assert_close(model(places(0.0, UNIT))[:, :2], entering, rtol=0, atol=1e-13)
    assert model(circle())[:, 2:].std(0).min() > 1e-3
    train(model, places(1.4 + UNIT, UNIT))
    assert model.network.amounts[1].abs() > 1e-3
    forces = [traction(model, radius, CENTRE, 2) for radius in (RADIUS, 0.3)]
    torch.testing.assert_close(*forces, rtol=0, atol=1e-11)
    assert model(at_rest)[:, :2].abs().max() < 1e-13
    assert lawful(model, STEADY, {"x": (1.4, 3), "y": (0, 1)})


@pytest.mark.parametrize("kind", ["flat", "curved", "moving"])
def test_the_space_time_tensor_at_rest_on_a_wall(kind, mass_momentum, generator):
    t, x, y = coordinates("txy")
    distance = {"flat": y, "curved": ball((x, y), CENTRE, RADIUS), "moving": y - t.apply(towers.sin)}[kind]
    model = model_of(
        mass_momentum, SPACE_TIME, generator, coordinates="txy", order=2, walls=[Wall(distance, ("mx", "my"))]
    )
    time = 0.1 * torch.arange(64).double()
    wall = circle() if kind == "curved" else places(ARC, time.sin() if kind == "moving" else 0.0)
    wall = torch.cat([time[:, None], wall], 1)
    for one in (model, train(model, torch.rand(64, 3).double())):
        assert one(wall)[:, 1:3].abs().max() < 1e-13
        assert one(wall)[:, 3:].std(0).min() > 1e-3
        assert one(wall + 0.1)[:, 1:3].abs().max() > 1e-4
        assert lawful(one, mass_momentum, {"t": (0, 1), "x": (1.5, 2), "y": (1.5, 2)})
    if kind == "curved":
        assert model.network.powers == ((0,), (2,), (3,))
        model.network.powers = ((0,), (1,), (2,))  # a twin with too low powers
        assert model(wall)[:, 1:3].abs().max() > 1e-3


def test_liftings_that_do_not_fit_are_refused(generator):
    for weights, message in (({("ux", (1, 0)): 1.0}, "miss the laws"), ({("w", (1, 0)): 1.0}, "weights for")):
        with pytest.raises(SettingsError, match=message):
            model_of(INCOMPRESSIBLE, VELOCITY, generator, liftings=[Lifting(X, weights)])


def test_too_few_potentials_are_refused(generator):
    net = pointwise_network(2, [4], 1, generator=generator)
    with pytest.raises(SettingsError, match=r"1 for the classes.*give 2 up"):
        PotentialModel(
            net,
            INCOMPRESSIBLE,
            [*VELOCITY, "p"],
            coordinates="xy",
            potentials=1,
            walls=[Wall(SQUARE, VELOCITY)],
        )
