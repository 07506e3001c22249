"""Measurement that can be trusted: seeded schedules, open-loop load, intervals, verdicts, results."""

from .cache_aside import CacheAside, Plan, measure_cache_aside
from .compare import Comparison, compare_results
from .connection import ConnectionTest, check_connection
from .history import History, against_history
from .kpis import KPIS, Alert, Kpi, Verdict, alerts, judge, judge_all
from .live import Live, LivePlan, measure_live
from .load import LoadResult, run_open_loop
from .lock_contention import LockContention, LockPlan, measure_lock_contention
from .result import Result, publish
from .stats import Interval
from .usage import Meter, Usage
from .workload import Schedule, zipf_ranks

__all__ = [
    "KPIS",
    "Alert",
    "CacheAside",
    "Comparison",
    "ConnectionTest",
    "History",
    "Interval",
    "Kpi",
    "Live",
    "LivePlan",
    "LoadResult",
    "LockContention",
    "LockPlan",
    "Meter",
    "Plan",
    "Result",
    "Schedule",
    "Usage",
    "Verdict",
    "against_history",
    "alerts",
    "check_connection",
    "compare_results",
    "judge",
    "judge_all",
    "measure_cache_aside",
    "measure_live",
    "measure_lock_contention",
    "publish",
    "run_open_loop",
    "zipf_ranks",
]
