"""Segmentation heads: zero sums for every input, at the minimum of scikit-learn's regression."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from physmix.applications import fit_head, regression_loss, segmentation_head
from physmix.applications.segmentation import IGNORED
from physmix.errors import NoFreedomError, SamplesError, SettingsError, ShapeError
from physmix.mixing import MixingLayer
from physmix.optimization import projected, violations


@pytest.fixture(params=[(3, 3), (5, 2), (4, 5)], ids=lambda p: f"{p[0]} channels, {p[1]} classes")
def scene(request, generator):
    """Images (2, channel, 7, 5) of overlapping classes, some pixels without a label."""
    channels, classes = request.param
    labels = torch.randint(0, classes, (2, 7, 5), generator=generator)
    middles = torch.randn(classes, channels, generator=generator).double()
    images = (middles[labels] + torch.randn(2, 7, 5, channels, generator=generator)).movedim(-1, 1)
    labels[torch.rand(labels.shape, generator=generator) < 0.3] = IGNORED
    return images, labels, classes


def test_the_minimum_is_that_of_scikit_learn(scene, generator):
    images, labels, classes = scene
    head = segmentation_head(images.shape[1], classes, dtype=torch.float64, generator=generator)
    fit_head(head, images, labels, penalty=0.5)
    known = labels != IGNORED
    rows, named = images.movedim(1, -1)[known].numpy(), labels[known].numpy()
    theirs = LogisticRegression(C=2.0, tol=1e-12, max_iter=10_000).fit(rows, named)
    if classes > 2:
        assert abs(theirs.coef_ - head.weight.detach().numpy()).max() < 1e-5
    guess = head(images).movedim(1, -1)[known].argmax(-1).numpy()
    assert (guess == theirs.predict(rows)).all()
    found = float(regression_loss(head, images, labels, 0.5).detach())
    assert torch.optim.LBFGS(head.parameters())  # plain parameters again
    with torch.no_grad():
        for _ in range(20):  # no lawful neighbour is better
            near = segmentation_head(images.shape[1], classes, dtype=torch.float64, generator=generator)
            near.weight.mul_(1e-3).add_(head.weight)
            near.bias.copy_(head.bias)
            assert float(regression_loss(near, images, labels, 0.5)) >= found


def test_logits_sum_to_zero_for_every_input_while_it_learns(scene, generator):
    images, labels, classes = scene
    lawful = segmentation_head(images.shape[1], classes, dtype=torch.float64, generator=generator)
    free = MixingLayer(images.shape[1], classes, axis=1, dtype=torch.float64, generator=generator)
    for head in (lawful, free):
        adam = torch.optim.Adam(head.parameters(), lr=0.05)
        if head is lawful:
            projected(adam, head)
        for _ in range(20):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(head(images), labels, ignore_index=IGNORED).backward()
            adam.step()
    assert max(violations(lawful).values()) < 1e-15
    wild = 1e4 * images
    assert (lawful(wild).sum(1).abs() / lawful(wild).abs().sum(1)).max() < 1e-14
    assert (free(wild).sum(1).abs() / free(wild).abs().sum(1)).max() > 0.01


def test_a_head_in_float32_ends_at_the_same_minimum(scene):
    images, labels, classes = scene
    heads = [
        segmentation_head(images.shape[1], classes, dtype=kind) for kind in (torch.float32, torch.float64)
    ]
    single, double = (fit_head(head, images.to(head.weight), labels) for head in heads)
    assert single.weight.dtype is torch.float32
    torch.testing.assert_close(single.weight.double(), double.weight, rtol=1e-5, atol=1e-5)
    assert max(violations(single).values()) < 1e-6


def test_what_cannot_be_fitted_is_refused(scene, generator):
    images, labels, classes = scene
    with pytest.raises(NoFreedomError):
        segmentation_head(3, 1)
    head = segmentation_head(images.shape[1], classes, dtype=torch.float64, generator=generator)
    with pytest.raises(SamplesError, match="none is labelled"):
        fit_head(head, images, torch.full_like(labels, IGNORED))
    with pytest.raises(SamplesError, match="raise the penalty"):
        fit_head(head, images, labels, rounds=0)
    assert type(head.weight) is torch.nn.Parameter


@pytest.mark.parametrize("run", [regression_loss, fit_head])
def test_labels_that_are_none_are_refused(run, generator):
    head = segmentation_head(2, 3, dtype=torch.float64)
    features = torch.randn(1, 2, 4, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (1, 4, 5), generator=generator)
    run(head, features, labels.to(torch.int32))
    for wrong in (labels + 1, labels - 1, labels.double()):
        with pytest.raises(SamplesError, match="none of the classes"):
            run(head, features, wrong)
    with pytest.raises(ShapeError, match="labels of a segmentation"):
        run(head, features, labels[:, :3])
    with pytest.raises(ShapeError, match="features of a segmentation"):
        run(head, features[:, :1], labels)
    with pytest.raises(SettingsError, match="penalty"):
        fit_head(head, features, labels, -1.0)
