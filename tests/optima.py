"""Problems on sets whose constrained optimum is known without any optimiser: one for each kind of set.

For convex sets the optimum is chosen, and the target put where the optimality conditions then hold;
for complex equations it is the formula of the linearly constrained beamformer; for orthonormal rows
it is the sum of the smallest eigenvalues.
"""

import torch
from torch import nn

from physmix.constraints import Box, ConstraintSet, LinearSet, Orthonormal, Simplex, on_inputs

ROWS, SIZE = 2, 5
EIGENVALUES = torch.logspace(0, 1, SIZE, dtype=torch.float64)
SETS = ("linear", "complex linear", "simplex", "box", "orthonormal")
AFFINE = SETS[:2]


class Problem(nn.Module):
    """loss = |(W - target) root|^2 / 2 over W in a set; `best` is its least value."""

    members: ConstraintSet
    best: float

    def __init__(self, name: str) -> None:
        super().__init__()
        self.random = torch.Generator().manual_seed(5)
        complex_ = name == "complex linear"
        dtype = torch.complex128 if complex_ else torch.float64
        turn = torch.linalg.qr(self.draw(SIZE, SIZE, dtype=dtype)).Q
        self.root = turn * EIGENVALUES.sqrt()
        self.hessian = (self.root @ self.root.mH).conj()  # row vectors: the loss is w H w^H / 2
        self.target = torch.zeros(ROWS, SIZE, dtype=dtype)
        getattr(self, "pose_" + name.replace(" ", "_"))()
        self.weight = nn.Parameter(self.members.sample(ROWS, SIZE, generator=self.random, dtype=dtype))

    def draw(self, *shape, dtype=torch.float64):
        return torch.randn(*shape, generator=self.random, dtype=dtype)

    def pose_linear(self):
        matrix, optimum = self.draw(2, SIZE), self.draw(1, SIZE).expand(ROWS, SIZE)
        self.members = LinearSet(matrix, matrix @ optimum[0])
        self._aim(optimum, 3 * self.draw(ROWS, 2) @ matrix)

    def pose_complex_linear(self):
        answers = self.draw(SIZE, 2, dtype=torch.complex128), self.draw(ROWS, 2, dtype=torch.complex128)
        self.members = on_inputs(*answers)
        steering, gains = answers
        power = self.root @ self.root.mH
        quiet = torch.linalg.solve(power, steering)
        optimum = gains @ torch.linalg.solve(steering.mH @ quiet, quiet.mH)
        self.best = float(self.forward(optimum))

    def pose_simplex(self):
        self.members = Simplex()
        optimum = torch.tensor([[0.5, 0.3, 0.2, 0.0, 0.0], [0.0, 0.1, 0.0, 0.3, 0.6]], dtype=torch.float64)
        self._aim(optimum, 0.7 + (optimum == 0) * (0.5 + self.draw(ROWS, SIZE).abs()))

    def pose_box(self):
        self.members = Box(-0.5, 1.0)
        optimum = torch.tensor([[-0.5, 0.3, 1.0, 0.0, -0.5], [0.4, 1.0, 1.0, -0.5, 0.7]], dtype=torch.float64)
        size = 0.5 + self.draw(ROWS, SIZE).abs()
        self._aim(optimum, (optimum == -0.5) * size - (optimum == 1.0) * size)

    def pose_orthonormal(self):
        self.members = Orthonormal("rows")
        self.best = float(EIGENVALUES[:ROWS].sum() / 2)

    def _aim(self, optimum, multipliers):
        """Put the target where the gradient at the optimum is a combination of normals of the set."""
        self.target = optimum - torch.linalg.solve(self.hessian, multipliers, left=False)
        self.best = float(self.forward(optimum))

    @property
    def constrained(self):
        return {"weight": self.members}

    def residuals(self, weight=None):
        off = ((self.weight if weight is None else weight) - self.target) @ self.root / 2**0.5
        return torch.view_as_real(off) if off.is_complex() else off

    def forward(self, weight=None):
        return self.residuals(weight).square().sum()

    def excess(self):
        """Over the constrained optimum, relative to it."""
        return float(self.forward().detach()) / self.best - 1
