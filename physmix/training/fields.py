"""A solution on a grid, for files and figures."""

from __future__ import annotations

import numpy as np
import torch

from physmix.errors import SettingsError
from physmix.flows import Flow, Mesh
from physmix.problems import MeshRegion
from physmix.problems.state import space
from physmix.training.solved import Solved

_VECTORS, _SCALARS = {"u": "velocity"}, {"p": "pressure"}  # what other programs call them


def as_flow(solution: Solved, name: str, points: int = 100, times: int = 11) -> Flow:
    """The fields at the centres of even cells over the box of the region; zero outside of it.

    The velocity u and the pressure p go by these names.

    Args:
        solution: whose fields are taken.
        name: of the data set.
        points: along the longest side.
        times: stored, where there is time.

    Raises:
        SettingsError: if there is no coordinate of space, or a number is below two.
    """
    problem = solution.problem
    box, axes = problem.region.box, space(problem.coordinates)
    if not axes or min(points, times) < 2:
        problem_found = f"{points} points and {times} times over {', '.join(axes) or 'no space'}"
        raise SettingsError("the fields of a solution", problem_found, "give two or more, and x, y or z")
    longest = max(box[axis][1] - box[axis][0] for axis in axes)
    grid = {}
    for axis in axes:
        low, high = box[axis]
        count = max(2, round(points * (high - low) / longest))
        grid[axis] = low + (np.arange(count) + 0.5) * (high - low) / count
    time = np.linspace(*box["t"], times) if "t" in box else np.zeros(1)
    shape = tuple(len(axis) for axis in grid.values())
    columns = {"t": torch.from_numpy(time), **{k: torch.from_numpy(v) for k, v in grid.items()}}
    at = torch.cartesian_prod(*(columns[c] for c in problem.coordinates)).view(-1, len(problem.coordinates))
    inside = problem.region.contains(at)
    state = solution.at(at[inside])
    order = [problem.coordinates.index(c) for c in (*(["t"] if "t" in box else []), *axes)]
    whole = tuple(len(columns[c]) for c in problem.coordinates)

    def stored(values: torch.Tensor) -> np.ndarray:
        full = torch.zeros(len(at), dtype=torch.float64)
        full[inside] = values
        return full.view(whole).permute(order).reshape(1, len(time), *shape).numpy()

    found = {
        f: stored(state[f])
        for f in (
            *solution.problem.equations.fields,
            *(n for n in problem.equations.derived if n in _SCALARS),
        )
    }
    vectors = {}
    for vector in problem.equations.vectors:
        parts = [f"{vector}{axis}" for axis in axes]
        if all(part in found for part in parts):
            vectors[_VECTORS.get(vector, vector)] = np.stack([found.pop(part) for part in parts], -1)
    solid = ~inside.view(whole).permute(order).reshape(len(time), *shape)[0].numpy()
    if not found:  # the layout asks for a scalar
        found["inside"] = np.broadcast_to(1.0 - solid, (1, len(time), *shape)).copy()
    return Flow(
        name=name,
        time=time,
        axes=grid,
        scalars={_SCALARS.get(key, key): values for key, values in found.items()},
        vectors=vectors,
        parameters=dict(solution.unknowns),
        boundary=dict.fromkeys(axes, "OPEN"),
        provenance={"solver": "physmix", "values": "point values"},
        solid=solid if solid.any() else None,
    )


def as_meshes(solution: Solved, flow: Flow) -> list[Mesh]:
    """The fields for ParaView at each time of a flow: on the mesh of the region, or at its grid.

    Args:
        solution: whose fields are taken.
        flow: as `as_flow` makes it.
    """
    region, names = solution.problem.region, solution.problem.coordinates
    axes = space(names)
    if isinstance(region, MeshRegion):
        places = region.vertices.numpy()
        cells = {{3: "triangle", 4: "tetra"}[region.cells.shape[1]]: region.cells.numpy()}
    else:
        grid = np.stack(np.meshgrid(*flow.axes.values(), indexing="ij"), -1)
        fluid = np.ones(flow.grid, bool) if flow.solid is None else ~flow.solid
        places, cells = grid[fluid], _quads(fluid)
    at = torch.zeros(len(places), len(names), dtype=torch.float64)
    for axis, values in zip(axes, places.T, strict=True):
        at[:, names.index(axis)] = torch.from_numpy(values)
    wide = np.pad(places, [(0, 0), (0, max(0, 2 - len(axes)))])
    meshes = []
    for time in flow.time:
        if "t" in names:
            at[:, names.index("t")] = float(time)
        state = solution.at(at)
        meshes.append(
            Mesh(wide, cells, {name: state[name].numpy() for name in solution.problem.equations.fields})
        )
    return meshes


def _quads(fluid: np.ndarray) -> dict[str, np.ndarray]:
    """Squares of a grid in the plane all of whose corners are in the fluid."""
    if fluid.ndim != 2:
        return {}
    number = np.cumsum(fluid).reshape(fluid.shape) - 1
    corners = [(slice(None, -1), slice(None, -1)), (slice(1, None), slice(None, -1))]
    corners += [(slice(1, None), slice(1, None)), (slice(None, -1), slice(1, None))]
    whole = np.all([fluid[c] for c in corners], 0)
    return {"quad": np.stack([number[c][whole] for c in corners], -1)}
