"""Segmentation heads: logits of classes at each pixel, by a 1x1 layer that is a logistic regression."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from physmix.constraints import on_outputs
from physmix.errors import SamplesError, SettingsError, ShapeError
from physmix.mixing import MixingLayer, mix
from physmix.optimization import fixed_weights, free_coordinates, project_weights

IGNORED = -100
"""The label of a pixel of which nothing is known, as in `torch.nn.functional.cross_entropy`."""


def segmentation_head(
    channels: int,
    classes: int,
    *,
    axis: int = 1,
    dtype: torch.dtype | None = None,
    generator: torch.Generator | None = None,
) -> MixingLayer:
    """A 1x1 layer from features to logits that sum to zero over the classes, for every feature.

    Shares of classes do not change when one number is added to all logits; with zero sums the
    weights of given shares are unique, and each logit reads "above the mean of the classes".

    Args:
        channels: features of a pixel.
        classes: two or more.
        axis: of the channels.
        dtype: of the parameters.
        generator: source of the weights.

    Raises:
        NoFreedomError: with one class.
    """
    members = on_outputs(torch.ones(1, classes, dtype=torch.float64), names=["sum over classes"])
    return MixingLayer(channels, classes, members, axis=axis, dtype=dtype, generator=generator)


def regression_loss(head: MixingLayer, features: Tensor, labels: Tensor, penalty: float = 1.0) -> Tensor:
    """Sum of -log(share of the true class) over the labelled pixels + penalty / 2 |W|^2.

    It is the objective of multinomial logistic regression (Hastie, Tibshirani and Friedman, "The elements of
    statistical learning", 2009, section 4.4), with no penalty on the bias.

    Args:
        head: from `segmentation_head`.
        features: with the channels along the head's axis.
        labels: of the same shape without that axis, 0 to classes - 1; IGNORED where there is none.
        penalty: on the squares of the weights.

    Raises:
        ShapeError: if the labels are those of other pixels, or the features of another head.
        SamplesError: if a label is no class.
    """
    rows, named = _pixels(head, features, labels)
    return _loss(head, rows.flatten(0, -2), named.flatten(), penalty)


def _pixels(head: MixingLayer, features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Features with their channels last, and labels as torch wants them."""
    classes, channels = head.weight.shape
    if not -features.ndim <= head.axis < features.ndim or features.shape[head.axis] != channels:
        expected = f"{channels} channels along axis {head.axis}"
        raise ShapeError("the features of a segmentation", features.shape, expected)
    rows = features.movedim(head.axis, -1)
    if labels.shape != rows.shape[:-1]:
        raise ShapeError("the labels of a segmentation", labels.shape, f"{tuple(rows.shape[:-1])}")
    known = labels[labels != IGNORED]
    whole = not (labels.is_floating_point() or labels.is_complex())
    if not whole or not bool(((known >= 0) & (known < classes)).all()):
        remedy = f"give whole numbers 0 to {classes - 1}, or {IGNORED} where it is not known"
        raise SamplesError("a segmentation", "a label is none of the classes", remedy)
    return rows, labels.long()


def _loss(head: MixingLayer, rows: Tensor, labels: Tensor, penalty: float) -> Tensor:
    logits = mix(rows, head.weight, head.bias)
    loss = nn.functional.cross_entropy(logits, labels, reduction="sum", ignore_index=IGNORED)
    return loss + 0.5 * penalty * head.weight.square().sum()


def fit_head(
    head: MixingLayer,
    features: Tensor,
    labels: Tensor,
    penalty: float = 1.0,
    *,
    tolerance: float = 1e-7,
    rounds: int = 100,
) -> MixingLayer:
    """Train a head to the minimum of `regression_loss`, by L-BFGS in free coordinates.

    It is done in float64, whatever the dtype of the head. Features of very different sizes take many
    steps: divide each by its standard deviation first.

    Args:
        head: from `segmentation_head`.
        features: with the channels along the head's axis.
        labels: of the same shape without that axis, 0 to classes - 1; IGNORED where there is none.
        penalty: on the squares of the weights; positive, or classes that can be told apart exactly
            have no minimum.
        tolerance: on the gradient of the loss, over the number of labelled pixels.
        rounds: of 100 steps, at most.

    Returns:
        The head.

    Raises:
        ShapeError: if the labels are those of other pixels, or the features of another head.
        SamplesError: if no pixel is labelled, a label is no class, a feature of a labelled pixel is not
            finite, or the minimum is not reached in these rounds.
        SettingsError: if the penalty is negative.
    """
    if not 0 <= penalty < float("inf"):
        raise SettingsError("a segmentation", f"penalty={penalty}", "give a finite number of 0 or more")
    rows, named = _pixels(head, features, labels)
    known = named != IGNORED
    rows, named = rows[known].double(), named[known]
    if not len(named) or not bool(rows.isfinite().all()):
        raise SamplesError("a segmentation", "none is labelled, or one is not finite", "label finite pixels")
    precise = free_coordinates(copy.deepcopy(head).double())
    optimizer = torch.optim.LBFGS(
        precise.parameters(),
        max_iter=100,
        history_size=50,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _loss(precise, rows, named, penalty)
        loss.backward()
        return loss

    slope, bound = float("inf"), tolerance * len(named)
    for _ in range(rounds):
        optimizer.step(closure)
        closure()
        slope = max(float(p.grad.abs().max()) for p in precise.parameters() if p.grad is not None)
        if slope <= bound:
            break
    if not slope <= bound:
        raise SamplesError(
            "a segmentation",
            f"after {100 * rounds} steps the gradient is {slope:.1e}",
            "divide features by their standard deviation, raise the penalty, or allow more rounds",
        )
    head.load_state_dict(fixed_weights(precise).state_dict())
    project_weights(head)
    return head
