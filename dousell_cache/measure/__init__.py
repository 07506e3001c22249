"""Measurement that can be trusted: seeded schedules, open-loop load, intervals, verdicts, results."""

from .cache_aside import CacheAside, Plan, measure_cache_aside
from .connection import ConnectionTest, check_connection
from .kpis import KPIS, Alert, Kpi, Verdict, alerts, judge, judge_all
from .load import ClosedLoopWarning, LoadResult, run_closed_loop, run_open_loop
from .lock_contention import LockContention, LockPlan, measure_lock_contention
from .pages import PAGES, Page, page_mix
from .popularity import Keys, Replayed, Uniform, Weighted, Zipf, zipf_ranks
from .progress import Progress
from .result import Result, publish
from .side_by_side import measure_side_by_side
from .sides import SideBySide, SidePlan
from .stats import Interval
from .workload import Schedule

__all__ = [
    "KPIS",
    "PAGES",
    "Alert",
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
    "SideBySide",
    "SidePlan",
    "Uniform",
    "Verdict",
    "Weighted",
    "Zipf",
    "alerts",
    "check_connection",
    "judge",
    "judge_all",
    "measure_cache_aside",
    "measure_lock_contention",
    "measure_side_by_side",
    "page_mix",
    "publish",
    "run_closed_loop",
    "run_open_loop",
    "zipf_ranks",
]
