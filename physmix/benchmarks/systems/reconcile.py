"""A water network: measured flows and demands reconciled, and a model of them that balances."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physmix.applications import balanced_layer, imbalance, incidence, reconcile
from physmix.benchmarks.foreign import package
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.systems.optima import Quadratic, optima
from physmix.benchmarks.systems.shown import Shown
from physmix.constraints import on_outputs
from physmix.optimization import Moments, least_squares
from physmix.reporting import Bars, Curves, Network, Panel

ERROR, MISSED = "error over that of the measurements", "imbalance over the largest flow"


@dataclass(frozen=True)
class WaterNetwork:
    """A simulated week of a network.

    Attributes:
        balances: A, (junction, flow): what arrives by links less what is drawn is zero.
        flows: of the links and then demands of the junctions, (hour, flow), in m3/s.
        places: of the nodes, (node, 2); edges: (link, 2) of nodes; junctions: which nodes have a balance.
    """

    balances: Tensor
    flows: Tensor
    places: NDArray[Any]
    edges: NDArray[Any]
    junctions: list[int]


def water_network(name: str) -> WaterNetwork:
    """A network of the library of WNTR, simulated by EPANET.

    EPANET stores single precision; so demands are taken from the flows, which changes them by about
    1e-7 m3/s, and the balance is exact.
    """
    wntr = package("wntr")
    library = package("wntr.library").ModelLibrary()
    model = wntr.network.WaterNetworkModel(library.get_filepath(name))
    with tempfile.TemporaryDirectory() as folder:
        found = wntr.sim.EpanetSimulator(model).run_sim(file_prefix=str(Path(folder) / name))
    nodes = {node: i for i, node in enumerate(model.node_name_list)}
    links = [model.get_link(link) for link in model.link_name_list]
    edges = np.array([(nodes[link.start_node_name], nodes[link.end_node_name]) for link in links])
    junctions = [nodes[node] for node in model.junction_name_list]
    arriving = incidence(len(nodes), edges[:, 0].tolist(), edges[:, 1].tolist())[junctions]
    flows = torch.from_numpy(found.link["flowrate"][model.link_name_list].to_numpy(np.float64, copy=True))
    whole = torch.cat([flows, flows @ arriving.mT], 1)
    balances = torch.cat([arriving, -torch.eye(len(junctions), dtype=torch.float64)], 1)
    places = np.array([model.get_node(node).coordinates for node in model.node_name_list])
    return WaterNetwork(balances, whole, places, edges, junctions)


def demonstrate(*, network: str = "Net3", noise: float = 0.1, seed: int = 0, steps: int = 1000) -> Shown:
    """Measurements with noise, reconciled; then a model trained on noisy targets.

    Args:
        network: of WNTR's library.
        noise: its standard deviation over the root mean square of all flows.
        seed: of the noise.
        steps: of the projected optimisers.
    """
    water = water_network(network)
    generator = torch.Generator().manual_seed(seed)
    size = noise * float(water.flows.square().mean().sqrt())

    def measured() -> Tensor:
        return water.flows + size * torch.randn(water.flows.shape, generator=generator, dtype=torch.float64)

    def error(flows: Tensor, truth: Tensor = water.flows) -> float:
        return float((flows - truth).square().mean().sqrt()) / size

    noisy = measured()
    layer = reconcile(water.balances)
    balanced = layer(noisy).detach()
    case = f"reconciliation of {network}"
    total = water.balances.shape[1]
    free = total - int(torch.linalg.matrix_rank(water.balances))
    theory = (free / total) ** 0.5
    # 2.4 standard deviations of what chance does to the error of so much noise: 0.760 for Net3.
    chance = 2.4 / (2 * free * len(noisy)) ** 0.5
    closed = _closed_form(noisy, water.balances)
    rows = [
        ours(case, ERROR, error(balanced), target=f"<= {(1 + chance) * theory:.3f}"),
        peer(case, "measurements", ERROR, error(noisy)),
        peer(case, "theory, sqrt(1 - m/n)", ERROR, theory),
        peer(case, "closed form", ERROR, error(closed)),
        peer(case, "cvxpy", ERROR, error(_by_cvxpy(noisy, water.balances))),
        ours(case, "off the closed form, relative", _off(balanced, closed), target="<= 1e-12"),
        ours(case, MISSED, float(imbalance(balanced, water.balances).max()), target="<= 1e-14"),
        ours(
            case,
            MISSED,
            float(imbalance(layer(100 * noisy).detach(), water.balances).max()),
            system="physmix, inputs 100 times as large",
            target="<= 1e-14",
        ),
        peer(case, "measurements", MISSED, float(imbalance(noisy, water.balances).median())),
    ]
    trained, learnt = _trained(water, measured(), measured(), size, steps)
    rows += trained
    hours = np.arange(len(noisy))
    pipe = int(water.flows[:, : len(water.edges)].std(0).argmax())
    left = [(noisy @ water.balances.mT).abs().amax(1), (balanced @ water.balances.mT).abs().amax(1)]
    worst = np.full(len(water.places), np.nan)  # tanks and reservoirs have no balance
    worst[water.junctions] = (noisy @ water.balances.mT).abs().mean(0).numpy() * 1e3
    panels: list[Panel] = [
        Network(
            f"{network}: mean imbalance as measured",
            water.places,
            water.edges,
            nodes=worst,
            unit="imbalance (L/s)",
            axes=("x (map units)", "y (map units)"),
        ),
        Curves(
            "Largest imbalance of a junction",
            ("time (h)", "imbalance (L/s)"),
            {"reconciled": (hours, 1e3 * left[1].clamp_min(1e-18)), "measured": (hours, 1e3 * left[0])},
            logarithmic="y",
        ),
        Curves(
            "The link that varies most, two days",
            ("time (h)", "flow (L/s)"),
            {
                name: (hours[:49], 1e3 * flows[:49, pipe])
                for name, flows in (("reconciled", balanced), ("measured", noisy), ("true", water.flows))
            },
        ),
        Bars(
            "Error; of models on days never seen",
            "error / noise",
            ["reconciled", *(f"{name} model" for name in learnt)],
            {"error": [error(balanced), *learnt.values()]},
            line=("measurements", 1.0),
        ),
    ]
    return Shown(rows, panels, columns=2)


def _closed_form(flows: Tensor, balances: Tensor) -> Tensor:
    """What textbooks give, y - A^T (A A^T)^-1 A y."""
    gram = balances @ balances.mT
    return flows - torch.linalg.solve(gram, balances @ flows.mT).mT @ balances


def _by_cvxpy(flows: Tensor, balances: Tensor) -> Tensor:
    import cvxpy  # noqa: PLC0415  slow to import

    wanted = cvxpy.Variable(tuple(flows.shape))
    problem = cvxpy.Problem(
        cvxpy.Minimize(cvxpy.sum_squares(wanted - flows.numpy())), [wanted @ balances.numpy().T == 0]
    )
    problem.solve(solver="OSQP", eps_abs=1e-9, eps_rel=1e-9)
    return torch.from_numpy(np.asarray(wanted.value))


def _off(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def _trained(
    water: WaterNetwork, inputs: Tensor, targets: Tensor, size: float, steps: int
) -> tuple[list[Row], dict[str, float]]:
    """A model from measurements to flows, fitted to other noisy measurements of every second day."""
    case = "model trained on noisy targets"
    seen = torch.arange(len(inputs)) // 24 % 2 == 0
    outputs, channels = water.balances.shape[1], inputs.shape[1]
    # Ridge, by as much as the noise has it: fewer hours than channels do not settle a model.
    moments = Moments(channels, outputs).add(inputs[seen], targets[seen]).load(0.01)
    members = on_outputs(water.balances)
    free_set = on_outputs(torch.zeros(0, outputs, dtype=torch.float64))
    lawful, free = (least_squares(moments, one) for one in (members, free_set))
    layer = balanced_layer(channels, water.balances, bias=False)
    with torch.no_grad():
        layer.weight.copy_(lawful)

    def error(weight: Tensor) -> float:
        missed = inputs[~seen] @ weight.mT - water.flows[~seen]
        return float(missed.square().mean().sqrt()) / size

    far = 100 * inputs[~seen]
    rows = [
        ours(case, ERROR, error(lawful)),
        peer(case, "free weights", ERROR, error(free)),
        ours(case, "error over that of free weights", error(lawful) / error(free), target="<= 0.999"),
        ours(
            case,
            MISSED,
            float(imbalance(layer(far).detach(), water.balances).max()),
            system="physmix, inputs 100 times as large",
            target="<= 1e-14",
        ),
        peer(case, "free weights", MISSED, float(imbalance(far @ free.mT, water.balances).max())),
    ]
    # In coordinates in which the inputs are white, W = V T^-T keeps A V = 0; and in a unit of flow in which
    # the largest weight is one, as where optimisers start.
    root = moments.design
    white = torch.eye(channels, dtype=torch.float64)
    target = torch.linalg.solve_triangular(root.mT, (root.mT @ moments.target), upper=False)
    best = lawful @ root.mT
    unit = float(best.abs().max())
    rows += optima(case, lambda: Quadratic(members, white, target / unit), best / unit, steps=steps)
    return rows, {"lawful": error(lawful), "free": error(free)}
