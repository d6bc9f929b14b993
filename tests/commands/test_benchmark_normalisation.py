"""The benchmark of normalised networks: its figures, and the twin that must fail."""

from physmix.benchmarks.laws import _LIBRARY
from physmix.benchmarks.normalisation import normalisation_case


def test_normalised_networks_hold_laws_and_units_afterwards_do_not(monkeypatch):
    monkeypatch.setattr("physmix.benchmarks.normalisation.STEPS", 5)
    rows = normalisation_case(_LIBRARY["mass"])("normalisation, mass")
    own = [row for row in rows if row.target]
    twins = [row for row in rows if row.system.startswith("units afterwards")]
    assert (len(own), len(twins), len(rows)) == (8, 2, 14)
    assert all(row.holds for row in own)
    assert all(row.value > 1e-3 for row in twins)
