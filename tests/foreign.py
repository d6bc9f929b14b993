"""Writers of other people's layouts, after their documentation and without our reader's code."""

import h5py
import numpy as np

GRIDS = {1: (8,), 2: (8, 6), 3: (6, 5, 4)}


def compressible(path, dimensions, extra_time=1, trajectories=3, times=4, kind="f4", seed=0):
    """As PDEBench publishes it: float32, x first, one time more than states."""
    random = np.random.default_rng(seed)
    grid = GRIDS[dimensions]
    shape = (trajectories, times, *grid)
    fields = {name: random.random(shape).astype(kind) + 1 for name in ("density", "pressure")}
    fields |= {f"V{axis}": random.standard_normal(shape).astype(kind) for axis in "xyz"[:dimensions]}
    with h5py.File(path, "w") as file:
        for name, values in fields.items():
            file[name] = values
        for axis, points in zip("xyz", grid, strict=False):
            file[f"{axis}-coordinate"] = ((np.arange(points) + 0.5) / points).astype("f4")
        file["t-coordinate"] = np.linspace(0, 1, times + extra_time).astype("f4")
        file.attrs["eta"], file.attrs["zeta"] = 1e-8, 1e-8
        if dimensions > 1:
            file.attrs["M"] = 0.1
    return fields


def pdearena(path, split="train"):
    """Smoke in a box: velocities at lower faces, without divergence, by a random stream function at nodes."""
    random, (nx, ny), box = np.random.default_rng(0), (8, 6), (32.0, 24.0)
    nodes = np.zeros((2, 3, nx + 1, ny + 1))
    nodes[:, :, 1:-1, 1:-1] = random.standard_normal((2, 3, nx - 1, ny - 1))
    vx, vy = np.diff(nodes, axis=3)[:, :, :-1], -np.diff(nodes, axis=2)[:, :, :, :-1]
    with h5py.File(path, "w") as file:
        group = file.create_group(split)
        group["u"] = random.random((2, 3, nx, ny))
        group["vx"], group["vy"] = vx / (box[1] / ny), vy / (box[0] / nx)
        group["t"] = np.tile(np.linspace(18, 60, 3), (2, 1))
        group["x"], group["y"] = (
            np.tile(np.linspace(0, b, n), (2, 1)) for b, n in zip(box, (nx, ny), strict=True)
        )
        group["buo_y"] = np.full(2, 0.5)
