"""The lawful head inside DeepXDE and PINA, by the lines that the README shows."""

import importlib.util
import json
import os
import re
import subprocess
import sys

import pytest

SETTING = """
import json, math, sys, torch, physmix
from physmix.flows import Kovasznay
from physmix.problems import Condition, NavierStokes, Pin, Problem, Region
from physmix.training import solve

torch.set_num_threads(1)
torch.manual_seed(0)
flow, region, fields = Kovasznay(40.0), Region(x=(-0.5, 1.0), y=(-0.5, 1.5)), ["ux", "uy", "p"]
names = {"ux": "velocity_x", "uy": "velocity_y"}
laws = physmix.parse_laws({"mass": "dx(ux) + dy(uy) = 0"}, coordinates="xy")
fresh = physmix.PotentialModel(
    physmix.pointwise_network(2, [16], 8), laws, fields=fields, coordinates="xy", potentials=8
)
walls = Condition(region.boundary, {n: lambda p, k=k: flow.fields(p)[k] for n, k in names.items()})
conditions = [walls, Pin({"p": 0.0})]
problem = Problem(region, NavierStokes("xy", 1 / 40), conditions, points=900, boundary_points=300)
solved = solve(problem, features=160, slope=2.5).model

def divergence(head):
    at = region.sample(40, seed=3).points
    slopes = torch.autograd.functional.jacobian(lambda p: head(p).sum(0), at)
    return float((slopes[0, :, 0] + slopes[1, :, 1]).abs().max() / slopes.abs().max())
"""

DEEPXDE = """
import deepxde as dde

dde.config.set_default_float("float64")
dde.config.set_random_seed(0)
box = dde.geometry.Rectangle([-0.5, -0.5], [1.0, 1.5])

def momentum(x, y):
    slope = lambda i, j: dde.grad.jacobian(y, x, i=i, j=j)
    bend = lambda i: sum(dde.grad.hessian(y, x, component=i, i=j, j=j) for j in (0, 1))
    return [y[:, :1] * slope(i, 0) + y[:, 1:2] * slope(i, 1) + slope(2, i) - bend(i) / 40 for i in (0, 1)]

def given(name):
    return lambda x: flow.fields(torch.as_tensor(x).double())[name].numpy()[:, None]

ends = [
    dde.icbc.DirichletBC(box, given(k), lambda x, on: on, component=i) for i, k in enumerate(names.values())
]
data = dde.data.PDE(box, momentum, ends, num_domain=100, num_boundary=60)

def losses(head):
    SHOWN
    history, _ = model.train(iterations=30 if head is fresh else 0, display_every=1000)
    return [float(sum(history.loss_train[0])), float(sum(history.loss_train[-1]))]
"""

PINA = """
import warnings

warnings.simplefilter("ignore")
from pina import Condition as Given, LabelTensor, Trainer
from pina.domain import CartesianDomain
from pina.equation import Equation
from pina.operator import grad, laplacian
from pina.optim import TorchOptimizer
from pina.problem import SpatialProblem
from pina.solver import PhysicsInformedSingleModelSolver

torch.set_default_dtype(torch.float64)
plain = lambda tensor: tensor.as_subclass(torch.Tensor)

def momentum(x, y):
    slopes = grad(y, x, components=fields, d=["x", "y"])
    bend = plain(laplacian(y, x, components=["ux", "uy"], d=["x", "y"]))
    slope = lambda name: plain(slopes.extract([name]))
    u, v = plain(y.extract(["ux"])), plain(y.extract(["uy"]))
    rows = [
        u * slope(f"d{n}dx") + v * slope(f"d{n}dy") + slope(f"dpd{a}") - bend[:, i : i + 1] / 40
        for i, (n, a) in enumerate([("ux", "x"), ("uy", "y")])
    ]
    return LabelTensor(torch.cat(rows, 1), ["x", "y"])

def velocity(x, y):
    true = flow.fields(plain(x.extract(["x", "y"])).detach())
    given = torch.stack([true[k] for k in names.values()], 1)
    return y.extract(["ux", "uy"]) - LabelTensor(given, ["ux", "uy"])

sides = {"x": [-0.5, 1.0], "y": [-0.5, 1.5]}
ends = {f"{a}{e}": CartesianDomain({**sides, a: e}) for a in "xy" for e in sides[a]}
domains = {"inside": CartesianDomain(sides), **ends}

class Flow(SpatialProblem):
    output_variables = fields
    spatial_domain = domains["inside"]
    domains = domains
    conditions = {
        n: Given(domain=n, equation=Equation(momentum if n == "inside" else velocity)) for n in domains
    }

problem = Flow()
for name in domains:
    problem.discretise_domain(100 if name == "inside" else 15, "lh", domains=name)

def losses(head):
    SHOWN
    def loss():
        total = 0.0
        for name, where in domains.items():
            at = where.sample(50, "lh").requires_grad_()
            missed = plain((momentum if name == "inside" else velocity)(at, solver.forward(at)))
            total += float(missed.square().mean())
        return total
    before = loss()
    if head is fresh:
        quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
        Trainer(solver, max_epochs=30, accelerator="cpu", enable_model_summary=False, **quiet).train()
    return [before, loss()]
"""

END = """
found = {"fresh": losses(fresh), "solved": losses(solved)}
print(json.dumps({**found, "divergence": [divergence(fresh), divergence(solved)]}))
"""


@pytest.mark.slow  # the two packages take seconds to import
@pytest.mark.parametrize(
    ("package", "word", "setting"),
    [("deepxde", "dde.Model", DEEPXDE), ("pina", "TorchOptimizer", PINA)],
    ids=["DeepXDE", "PINA"],
)
def test_the_lines_of_the_readme_work(root, tmp_path, package, word, setting):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    blocks = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    (shown,) = (block for block in blocks if word in block)
    assert len([line for line in shown.splitlines() if line.strip()]) <= 5
    script = tmp_path / "inside.py"
    shown = shown.replace("lr=1e-3", "lr=1e-2")  # 30 steps are few
    script.write_text(SETTING + setting.replace("    SHOWN", "    " + shown.replace("\n", "\n    ")) + END)
    environment = {**os.environ, "DDE_BACKEND": "pytorch", "PYTHONPATH": str(root)}
    run = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert max(found["divergence"]) < 1e-12  # exact in torch's own Jacobian
    assert found["fresh"][1] < 0.8 * found["fresh"][0]  # it trains
    assert found["solved"][0] < 1e-6 * found["fresh"][0]  # their own residuals say that our solution is one
