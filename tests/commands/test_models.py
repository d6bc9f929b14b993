"""Models as they are described: built, checked and refused."""

import dataclasses
import functools
import json

import pytest
import torch
import yaml
from torch import nn

from physmix.commands import models
from physmix.commands.laws import LawTexts
from physmix.errors import CompositionError, PhysmixError
from physmix.optimization import projected
from physmix.training import save_checkpoint

LAWS = {"mass": "dt(rho) + dx(mx) + dy(my) = 0"}


def description(laws=LAWS, **model):
    model = {"hidden": [6], "potentials": 4, "order": 1, "activation": "tanh", "slope": 1.0} | model
    return {
        "model": {"name": "potentials", **model},
        "laws": {"laws": laws},
        "judged": {"laws": LAWS},
        "coordinates": ["t", "x", "y"],
        "fields": ["rho", "mx", "my"],
        "box": {name: [0.0, 2.0] for name in "txy"},
        "size": {"rho": 1.0, "mx": 2.0, "my": 4.0},
        "mean": {"rho": 1.0},
    }


def test_a_model_that_breaks_its_laws_is_refused_when_built(monkeypatch):
    """Such as one that makes the density positive afterwards; without laws it may."""
    kind = models.MODELS["potentials"]

    class Positive(nn.Sequential):
        centre = property(lambda self: self[0].centre)

    @functools.wraps(kind.build)
    def build(**settings):
        return Positive(kind.build(**settings), nn.Softplus())

    monkeypatch.setitem(models.MODELS, "potentials", dataclasses.replace(kind, build=build))
    models.build_model(description({}), seed=0)
    with pytest.raises(CompositionError, match=r"layer 0 .*\(mass\): 1 \(Softplus\)"):
        models.build_model(description(), seed=0)


def trained(made, points, steps=5):
    """Towards noise."""
    target = torch.randn(len(points), len(made.fields), generator=torch.Generator().manual_seed(1)).double()
    optimizer = projected(torch.optim.Adam(made.parameters(), lr=0.02), made)
    for _ in range(steps):
        optimizer.zero_grad()
        (made(points) - target).square().mean().backward()
        optimizer.step()
    return made


def walled(coordinates, fields, laws, order, walls, liftings, potentials=8):
    """A description, as it is after a way through a yaml and a JSON file."""
    made = description({}, order=order, potentials=potentials)
    made["model"] |= {"walls": yaml.safe_load(walls), "liftings": yaml.safe_load(liftings)}
    made |= {"coordinates": list(coordinates), "fields": fields, "size": {}, "mean": {}}
    made |= {"laws": {"laws": laws}, "judged": {"laws": laws}}
    made["box"] = {name: [0.0, 1.0] for name in coordinates}
    return json.loads(json.dumps(made))


CAVITY = walled(
    "xy",
    ["ux", "uy", "p"],
    {"mass": "dx(ux) + dy(uy) = 0"},
    1,
    "[{distance: '16*box(x=(0, 1), y=(0, 1))', fields: [ux, uy]}]",
    "[{stream: '16*x^2*(1 - x)^2*(y - 1)*y^2', velocity: [ux, uy]}]",
)
CYLINDER = walled(
    "xy",
    ["mx", "my", "sxx", "sxy", "syy"],
    {"mass": "dx(mx) + dy(my) = 0", "x": "dx(sxx) + dy(sxy) = 0", "y": "dx(sxy) + dy(syy) = 0"},
    2,
    "[{distance: 'ball(x=0.5, y=0.5, radius=0.1)', normal: {x: mx, y: my}}]",
    "[{force: [sxx, sxy, syy], centre: {x: 0.5, y: 0.5}, amounts: [1, 2, 3]},"
    " {potential: 'x*y^2', weights: {mx: {xy: 1}, my: {xx: -1}}, amount: 0.5, trainable: true}]",
    potentials=12,
)
SOURCE = walled("xy", ["ux", "uy"], {"source": "dx(ux) + dy(uy) = 2"}, 1, "[]", "[]")


@pytest.mark.parametrize("described", [CAVITY, CYLINDER, SOURCE], ids=["cavity", "cylinder", "source"])
def test_a_model_comes_back_from_its_checkpoint(described, tmp_path, generator):
    """With walls, liftings and the field of a source, and to the last bit."""
    points = 0.7 + 0.3 * torch.rand(20, 2, generator=generator, dtype=torch.float64)
    made = trained(models.build_model(described, seed=0), points)
    save_checkpoint(tmp_path, made, described)
    again, description = models.load_model(tmp_path)
    assert torch.equal(again(points), made(points))
    findings = models.judge(again, description, LawTexts.of(description["judged"]).parse("xy"), seed=3)
    assert all(finding.holds and not finding.trivial for finding in findings)


def test_a_wall_from_a_file_is_a_wall(tmp_path):
    """The lid moves, the other sides are at rest; without the walls nothing is."""
    sides = torch.tensor([[0.5, 1.0], [0.5, 0.0], [0.0, 0.3], [1.0, 0.7]], dtype=torch.float64)
    lid = torch.tensor([[1.0, 0], [0, 0], [0, 0], [0, 0]], dtype=torch.float64)
    inside = torch.rand(20, 2, generator=torch.Generator().manual_seed(2)).double()
    made = trained(models.build_model(CAVITY, seed=0), inside)
    assert (made(sides)[:, :2] - lid).abs().max() < 1e-12
    without = json.loads(json.dumps(CAVITY))
    del without["model"]["walls"]
    free = trained(models.build_model(without, seed=0), inside)
    assert (free(sides)[:, :2] - lid).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("walls", "liftings", "message"),
    [
        ("[{distanc: x, fields: [ux]}]", "[]", r"a wall: unknown key 'distanc' \(did you mean distance\?\)"),
        ("[{fields: [ux]}]", "[]", "a wall: without distance"),
        ("[{distance: 3, fields: [ux]}]", "[]", "a wall: distance=3 is not of type str"),
        ("[{distance: x + z, fields: [ux]}]", "[]", "'z' is no coordinate"),
        ("[{distance: x, fields: [vx]}]", "[]", "a wall: it names vx"),
        ("[{distance: x}]", "[]", "nothing vanishes on it"),
        ("[{distance: x, normal: {x: 3}}]", "[]", "give a field for each coordinate"),
        ("[x]", "[]", "is not of type"),
        (
            "[{distance: x}, {distance: y}, {distance: x}, {distance: y}]",
            "[]",
            "there are 4, more than 3",
        ),
        ("[]", "[{flow: x}]", "a lifting: its keys are flow; give one of stream, scraper, potential, force"),
        ("[]", "[{stream: x, velocity: [ux]}]", "velocity has 1 entries; give 2"),
        ("[]", "[{stream: x, velocity: [ux, uy], plane: [x, z]}]", "its plane is x, z; give two of x, y"),
        ("[]", "[{stream: x, velocity: [ux, uy], amount: a}]", "amount='a' is not of type float"),
        ("[]", "[{potential: x, weights: {ux: 1}}]", "weights of ux: 1"),
        ("[]", "[{potential: x, weights: {ux: {q: 1}}}]", "write a derivative as xy, with a number"),
        ("[]", "[{potential: x, weights: {ux: {x: 1}}}]", "its weights miss the laws"),
        ("[]", "[{force: [ux, uy, p], centre: {x: 0, y: a}}]", "give a number for each coordinate"),
    ],
)
def test_walls_that_cannot_be_read_are_refused(walls, liftings, message):
    made = json.loads(json.dumps(CAVITY))
    made["model"] |= {"walls": yaml.safe_load(walls), "liftings": yaml.safe_load(liftings)}
    with pytest.raises(PhysmixError, match=message):
        models.build_model(made, seed=0)
