"""Orthonormal matrices: isometries, their transposes, and rotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from physmix.constraints.set import ConstraintSet, Kind, check_real
from physmix.errors import SettingsError, ShapeError

_NEAR = 0.5  # within this distance of orthonormal, Newton-Schulz converges without singular values


class Orthonormal(ConstraintSet):
    """Matrices W, (outputs, inputs) on the last two axes, with orthonormal columns or rows.

    Real or complex. With orthonormal columns, W^H W = I, the layer is an isometry: it keeps the norm
    of every input; that needs outputs >= inputs. With orthonormal rows, W W^H = I, it is a
    projection onto fewer channels.

    Args:
        of: "columns" for an isometry, or "rows".

    Raises:
        SettingsError: for another word.
    """

    axes, kind = 2, Kind.MANIFOLD

    def __init__(self, of: Literal["columns", "rows"] = "columns") -> None:
        if of not in ("columns", "rows"):
            raise SettingsError("an orthonormal set", f"of={of!r}", "give 'columns' or 'rows'")
        self.of = of

    def _tall(self, matrix: Tensor) -> Tensor:
        self.check_shape(matrix.shape)
        return matrix if self.of == "columns" else matrix.mH

    def project(self, weight: Tensor) -> Tensor:
        """The polar factor: the nearest member in the Frobenius norm.

        Near the set by Newton-Schulz iteration (Higham, Functions of Matrices, 2008, section 8.3),
        which is where each training step ends; elsewhere by singular values.
        """
        tall = self._tall(weight)
        out = self._polar(tall)
        return out if self.of == "columns" else out.mH.contiguous()

    def _polar(self, tall: Tensor) -> Tensor:
        defect = self._defect(tall)
        largest = float(torch.linalg.matrix_norm(defect.detach()).amax()) if defect.numel() else 0.0
        if not largest < _NEAR:
            left, _, right = torch.linalg.svd(tall, full_matrices=False)
            return left @ right
        # Each step squares the defect; after the last one only round-off is left.
        enough = 4 * torch.finfo(tall.dtype).eps ** 0.5
        while True:
            tall = tall - 0.5 * (tall @ defect)
            if largest < enough:
                return tall
            defect = self._defect(tall)
            largest = float(torch.linalg.matrix_norm(defect.detach()).amax())

    @staticmethod
    def _defect(tall: Tensor) -> Tensor:
        eye = torch.eye(tall.shape[-1], dtype=tall.dtype, device=tall.device)
        return tall.mH @ tall - eye

    def residual(self, weight: Tensor) -> Tensor:
        """W^H W - I, or W W^H - I."""
        return self._defect(self._tall(weight))

    def map_gradient(self, weight: Tensor, gradient: Tensor, step: float = 1.0) -> Tensor:
        """The Riemannian gradient: G - W sym(W^H G), the part of G along the manifold.

        Edelman, Arias and Smith, "The geometry of algorithms with orthogonality constraints", 1998,
        equation 2.2. It vanishes exactly where the gradient mapping does, at stationary points.
        """
        del step
        tall = self._tall(weight)
        slope = gradient if self.of == "columns" else gradient.mH
        inner = tall.mH @ slope
        out = slope - 0.5 * (tall @ (inner + inner.mH))
        return out if self.of == "columns" else out.mH.contiguous()

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise ShapeError unless so many columns, or rows, can be orthonormal."""
        super().check_shape(shape)
        outputs, inputs = shape[-2:]
        if self.of == "columns" and outputs < inputs:
            raise ShapeError(
                "the weight of an isometry",
                shape,
                f"outputs >= inputs, since {inputs} columns of length {outputs} cannot be orthonormal; "
                "add outputs, or use Orthonormal('rows')",
            )
        if self.of == "rows" and outputs > inputs:
            raise ShapeError(
                "a weight of orthonormal rows",
                shape,
                f"outputs <= inputs, since {outputs} rows of length {inputs} cannot be orthonormal; "
                "drop outputs, or use Orthonormal('columns')",
            )

    def __repr__(self) -> str:
        return f"Orthonormal({self.of!r})"


class Rotation(Orthonormal):
    """Square real matrices with W^T W = I and det W = 1: rotations, without reflections."""

    def __init__(self) -> None:
        super().__init__("columns")

    def project(self, weight: Tensor) -> Tensor:
        """The nearest rotation: the last singular direction is turned if need be (Umeyama, 1991)."""
        self.check_shape(weight.shape)
        check_real(weight, self)
        out = self._polar(weight)
        mirrored = torch.linalg.slogdet(out).sign < 0
        if bool(mirrored.any()):
            left, _, right = torch.linalg.svd(weight)
            turn = torch.ones_like(left[..., 0, :])
            turn[..., -1] = torch.linalg.slogdet(left @ right).sign
            out = torch.where(mirrored[..., None, None], (left * turn[..., None, :]) @ right, out)
        return out

    def residual(self, weight: Tensor) -> Tensor:
        """W^T W - I; for a reflection with 2 added, which is how far its determinant is off."""
        defect = super().residual(weight)
        mirrored = (torch.linalg.slogdet(weight).sign < 0).to(weight)
        return defect + 2 * mirrored[..., None, None]

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise ShapeError unless the matrix is square."""
        super().check_shape(shape)
        if shape[-1] != shape[-2]:
            raise ShapeError("a rotation", shape, "a square matrix")

    def __repr__(self) -> str:
        return "Rotation()"
