"""Every target of every benchmark, by metric. They are raised, never lowered."""

TARGETS: dict[str, str] = {
    # constraints
    "relative excess over the optimum": "<= 1e-6",
    "violation over its bound": "<= 1",
    "refused, naming what to use": ">= 1",
    "optimality residual": "<= 1e-9",
    "idempotence": "<= 1e-9",
    "expansion": "<= 1.000000001",
    "training step over free step": "<= 1.05",
    "inference over free layer": "<= 1.005",
    "times faster than cvxpylayers": ">= 1000",
    "times faster than torch orthogonal": ">= 3",
    "conflicts found and minimal": ">= 1",
    # laws
    "lawful fields reached": ">= 1",
    "nullity off its known value": "<= 0",
    "times less violation than the free twin": ">= 1000",
    "wall error": "<= 1e-13",
    "traction at the wall": ">= 1e-3",
    "drag of the steady tensor": ">= 1e-3",
    # jets
    "compiled, times faster than nested autograd (DeepXDE)": ">= 2",
    "eager, times faster than nested autograd (DeepXDE)": ">= 1",
    "gradient error over precision": "<= 100",
    "times faster than all of that order": ">= 1.1",
}
