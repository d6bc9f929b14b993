"""Demonstrations on real data: every figure of ours reaches its target, and twins do not."""

import pytest

pytest.importorskip("skimage")  # the extra `applications`

from physmix.benchmarks.systems import (
    channel_attention,
    distance_bands,
    feature_pyramid,
    node_transform,
    orthogonal_shortcut,
    segmentation_head,
    squeeze_excite,
)
from physmix.reporting import draw_panels


def figures(shown):
    """Values by system and metric; ours must hold."""
    short = [row for row in shown.rows if row.holds is False]
    assert not short
    assert any(row.target for row in shown.rows)
    assert draw_panels(shown.panels, "title", shown.columns).startswith(b"\x89PNG")
    return {(row.system, row.metric): row.value for row in shown.rows}


@pytest.mark.slow
def test_contacts_are_learnt_from_two_proteins_and_found_on_a_third():
    pytest.importorskip("MDAnalysis")
    found = figures(distance_bands.demonstrate())
    assert found["MDAnalysis", "contacts of 1AKE"] == found["scipy KDTree", "contacts of 1AKE"] == 582
    assert found["free weights", "sum of the shares off one, to 1,000 angstrom"] > 0.1
    assert found["torch lstsq, free", "sums of fitted weights off their values"] > 1e-3
    assert found["Adam, step then project", "excess over the optimum"] > 0.01


def test_a_graph_without_messages_knows_labelled_nodes_alone():
    pytest.importorskip("torch_geometric")
    found = figures(node_transform.demonstrate())
    assert found["physmix", "accuracy, 0 propagations"] == 0.5
    assert found["GCNConv", "Jacobian between different nodes"] > 0.01
    assert found["GCNConv's matrix", "sums of features, off after a propagation"] > 0.1


@pytest.mark.slow
def test_a_head_is_the_regression_of_scikit_learn():
    pytest.importorskip("tensorly")
    found = figures(segmentation_head.demonstrate())
    assert found["free head, Adam", "sum of the logits over their size, wild inputs"] > 0.1


@pytest.mark.slow
def test_norms_stay_and_structures_are_laid_as_scipy_does():
    pytest.importorskip("geotorch")
    found = figures(orthogonal_shortcut.demonstrate(steps=600))
    assert found["free weights", "norm ratio off one, worst pixel, 100 layers"] > 0.5
    assert found["polar factor alone", "determinant, 4AKE mirrored"] < 0


@pytest.mark.slow
def test_attention_lies_between_one_mixture_and_many():
    found = figures(channel_attention.demonstrate())
    assert found["Adam, step then project", "excess over the optimum"] > 0.1


def test_a_pyramid_is_that_of_torchvision():
    pytest.importorskip("torchvision")
    found = figures(feature_pyramid.demonstrate())
    assert found["3x3 convolution", "before off after repeating the nearest point"] > 0.1


def test_an_excitation_is_that_of_torchvision():
    pytest.importorskip("torchvision")
    found = figures(squeeze_excite.demonstrate())
    assert found["torchvision", "weights in ResNet-50"] == 2_514_944
