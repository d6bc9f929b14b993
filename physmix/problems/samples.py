"""Points of a region or of a part of its boundary, and what each of them stands for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from physmix.errors import SettingsError


@dataclass(frozen=True)
class Sample:
    """Points of a region, or of a part of its boundary.

    Attributes:
        points: (point, coordinate).
        normals: outward unit normals in space, (point, coordinate), zero along time; zero inside.
        share: the volume or area that each point stands for, over that of an even one: less where they
            are dense, so that a mean with these weights is that over the region.
    """

    points: Float[Tensor, "point coordinate"]
    normals: Float[Tensor, "point coordinate"]
    share: Float[Tensor, " point"]

    @classmethod
    def of(
        cls, points: Float[Tensor, "point coordinate"], share: Float[Tensor, " point"] | None = None
    ) -> Sample:
        """Points of your own inside of a region, each with its share; all alike where omitted.

        Raises:
            SettingsError: if there is none, or a number is not finite, or a share is negative.
        """
        share = points.new_ones(len(points)) if share is None else share
        if not len(points) or not bool(points.isfinite().all() and share.isfinite().all()):
            raise SettingsError("a sample", "it is empty, or a number in it is not finite", "correct it")
        if bool((share < 0).any()) or not float(share.sum()) > 0:
            raise SettingsError("a sample", "a share is negative, or all are zero", "give positive shares")
        return cls(points.double(), torch.zeros_like(points.double()), share.double() / share.double().mean())

    def __len__(self) -> int:
        return len(self.points)

    def where(self, kept: Bool[Tensor, " point"]) -> Sample:
        """Some of the points."""
        return replace(self, points=self.points[kept], normals=self.normals[kept], share=self.share[kept])

    def __getitem__(self, places: slice) -> Sample:
        """Points in a row."""
        return Sample(self.points[places], self.normals[places], self.share[places])

    def first(self, count: int) -> Sample:
        """The first points, with shares of one on average."""
        some = self[:count]
        return replace(some, share=some.share / some.share.mean())


def joined(*samples: Sample) -> Sample:
    """All points of several samples."""
    return Sample(
        *(torch.cat(p) for p in zip(*((s.points, s.normals, s.share) for s in samples), strict=True))
    )
