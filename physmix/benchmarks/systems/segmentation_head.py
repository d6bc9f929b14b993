"""Land use of Indian Pines: a segmentation head is a multinomial logistic regression at each pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from physmix.applications.segmentation import IGNORED, fit_head, regression_loss, segmentation_head
from physmix.benchmarks.foreign import package
from physmix.benchmarks.roads import closure
from physmix.benchmarks.row import Row, ours, peer
from physmix.benchmarks.systems.optima import EXCESS
from physmix.benchmarks.systems.pines import CROPS, indian_pines
from physmix.benchmarks.systems.shown import Shown
from physmix.mixing import MixingLayer, mix
from physmix.optimization import projected, violations
from physmix.reporting import Image

CASE = "segmentation head"


def demonstrate(*, seed: int = 0, share: float = 0.1, penalty: float = 1.0) -> Shown:
    """The minimum of the regression beside that of scikit-learn, and both maps of labels.

    Args:
        seed: of the split.
        share: of the labelled pixels of each class that are trained on, drawn at random: neighbours of
            test pixels are among them, so that accuracies are optimistic.
        penalty: on the squares of the weights.
    """
    scene = indian_pines()
    cube, truth = scene.cube.numpy(), scene.labels.astype(int)
    train = _split(truth, share, seed)
    features = torch.from_numpy((cube - cube[train].mean(0)) / cube[train].std(0))
    labels = torch.from_numpy(np.where(train, truth - 1, IGNORED))
    classes = int(truth.max())

    def head() -> MixingLayer:
        generator = torch.Generator().manual_seed(seed)
        return segmentation_head(
            features.shape[-1], classes, axis=-1, dtype=torch.float64, generator=generator
        )

    regression = package("sklearn.linear_model").LogisticRegression(
        C=1 / penalty, tol=1e-10, max_iter=100_000
    )
    regression.fit(features[train].numpy(), truth[train] - 1)
    theirs = head()
    with torch.no_grad():
        theirs.weight.copy_(torch.from_numpy(regression.coef_))
        theirs.bias.copy_(torch.from_numpy(regression.intercept_))  # type: ignore[union-attr]
        least = float(regression_loss(theirs, features, labels, penalty))
        guess = theirs(features).argmax(-1)
    found = fit_head(head(), features, labels, penalty)
    with torch.no_grad():
        excess = float(regression_loss(found, features, labels, penalty)) / least - 1
        logits = found(features)
        own = logits.argmax(-1)
    known = torch.from_numpy(truth > 0)
    test = known & ~torch.from_numpy(train)
    right = torch.from_numpy(truth - 1)
    agree = float((own == guess)[known].double().mean())
    wild = 100 * features.abs().max() * torch.randn_like(features[:20, :20])
    rows = [
        ours(CASE, EXCESS, excess, system="L-BFGS in null-space coordinates", target="<= 1e-6"),
        ours(CASE, "labels as scikit-learn's", agree, target=">= 0.999"),
        ours(CASE, _ACCURACY, float((own == right)[test].double().mean()), target=">= 0.75"),
        peer(CASE, "scikit-learn", _ACCURACY, float((guess == right)[test].double().mean())),
        ours(CASE, _SUM, _relative_sum(found(wild)), target="<= 1e-12"),
        peer(CASE, "scikit-learn", _SUM, _relative_sum(theirs(wild))),
        peer(CASE, "free head, Adam", _SUM, _relative_sum(_free(features[train], right[train], wild, seed))),
        *_roads(features[train], right[train], penalty, least),
    ]
    panels = [
        Image("three bands as red, green and blue", _false_colour(cube)),
        Image("labels", truth, labels=CROPS),
        Image("physmix, every pixel", (own + 1).numpy(), labels=CROPS),
    ]
    return Shown(rows, panels)


_ACCURACY = "accuracy, random split (optimistic)"
_SUM = "sum of the logits over their size, wild inputs"


def _split(truth: NDArray[Any], share: float, seed: int) -> NDArray[np.bool_]:
    random = np.random.default_rng(seed)
    train = np.zeros(truth.shape, bool)
    for label in range(1, int(truth.max()) + 1):
        places = np.flatnonzero(truth == label)
        train.flat[random.choice(places, max(1, round(share * len(places))), replace=False)] = True
    return train


def _false_colour(cube: NDArray[Any]) -> NDArray[Any]:
    """Near infrared, red and green, each from its 2nd to its 98th percentile."""
    bands = cube[:, :, [50, 27, 17]]
    low, high = np.percentile(bands, (2, 98), (0, 1))
    return np.clip((bands - low) / (high - low), 0, 1)


def _relative_sum(logits: Tensor) -> float:
    return float((logits.detach().sum(-1).abs() / logits.detach().abs().sum(-1)).max())


class _Whitened(nn.Module):
    """The regression in coordinates V = W T^-1, where W = V T and T^T T is near the inverse curvature."""

    def __init__(
        self, head: MixingLayer, rows: Tensor, labels: Tensor, penalty: float, white: Tensor
    ) -> None:
        super().__init__()
        self.head, self.rows, self.labels = head, rows @ white.mT, labels
        self.penalty, self.white = penalty, white

    def forward(self) -> Tensor:
        logits = mix(self.rows, self.head.weight, self.head.bias)
        loss = nn.functional.cross_entropy(logits, self.labels, reduction="sum")
        return loss + 0.5 * self.penalty * (self.head.weight @ self.white).square().sum()


_ROADS = {"projected SGD": (300, 500, 700), "projected Adam": (300, 700, 5000)}
"""Steps before coordinates are made anew, by the curvature where the last ones ended."""


def _roads(rows: Tensor, labels: Tensor, penalty: float, least: float) -> list[Row]:
    """Projected SGD and Adam, whitened: zero sums over classes are the same condition on V."""
    classes, channels = int(labels.max()) + 1, rows.shape[1]
    found = []
    for system, stages in _ROADS.items():
        weight, bias = rows.new_zeros(classes, channels), rows.new_zeros(classes)
        curvature = torch.full_like(rows[:, 0], 0.1)  # of a pixel: from 0, certain, to 0.25, undecided
        for steps in stages:
            normal = (rows * curvature[:, None]).mT @ rows
            values, vectors = torch.linalg.eigh(normal + penalty * torch.eye(channels, dtype=rows.dtype))
            white = (vectors * values.rsqrt()) @ vectors.mT
            head = segmentation_head(channels, classes, axis=-1, dtype=rows.dtype)
            with torch.no_grad():
                head.weight.copy_(weight @ (vectors * values.sqrt()) @ vectors.mT)
                head.bias.copy_(bias)  # type: ignore[union-attr]
            problem = _Whitened(head, rows, labels, penalty, white)
            _descend(problem, system, steps, last=steps == stages[-1])
            with torch.no_grad():
                weight, bias = head.weight @ white, head.bias.clone()  # type: ignore[union-attr]
                shares = mix(rows, weight, bias).softmax(-1)
                curvature = (shares * (1 - shares)).mean(-1).clamp_min(1e-3)
        found.append(
            ours(CASE, EXCESS, float(problem().detach()) / least - 1, system=system, target="<= 1e-6")
        )
        worst = max(violations(head).values())
        found.append(ours(CASE, "violation of the zero sums", worst, system=system, target="<= 1e-13"))
    return found


def _descend(problem: _Whitened, system: str, steps: int, *, last: bool) -> None:
    """Adam's steps get shorter by 10, and in the end by 1000; those of SGD stay."""
    parameters: Any = [{"params": [problem.head.weight]}, {"params": [problem.head.bias]}]
    if "SGD" in system:
        parameters[1]["lr"] = 0.002  # a pixel counts for one along the bias
        optimizer: torch.optim.Optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.98, nesterov=True)
    else:
        optimizer = torch.optim.Adam(parameters, lr=0.03)
    projected(optimizer, problem.head)
    power = 0 if "SGD" in system else 3 if last else 1
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 10 ** (-power * step / steps))
    evaluate = closure(problem, optimizer)
    for _ in range(steps):
        evaluate()
        optimizer.step()
        decay.step()


def _free(rows: Tensor, labels: Tensor, wild: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    layer = nn.Linear(rows.shape[1], int(labels.max()) + 1, dtype=torch.float64)
    adam = torch.optim.Adam(layer.parameters(), lr=0.01)
    for _ in range(50):
        adam.zero_grad()
        nn.functional.cross_entropy(layer(rows), labels).backward()
        adam.step()
    return layer(wild)
