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
    "change of a lawful field": "<= 2.3e-14",  # 100 eps
    "change of a lawful field, smooth, its mean apart": "<= 2.3e-14",
    "change of a lawful field, rough": "<= 2.3e-14",
    "change of the mean": "<= 2.3e-14",
    "violation left": "<= 1e-12",
    "error after over before": "<= 1",
    "off the dense projection": "<= 1e-12",
    "off the optimum of cvxpy": "<= 1e-8",
    "outside the bounds": "<= 1e-15",
    "problems left without an answer": "<= 0",
    "seconds": "<= 10",
    "growth from a quarter of the points, over N log N": "<= 2",
    "exceptions but law errors": "<= 0",
    "audited events while parsing": "<= 0",
    # jets
    "compiled, times faster than nested autograd (DeepXDE)": ">= 2",
    "eager, times faster than nested autograd (DeepXDE)": ">= 1",
    "gradient error over precision": "<= 100",
    "times faster than all of that order": ">= 1.1",
    # surrogates
    "resident memory of all processes": "<= 1.5",
    "speed over training from memory": ">= 0.8",
    # pinn
    "memory over that of a tenth of the points": "<= 1.1",
}
