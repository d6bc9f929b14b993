"""An affine map of the channels of a jet: most of its work, as one product over all coefficients."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import FunctionCtx

# What torch.compile uses for linear layers. For float32 it has AVX-512 on every processor that does;
# torch's own product (MKL) has it on Intel's alone, and takes about twice the time elsewhere.
_ONEDNN = getattr(torch.ops.mkldnn, "_linear_pointwise", None)


def _product(x: Tensor, weight: Tensor) -> Tensor:
    """x W^T, not to be differentiated."""
    if (
        _ONEDNN is not None
        and x.dtype == torch.float32
        and x.device.type == "cpu"
        and x.numel()
        and torch.backends.mkldnn.is_available()
    ):
        out: Tensor = _ONEDNN(x.flatten(0, -2), weight, None, "none", [], "")
        return out.view(*x.shape[:-1], -1)
    return x @ weight.T


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        out = _product(x, weight)
        if bias is not None:  # here, since autograd copies the whole gradient for a change in place
            out[0].add_(bias)
        return out

    @staticmethod
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        wanted = ctx.needs_input_grad  # type: ignore[attr-defined]
        return (
            affine(grad, weight.T) if wanted[0] else None,
            grad.flatten(0, -2).T @ x.flatten(0, -2) if wanted[1] else None,
            grad[0].sum(0) if wanted[2] else None,
        )


def affine(
    x: Float[Tensor, "coefficient point inputs"],
    weight: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, " outputs"] | None = None,
) -> Float[Tensor, "coefficient point outputs"]:
    """The coefficients of W f + b from those of f: a constant has no derivative, so b is in the first."""
    if torch.compiler.is_compiling():  # torch differentiates and fuses by itself
        out = x @ weight.T
        return out if bias is None else torch.cat([out[:1] + bias, out[1:]])
    result: Tensor = _Affine.apply(x, weight, bias)
    return result
