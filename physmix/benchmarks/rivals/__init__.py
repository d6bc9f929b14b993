"""Others who solve the same flows: PINN libraries, random features without laws, and finite elements."""

from physmix.benchmarks.rivals.case import CASES, KOVASZNAY, TAYLOR_GREEN, Case
from physmix.benchmarks.rivals.process import RIVALS, rival

__all__ = ["CASES", "KOVASZNAY", "RIVALS", "TAYLOR_GREEN", "Case", "rival"]
