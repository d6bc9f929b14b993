"""Jets beside the derivatives of peers: time and memory of a residual and its gradient."""

from __future__ import annotations

import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from physmix.benchmarks.residual import (
    Way,
    compiled_jets,
    jets,
    momentum,
    nested_autograd,
    torch_func,
    torch_jet,
)
from physmix.benchmarks.row import Case, Row, ours, peer
from physmix.benchmarks.timing import in_turn, ratio
from physmix.jets import JetSpace, push, seed

POINTS, WIDTH, ROUNDS = 4096, 64, 15
OURS: dict[str, Way] = {"compiled": compiled_jets, "eager": jets}
PEERS: dict[str, Way] = {"nested autograd (DeepXDE)": nested_autograd, "torch.func": torch_func}
NESTED = "nested autograd (DeepXDE)"
TORCH_JET = "torch-jet"


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, torch computes on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def network(inputs: int, outputs: int, dtype: torch.dtype) -> nn.Sequential:
    """Four hidden layers with tanh."""
    torch.manual_seed(0)
    sizes = [inputs, *[WIDTH] * 4]
    hidden = [(nn.Linear(a, b), nn.Tanh()) for a, b in itertools.pairwise(sizes)]
    layers = [layer for pair in hidden for layer in pair]
    return nn.Sequential(*layers, nn.Linear(WIDTH, outputs)).to(dtype)


def gradient(way: Way, net: nn.Module, points: Tensor) -> Tensor:
    """The gradient of the mean square of the residual with respect to all weights."""
    parts = torch.autograd.grad(momentum(*way(net, points)), list(net.parameters()), materialize_grads=True)
    return torch.cat([part.flatten() for part in parts])


def peak(run: Callable[[], object]) -> float:
    """The most bytes that torch held at a time, over what it held before."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            run()
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    held = [event["args"] for event in events if event.get("name") == "[memory]"]
    return max(one["Total Allocated"] for one in held) - (held[0]["Total Allocated"] - held[0]["Bytes"])


def residual_case(dtype: torch.dtype, targets: bool) -> Case:  # noqa: FBT001
    """Order 3 in two coordinates, with backward, on one thread; ours has targets in one precision."""

    def run(case: str) -> list[Row]:
        net, points = network(2, 2, dtype), torch.rand(POINTS, 2, dtype=dtype)
        ways = {**OURS, **PEERS, TORCH_JET: torch_jet}
        rows = []
        try:
            gradient(torch_jet, net, points)
        except ImportError:
            del ways[TORCH_JET]
            rows.append(
                peer(
                    case, "torch-jet, which is not installed (needs Python 3.12)", "time", float("nan"), "ms"
                )
            )
        with one_thread():
            runs = {name: partial(gradient, way, net, points) for name, way in ways.items()}
            exact = gradient(nested_autograd, net.double(), points.double())
            net.to(dtype)
            error = {name: float((runs[name]() - exact).norm() / exact.norm()) for name in OURS}
            seconds = in_turn(runs, ROUNDS, time.process_time, settled=True)
            memory = {name: peak(call) / 2**20 for name, call in runs.items()}
        for name in ways:
            told = partial(peer, case, f"physmix, {name}" if name in OURS else name)
            if name in OURS:
                judged = partial(ours, case, system=f"physmix, {name}")
                faster = judged if targets else told
                rows += [
                    faster(f"{name}, times faster than {NESTED}", value=ratio(seconds, NESTED, name)),
                    judged("gradient error over precision", value=error[name] / torch.finfo(dtype).eps),
                ]
            rows += [
                told("time", value=median(seconds[name]) * 1e3, unit="ms"),
                told("peak memory", value=memory[name], unit="MiB"),
            ]
        return rows

    return run


def closure_case(case: str) -> list[Row]:
    """What an unsteady residual needs (time to order 1, space to order 3), beside all of order 4."""
    needed = [(1, 0, 1), (1, 1, 0), *((0, *index) for index in JetSpace(2, 3).indices)]
    net, points = network(3, 2, torch.float32), torch.rand(POINTS, 3)

    def step(space: JetSpace) -> None:
        push(net, seed(points, space)).coefficients.square().mean().backward()

    spaces = {"needed": JetSpace.closure(needed), "all of that order": JetSpace(3, 3)}
    with one_thread():
        seconds = in_turn(
            {name: partial(step, space) for name, space in spaces.items()}, ROUNDS, time.process_time
        )
    carried = [
        ours(case, "coefficients", len(space.indices), system=f"physmix, {name}")
        for name, space in spaces.items()
    ]
    return [
        *carried,
        ours(case, "times faster than all of that order", ratio(seconds, "all of that order", "needed")),
    ]


JETS: dict[str, Case] = {
    "Navier-Stokes residual, float32": residual_case(torch.float32, targets=True),
    "Navier-Stokes residual, float64": residual_case(torch.float64, targets=False),
    "time to order 1, space to order 3": closure_case,
}
