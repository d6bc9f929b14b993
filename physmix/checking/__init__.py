"""Checking: whether laws hold, judged independently of how they were made to hold."""

from physmix.checking.continuum import check_model_laws, judge_model
from physmix.checking.finding import TOLERANCES, Finding, finite, together, worst
from physmix.checking.repair import Repair, repair_flow
from physmix.checking.rollouts import judge_rollout, random_states
from physmix.checking.totals import check_grid_laws, flow_fields, judge_flow, judge_states

__all__ = [
    "TOLERANCES",
    "Finding",
    "Repair",
    "check_grid_laws",
    "check_model_laws",
    "finite",
    "flow_fields",
    "judge_flow",
    "judge_model",
    "judge_rollout",
    "judge_states",
    "random_states",
    "repair_flow",
    "together",
    "worst",
]
