"""Measurement that can be trusted: seeded schedules, open-loop load, intervals, verdicts, results."""

from .cache_aside import CacheAside, Plan, measure_cache_aside
from .compare import Comparison, compare_results
from .connection import ConnectionTest, check_connection
from .history import History, against_history
from .invalidation import Invalidation, InvalidationPlan, measure_invalidation
from .kpis import KPIS, Alert, Kpi, Verdict, alerts, judge, judge_all
from .live import Live, LivePlan, measure_live
from .load import ClosedLoopWarning, LoadResult, run_closed_loop, run_open_loop
from .lock_contention import LockContention, LockPlan, measure_lock_contention
from .pages import PAGES, Page, page_mix
from .popularity import Keys, Replayed, Uniform, Weighted, Zipf, zipf_ranks
from .progress import Progress
from .result import Result, publish
from .side_by_side import measure_side_by_side
from .sides import SideBySide, SidePlan
from .stats import Interval
from .survival import Survival, SurvivalPlan, measure_survival
from .usage import Meter, Usage
from .workers import run_in_workers
from .workload import Schedule

__all__ = [
    "KPIS",
    "PAGES",
    "Alert",
    "CacheAside",
    "ClosedLoopWarning",
    "Comparison",
    "ConnectionTest",
    "History",
    "Interval",
    "Invalidation",
    "InvalidationPlan",
    "Keys",
    "Kpi",
    "Live",
    "LivePlan",
    "LoadResult",
    "LockContention",
    "LockPlan",
    "Meter",
    "Page",
    "Plan",
    "Progress",
    "Replayed",
    "Result",
    "Schedule",
    "SideBySide",
    "SidePlan",
    "Survival",
    "SurvivalPlan",
    "Uniform",
    "Usage",
    "Verdict",
    "Weighted",
    "Zipf",
    "against_history",
    "alerts",
    "check_connection",
    "compare_results",
    "judge",
    "judge_all",
    "measure_cache_aside",
    "measure_invalidation",
    "measure_live",
    "measure_lock_contention",
    "measure_side_by_side",
    "measure_survival",
    "page_mix",
    "publish",
    "run_closed_loop",
    "run_in_workers",
    "run_open_loop",
    "zipf_ranks",
]
