"""The channel with a bump beside finite elements."""

import pytest
import torch

from physmix.benchmarks.bump import VISCOSITY, Bump, bump_case, by_finite_elements, force


@pytest.mark.slow
def test_errors_are_as_stated_and_the_force_is_that_of_finite_elements():
    pytest.importorskip("skfem")
    rows = {row.metric: row.value for row in bump_case("bump", Bump(features=70, points=2000), (60, 6))}
    assert rows["mean relative error"] < 0.02
    for name in ("ux", "uy", "p"):
        assert 0.2 < rows[f"stated error of {name}"] / rows[f"relative error of {name}"] < 5
    assert rows["drag off"] < 5e-3
    assert rows["lift off"] < 2e-2
    assert rows["violation over its bound"] < 1


def test_the_force_on_the_floor_balances_that_of_the_flow():
    pytest.importorskip("skfem")
    flow = by_finite_elements(32, 5)
    drag, lift = force(flow)
    # Poiseuille's flow alone rubs with 4 viscosity on the floor; over the bump there is more of it.
    assert drag > 4 * 4 * VISCOSITY
    assert lift < 0
    inflow = flow.fields(torch.tensor([[1e-9, 0.5]], dtype=torch.float64))
    assert float(inflow["velocity_x"]) == pytest.approx(1.0, abs=1e-6)
