"""Violations of laws by networks with normalisations of their own, folded in, in units far apart."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from physmix.benchmarks.library import System
from physmix.benchmarks.row import Case, Row, ours, peer
from physmix.benchmarks.violation import LESS, OVER, RELATIVE, STEPS, far_units, over_bound, train
from physmix.checking import judge_model, worst
from physmix.checking.finding import Finding
from physmix.laws import Scaling
from physmix.mixing import PotentialModel, fold

_WIDTH, _POTENTIALS = 24, 8


def normalisation_case(system: System) -> Case:
    """Random and trained networks with batch normalisations and a weight norm, as they are and folded.

    The twin has the same network and laws in units of one; its fields are multiplied by their units
    afterwards, as normalisations usually are.
    """

    def run(case: str) -> list[Row]:
        scaling = far_units(system)
        rows = []
        for steps in (0, STEPS):
            kind = "trained" if steps else "random"
            model = _model(system, scaling)
            train(model, steps)
            twin = _model(system, Scaling(length=scaling.length))
            twin.size.copy_(model.size)
            train(twin, steps)
            late = _judged(twin, system)
            broken = worst(late)
            rows += [
                peer(case, f"units afterwards, {kind}, {law}", RELATIVE, value)
                for law, value in broken.items()
            ]
            for state, made in (("as it is", model), ("folded", fold(model))):
                found = _judged(made, system)
                name = f"physmix, {kind}, {state}"
                held = worst(found)
                tiny = torch.finfo(torch.float64).tiny
                rows += [
                    ours(case, OVER, float(torch.tensor([over_bound(f) for f in found]).max()), system=name),
                    ours(case, RELATIVE, max(held.values()), system=name),
                    ours(case, LESS, min(broken[law] / max(held[law], tiny) for law in held), system=name),
                ]
        return rows

    return run


def _network(inputs: int) -> nn.Sequential:
    """Batch normalisations with statistics of the box, and weights that are those of no fresh layer."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    sizes = [inputs, _WIDTH, _WIDTH, _POTENTIALS]
    linears = [nn.Linear(i, o, dtype=torch.float64) for i, o in itertools.pairwise(sizes)]
    norms = [nn.BatchNorm1d(size, dtype=torch.float64) for size in sizes[:-1]]
    with torch.no_grad():
        for linear in linears:
            linear.weight.copy_(drawn(*linear.weight.shape) / linear.in_features**0.5)
            linear.bias.copy_(drawn(linear.out_features))
        for norm in norms:
            norm.weight.copy_(0.5 + drawn(norm.num_features).abs())
            norm.bias.copy_(0.3 * drawn(norm.num_features))
        linears[1] = weight_norm(linears[1])
        network = nn.Sequential(
            *(norms[0], linears[0], norms[1], nn.Tanh(), linears[1], nn.Tanh(), norms[2], linears[2])
        )
        for _ in range(20):
            network(2 * torch.rand(256, inputs, generator=generator, dtype=torch.float64) - 1)
    return network.eval()


def _model(system: System, scaling: Scaling) -> PotentialModel:
    return PotentialModel(
        _network(len(system.coordinates)),
        system.laws,
        system.fields,
        coordinates=system.coordinates,
        potentials=_POTENTIALS,
        scaling=scaling,
        generator=torch.Generator().manual_seed(0),
    )


def _judged(model: PotentialModel, system: System) -> list[Finding]:
    box = {
        name: (-float(size), float(size)) for name, size in zip(model.coordinates, model.length, strict=True)
    }
    return judge_model(model, system.laws, box, points=64, boxes={4: 1, 3: 4}.get(len(box), 8))
