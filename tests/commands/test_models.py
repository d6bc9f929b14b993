"""Models as they are described: built, checked and refused."""

import dataclasses
import functools

import pytest
from torch import nn

from physmix.commands import models
from physmix.errors import CompositionError

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
