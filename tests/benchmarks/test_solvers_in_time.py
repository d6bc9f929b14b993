"""The benchmark of solvers: who is ahead in equal time, and one optimum for all."""

import pytest

from physmix.benchmarks import solvers


def test_rows_compare_errors_in_equal_time():
    pytest.importorskip("pytorch_optimizer")
    rows = {row.metric: row for row in solvers.equal_time(seconds=0.5, hidden=(6,))("case")}
    assert {"lbfgs", "soap", "adam"} <= {name.split(", ")[-1] for name in rows}
    ratio = rows["error over that of levenberg-marquardt, adam"]
    errors = [rows[f"mean relative error, {name}"].value for name in ("adam", "levenberg-marquardt")]
    assert ratio.value == pytest.approx(errors[0] / errors[1])
    assert ratio.holds is (ratio.value >= 5)
    assert rows["steps, adam"].value > 1
