"""The shear layers of the benchmark, thick and slow, beside the spectral method."""

from dataclasses import replace

import pytest

from physmix.benchmarks.unsteady import ShearLayers, errors

pytest.importorskip("torch_cfd")


def test_thick_layers_are_those_of_the_spectral_method():
    layers = ShearLayers((4, 9), windows=2, reynolds=100.0, duration=0.1, steepness=6.0)
    found = layers.march()
    missed = errors(found, layers.reference(modes=32, snapshots=3, step=0.005))
    assert float(missed.max()) < 1e-6
    wrong = ShearLayers(layers.waves, reynolds=50.0, duration=0.1, steepness=6.0)
    other = errors(found, wrong.reference(modes=32, snapshots=3, step=0.005))
    assert float(other[-1].max()) > 1e3 * float(missed[-1].max())
    fewer = replace(layers, waves=(3, 6)).march()
    assert errors(fewer, layers.reference(modes=32, snapshots=3, step=0.005))[-1].min() > 5 * missed[-1].max()
    assert all(one.holds for window in found.windows for one in window.judge(points=16, boxes=1))
