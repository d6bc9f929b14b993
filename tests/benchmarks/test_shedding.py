"""The shedding of vortices at few points, beside finite elements."""

import math
from dataclasses import replace

import pytest
import torch

from physmix.benchmarks.shedding import Shedding, coefficients, errors, sinusoid
from physmix.flows.simulation.wake import solve_wake

pytest.importorskip("skfem")


def test_more_features_bring_a_start_nearer_to_finite_elements():
    # At Reynolds number 10, from a flow that is still setting in.
    few = Shedding(
        features=12, windows=1, length=0.1, end=0.6, along=(0.14, 0.26, 0.45), up=(0.2,), reynolds=10.0
    )
    known = {"duration": few.duration, "snapshots": 2, "step": 0.02, "cells": 4, "degree": 2}
    wake = solve_wake(reynolds=few.reynolds, spin_up=0.2, **known)
    found = [one.march(wake) for one in (few, replace(few, features=36))]
    missed = [errors(one, wake, before=0.5) for one in found]
    assert missed[1]["ux"] < 0.2
    assert all(missed[1][name] < missed[0][name] / 2 for name in ("ux", "uy"))
    assert all(one.holds for window in found[1].windows for one in window.judge(points=8, boxes=1))
    last = found[1].windows[-1]
    x = torch.tensor([[0.05, 0.0, y] for y in torch.linspace(0.05, 0.35, 7).tolist()], dtype=torch.float64)
    y = x[:, 2]
    inflow = 6 * few.speed * y * (0.41 - y) / 0.41**2
    assert float((last.at(x)["ux"] - inflow).abs().max()) < 0.1 * few.speed
    when, drag, _ = coefficients(found[1], few.speed)
    assert when.tolist() == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert len(drag) == 4


def test_the_sinusoid_of_a_noisy_lift_with_an_overtone_is_found():
    times = torch.linspace(0.1, 0.45, 80, dtype=torch.float64)
    angle = 2 * math.pi * 3.03 * times + 0.7
    lift = 0.02 + torch.sin(angle) + 0.02 * torch.sin(3 * angle)
    often, swing = sinusoid(times, lift, 3.5)
    assert often == pytest.approx(3.03, rel=5e-3)
    assert swing == pytest.approx(1.0, rel=1e-2)
    other, _ = sinusoid(times, torch.sin(angle * 1.1), 3.5)
    assert other == pytest.approx(3.333, rel=1e-3)
