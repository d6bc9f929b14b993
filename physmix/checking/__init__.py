"""Checking: whether laws hold, judged independently of how they were made to hold."""

from physmix.checking.continuum import judge_model
from physmix.checking.finding import TOLERANCES, Finding, worst
from physmix.checking.totals import flow_fields, judge_flow, judge_rollout, random_states

__all__ = [
    "TOLERANCES",
    "Finding",
    "flow_fields",
    "judge_flow",
    "judge_model",
    "judge_rollout",
    "random_states",
    "worst",
]
