"""A quadratic whose constrained optimum is known: the fixture of every test of optimisation."""

import torch
from torch import nn

from physmix.constraints import LinearSet

SIZE, ROWS = 6, 2


class Quadratic(nn.Module):
    """f(w) = sum of (w - target)^T H (w - target) / 2 over rows, with A w = b for each row."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        random = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)
        self.members = LinearSet(random(2, SIZE), random(2))
        root = torch.linalg.qr(random(SIZE, SIZE)).Q
        self.hessian = root @ torch.diag(torch.logspace(0, 1.5, SIZE, dtype=torch.float64)) @ root.T
        self.target = random(ROWS, SIZE)
        self.weight = nn.Parameter(self.members.sample(ROWS, SIZE, generator=generator))

    @property
    def constrained(self):
        return {"weight": self.members}

    def forward(self, weight=None):
        off = (self.weight if weight is None else weight) - self.target
        return 0.5 * (off @ self.hessian * off).sum()

    def optimum(self):
        """From the optimality system: H N-coordinates, solved directly."""
        basis, origin = self.members.basis(), self.members.origin()
        right = basis.T @ self.hessian @ (self.target - origin).T
        free = torch.linalg.solve(basis.T @ self.hessian @ basis, right)
        return origin + (basis @ free).T

    def excess(self):
        best = self(self.optimum())
        return float(((self() - best) / best).detach())
