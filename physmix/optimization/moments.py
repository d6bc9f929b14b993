"""Second moments of data, streamed: all that a quadratic problem over mixing weights needs to know."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from physmix.errors import SamplesError, SettingsError, ShapeError
from physmix.optimization.covariance import covariance_root

_DTYPES = (torch.float32, torch.float64, torch.complex64, torch.complex128)


class Moments:
    """What is left of samples x and y of a mixing layer y = W x after one pass over them.

    Kept is the triangular factor T of the stacked samples, T^H T = [X Y]^H [X Y], where each sample is
    one row of X and of Y, so that a layer acts as X W^T. Chunks are folded in by orthogonal
    factorisation (TSQR: Demmel, Grigori, Hoemmen and Langou, "Communication-optimal parallel and
    sequential QR and LU factorizations", SIAM J. Sci. Comput. 34, 2012, section 3): the normal
    equations X^H X, which square the condition of the data, are never formed. Memory is
    O((inputs + outputs)^2), whatever the number of samples.

        moments = physmix.Moments(inputs=8, outputs=3)
        for x, y in loader:
            moments.add(x, y)
        weight = physmix.least_squares(moments, members)

    A bias is the weight of one more input that is always 1. Real weights for complex data: add the real
    and the imaginary parts as samples of their own.

    Args:
        inputs: the number of channels of x.
        outputs: of y; 0 where there is no y.
        dtype: of T; a complex one takes real samples too.

    Attributes:
        samples: how many were added.
        total: the sum of their weights.

    Raises:
        SettingsError: if there are no inputs, or the dtype is not a floating one of 32 bits or more.
    """

    def __init__(self, inputs: int, outputs: int = 0, dtype: torch.dtype = torch.float64) -> None:
        if inputs < 1 or outputs < 0:
            raise SettingsError("Moments", f"{inputs} inputs and {outputs} outputs", "give one input or more")
        if dtype not in _DTYPES:
            raise SettingsError("Moments", f"dtype={dtype}", f"choose one of {', '.join(map(str, _DTYPES))}")
        self.inputs, self.outputs, self.dtype = inputs, outputs, dtype
        self.samples, self.total = 0, 0.0
        self._factor = torch.zeros(0, inputs + outputs, dtype=dtype)
        self._waiting: list[Tensor] = []

    @classmethod
    def from_covariance(cls, covariance: Tensor, cross: Tensor | None = None, samples: int = 1) -> Moments:
        """Moments known as R = E[x x^H] and E[y x^H], for a covariance that a model or an array gives.

        From data `add` is the accurate way: eigenvalues of R below its round-off count as zero here,
        so that conditions of the samples above 1e8 are lost. E[|y|^2] is taken as the smallest
        that is possible.

        Args:
            covariance: R, (inputs, inputs), Hermitian and without negative eigenvalues.
            cross: E[y x^H], (outputs, inputs).
            samples: for how many samples it counts when merged with others.

        Raises:
            ShapeError: if the shapes do not fit.
            SamplesError: if a number is not finite, or no random x and y have these moments.
        """
        size = covariance.shape[-1] if covariance.ndim else 0
        if size == 0 or covariance.shape != (size, size):
            raise ShapeError("a covariance", covariance.shape, "(inputs, inputs)")
        if samples < 1:
            raise SamplesError("a covariance", f"there are {samples}", "give one or more")
        cross = covariance.new_zeros(0, size) if cross is None else cross
        if cross.ndim != 2 or cross.shape[1] != size:
            raise ShapeError("a cross covariance", cross.shape, f"(outputs, {size})")
        rows = covariance_root(covariance.detach().cpu(), cross.detach().cpu())
        moments = cls(size, len(cross), rows.dtype)
        moments.add(rows[:, :size], rows[:, size:], torch.full((len(rows),), samples))
        moments.samples, moments.total = samples, float(samples)
        return moments

    @torch.no_grad()
    def add(self, x: Tensor, y: Tensor | None = None, weight: Tensor | None = None) -> Moments:
        """Fold in a chunk of samples, of any size; returns the moments. A refused chunk changes nothing.

        Args:
            x: (*samples, inputs), channels last.
            y: (*samples, outputs); omitted where there are no outputs.
            weight: of each sample in the sums, (*samples), zero or more; 1 if omitted.

        Raises:
            ShapeError: if the shapes do not fit.
            SamplesError: if a number is not finite, a weight is negative, or samples are complex and
                the dtype is not.
        """
        lead = x.shape[:-1]
        y = x.new_zeros(*lead, 0) if y is None else y
        for name, given, size in (("x", x, self.inputs), ("y", y, self.outputs)):
            if given.ndim == 0 or given.shape != (*lead, size):
                raise ShapeError(f"{name} of Moments", given.shape, f"({_listed(lead)}{size})")
            self._check_field(given.dtype)
        count = math.prod(lead)
        rows = torch.cat([given.reshape(count, given.shape[-1]).to(self.dtype) for given in (x, y)], 1)
        if weight is not None:
            if weight.shape != lead:
                raise ShapeError("the weight of samples", weight.shape, f"{tuple(lead)}")
            if weight.is_complex() or not bool((weight >= 0).all()):
                raise SamplesError("Moments", "a weight is negative, NaN or complex", "give 0 or more")
            rows *= weight.reshape(-1, 1).to(rows.real.dtype).sqrt()
        if not bool(rows.isfinite().all()):
            raise SamplesError("Moments", "a number is not finite", "leave such samples out")
        return self._and(rows, count, float(count if weight is None else weight.double().sum()))

    def merge(self, other: Moments) -> Moments:
        """Fold in the moments of other samples, such as those of another process; returns these.

        Raises:
            ShapeError: if the channels differ.
            SamplesError: if the others are complex and these are not.
        """
        if (self.inputs, self.outputs) != (other.inputs, other.outputs):
            expected = f"({self.inputs}, {self.outputs})"
            raise ShapeError("(inputs, outputs) of other Moments", (other.inputs, other.outputs), expected)
        self._check_field(other.dtype)
        return self._and(other.factor.to(self.dtype), other.samples, other.total)

    def load(self, amount: float) -> Moments:
        """New moments with diagonal loading: R + amount * mean(diag R) I, with y = 0 there.

        It is Tikhonov's |W|^2 in least squares, and robustness to errors of the model in beamforming
        (Cox, Zeskind and Owen, "Robust adaptive beamforming", 1987).

        Raises:
            SettingsError: if the amount is negative or not finite.
        """
        if not 0 <= amount < float("inf"):
            raise SettingsError("Moments.load", f"amount={amount}", "give a finite amount of 0 or more")
        root = (amount / self.inputs) ** 0.5 * float(torch.linalg.vector_norm(self.design))
        loaded = Moments(self.inputs, self.outputs, self.dtype).merge(self)
        loaded.add(root * torch.eye(self.inputs, dtype=self.dtype), torch.zeros(self.inputs, self.outputs))
        loaded.samples, loaded.total = self.samples, self.total
        return loaded

    @property
    def factor(self) -> Tensor:
        """T, (rank, inputs + outputs), upper triangular; rank = min(samples, inputs + outputs)."""
        return self._fold().clone()

    @property
    def design(self) -> Tensor:
        """The block of T that stands for X, (rank, inputs)."""
        return self.factor[: self.inputs, : self.inputs]

    @property
    def target(self) -> Tensor:
        """The block of T beside it that stands for Y, (rank, outputs)."""
        return self.factor[: self.inputs, self.inputs :]

    @property
    def covariance(self) -> Tensor:
        """R = E[x x^H], the mean over weighted samples, (inputs, inputs)."""
        return self.design.mT @ self.design.conj() / (self.total or 1.0)

    @property
    def condition(self) -> float:
        """The largest over the smallest singular value of X; infinite where inputs are dependent.

        Weights are right to about this times the round-off of the dtype.
        """
        values = torch.linalg.svdvals(self.design)
        if len(values) < self.inputs or float(values[-1]) == 0.0:
            return float("inf")
        return float(values[0] / values[-1])

    def misfit(self, weight: Tensor) -> float:
        """The sum of |W x - y|^2 over the samples, for W of shape (outputs, inputs)."""
        self._check_weight(weight, (self.outputs, self.inputs))
        own = torch.promote_types(weight.dtype, self.dtype)
        eye = torch.eye(self.outputs, dtype=own)
        missed = self.factor.to(own) @ torch.cat([weight.detach().cpu().mT.to(own), -eye])
        return float(torch.linalg.vector_norm(missed) ** 2)

    def power(self, weight: Tensor) -> float:
        """The sum of |W x|^2 over the samples, for W of shape (any, inputs)."""
        self._check_weight(weight, (*weight.shape[:1], self.inputs))
        own = torch.promote_types(weight.dtype, self.dtype)
        return float(torch.linalg.vector_norm(self.design.to(own) @ weight.detach().cpu().mT.to(own)) ** 2)

    def _and(self, rows: Tensor, samples: int, total: float) -> Moments:
        """Put rows below T. A few wait for more, so that the cost of single samples stays linear."""
        width = self.inputs + self.outputs
        self._waiting.append((_triangle(rows) if len(rows) > width else rows).cpu())
        if sum(map(len, self._waiting)) >= width:
            self._fold()
        self.samples, self.total = self.samples + samples, self.total + total
        return self

    def _fold(self) -> Tensor:
        if self._waiting:
            self._factor, self._waiting = _triangle(torch.cat([self._factor, *self._waiting])), []
        return self._factor

    def _check_field(self, dtype: torch.dtype) -> None:
        if dtype.is_complex and not self.dtype.is_complex:
            remedy = "make them with dtype=torch.complex128"
            raise SamplesError("Moments", f"they are {dtype} and the moments {self.dtype}", remedy)

    def _check_weight(self, weight: Tensor, expected: tuple[int, ...]) -> None:
        if weight.shape != expected:
            raise ShapeError("the weight of a mixing layer", weight.shape, f"{expected}")

    def __repr__(self) -> str:
        return f"Moments({self.inputs} inputs, {self.outputs} outputs, {self.samples} samples, {self.dtype})"


def _triangle(rows: Tensor) -> Tensor:
    return torch.linalg.qr(rows, mode="r").R


def _listed(lead: torch.Size) -> str:
    return "".join(f"{length}, " for length in lead)
