"""Measurement that can be trusted: seeded schedules, open-loop load, intervals, verdicts, results."""

from .cache_aside import CacheAside, Plan, measure_cache_aside
from .connection import ConnectionTest, check_connection
from .kpis import KPIS, Kpi, Verdict, judge
from .load import ClosedLoopWarning, LoadResult, run_closed_loop, run_open_loop
from .lock_contention import LockContention, LockPlan, measure_lock_contention
from .pages import PAGES, Page, page_mix
from .popularity import Keys, Replayed, Uniform, Weighted, Zipf, zipf_ranks
from .progress import Progress
from .result import Result, publish
from .stats import Interval
from .workload import Schedule

__all__ = [
    "KPIS",
    "PAGES",
    "CacheAside",
    "ClosedLoopWarning",
    "ConnectionTest",
    "Interval",
    "Keys",
    "Kpi",
    "LoadResult",
    "LockContention",
    "LockPlan",
    "Page",
    "Plan",
    "Progress",
    "Replayed",
    "Result",
    "Schedule",
    "Uniform",
    "Verdict",
    "Weighted",
    "Zipf",
    "check_connection",
    "judge",
    "measure_cache_aside",
    "measure_lock_contention",
    "page_mix",
    "publish",
    "run_closed_loop",
    "run_open_loop",
    "zipf_ranks",
]
