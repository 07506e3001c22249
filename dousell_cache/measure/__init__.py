"""Measurement that can be trusted: seeded schedules, open-loop load, intervals, verdicts, results."""

from .cache_aside import CacheAside, Plan, measure_cache_aside
from .connection import ConnectionTest, check_connection
from .kpis import KPIS, Alert, Kpi, Verdict, alerts, judge, judge_all
from .load import LoadResult, run_open_loop
from .lock_contention import LockContention, LockPlan, measure_lock_contention
from .result import Result, publish
from .stats import Interval
from .workload import Schedule, zipf_ranks

__all__ = [
    "KPIS",
    "Alert",
    "CacheAside",
    "ConnectionTest",
    "Interval",
    "Kpi",
    "LoadResult",
    "LockContention",
    "LockPlan",
    "Plan",
    "Result",
    "Schedule",
    "Verdict",
    "alerts",
    "check_connection",
    "judge",
    "judge_all",
    "measure_cache_aside",
    "measure_lock_contention",
    "publish",
    "run_open_loop",
    "zipf_ranks",
]
