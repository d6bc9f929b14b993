"""Networks that balance: the closed form, other weights, far inputs, and twins that must fail."""

import numpy as np
import pytest
import torch

from physmix.applications import balanced_layer, imbalance, incidence, reconcile
from physmix.benchmarks.systems.optima import EXCESS, Quadratic, optima
from physmix.constraints import on_outputs
from physmix.errors import NoFreedomError, SettingsError, ShapeError
from physmix.optimization import projected

STARTS, ENDS = [0, 0, 1, 2, 1, 3, 4], [1, 2, 2, 3, 3, 4, 0]


@pytest.fixture
def balances():
    """A ring with short cuts, of which one balance follows from the others; all links and two leaks."""
    leaks = torch.zeros(5, 2, dtype=torch.float64)
    leaks[1, 0] = leaks[3, 1] = -1
    return torch.cat([incidence(5, STARTS, ENDS), leaks], 1)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_incidence_counts_what_arrives_and_leaves():
    matrix = incidence(3, [0, 0, 1], [1, 1, 1])
    assert matrix.tolist() == [[-1, -1, 0], [1, 1, 0], [0, 0, 0]]  # a loop adds nothing
    with pytest.raises(SettingsError, match=r"outside 0\.\.2"):
        incidence(3, [0], [3])
    with pytest.raises(ShapeError):
        incidence(3, [0], [1, 2])


@pytest.mark.parametrize("kind", ["equal", "independent", "correlated"])
def test_reconciliation_is_the_textbook_projection(balances, kind):
    size = balances.shape[1]
    root = draw(size, size)
    variance = {
        "equal": torch.eye(size).double(),
        "independent": (0.1 + draw(size).square()).diag(),
        "correlated": root @ root.T + torch.eye(size),
    }[kind]
    given = {"equal": None, "independent": variance.diagonal(), "correlated": variance}[kind]
    layer = reconcile(balances, given).requires_grad_(False)
    spread = balances @ variance @ balances.T
    expected = torch.eye(size) - variance @ balances.T @ torch.linalg.pinv(spread) @ balances
    torch.testing.assert_close(layer.weight.detach(), expected, rtol=1e-10, atol=1e-10)
    for scale in (1.0, 100.0, 1e6):
        noisy = scale * draw(9, size)
        assert float(imbalance(layer(noisy), balances).max()) < 1e-14
        assert float(imbalance(noisy, balances).max()) > 0.1  # the twin


def test_certain_flows_move_less(balances):
    variance = torch.ones(balances.shape[1]).double()
    variance[0] = 1e-6
    noisy = draw(4, balances.shape[1])
    moved = (reconcile(balances, variance)(noisy).detach() - noisy).abs().mean(0)
    assert moved[0] < 1e-4 < moved[1:].min()
    with pytest.raises(SettingsError, match="leave known flows out"):
        reconcile(balances, 0 * variance)
    with pytest.raises(ShapeError):
        reconcile(balances, variance[1:])


def test_a_trained_layer_balances_on_noisy_targets_and_far_inputs(balances):
    size = balances.shape[1]
    layer = balanced_layer(3, balances, generator=torch.Generator().manual_seed(1))
    free = torch.nn.Linear(3, size, dtype=torch.float64)
    inputs, targets = draw(40, 3), draw(40, size, seed=2)
    for model in (layer, free):
        adam = torch.optim.Adam(model.parameters(), lr=0.05)
        optimizer = projected(adam, model) if model is layer else adam
        for _ in range(30):
            optimizer.zero_grad()
            (model(inputs) - targets).square().mean().backward()
            optimizer.step()
    with torch.no_grad():
        for scale in (0.0, 1.0, 100.0):
            assert float(imbalance(layer(scale * inputs), balances).max()) < 1e-14
            assert float(imbalance(free(scale * inputs), balances).max()) > 1e-2


def test_every_road_ends_at_the_closed_form_and_the_naive_one_does_not():
    design, matrix, side = draw(12, 5), draw(2, 3), draw(2, 5, seed=4)
    target = draw(12, 3, seed=3)
    members = on_outputs(matrix, side)
    free = torch.linalg.lstsq(design, target).solution.T
    # Outputs are tied and inputs shared: the nearest lawful outputs of the free fit.
    best = free + torch.linalg.pinv(matrix) @ (side - matrix @ free)
    rows = optima("a", lambda: Quadratic(members, design, target), best)
    assert [row.metric for row in rows] == [EXCESS] * 4
    assert all(abs(row.value) < 1e-6 for row in rows[:3])
    assert rows[3].value > 1e-3


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda a: reconcile(torch.eye(3)), NoFreedomError, "no freedom"),
        (
            lambda a: reconcile(a, torch.tensor([1.0, 2.0, torch.inf])),
            SettingsError,
            "not positive and finite",
        ),
        (lambda a: reconcile(a, torch.eye(3) - 0.9), SettingsError, "positive"),
        (lambda a: reconcile(a, torch.ones(3, 3)), SettingsError, "positive definite"),
        (lambda a: reconcile(a, torch.eye(3) + torch.ones(3, 3).triu(1) / 9), SettingsError, "symmetric"),
        (lambda a: imbalance(torch.ones(2, 4), a), ShapeError, "flows of a network"),
        (lambda a: imbalance(torch.ones(2, 3), a[:0]), ShapeError, "flows of a network"),
    ],
)
def test_what_is_no_network_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.tensor([[1.0, -1.0, 0.0]]))


def test_ends_of_links_may_be_tensors_or_arrays():
    starts, ends = [0, 1, 0], [1, 2, 2]
    expected = torch.tensor([[-1.0, 0, -1], [1, -1, 0], [0, 1, 1]]).double()
    for kind in (list, torch.tensor, np.array):
        assert torch.equal(incidence(3, kind(starts), kind(ends)), expected)
    assert float(imbalance(torch.tensor([2, 2, 1]), expected[1:2])) == 0
