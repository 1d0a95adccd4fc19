"""Two venues of one run, side by side: the waterfall by minute, the gap to the outside, who paid.

Holds the queries put to both tapes. A run without a second venue, or whose folder is gone, has nothing here.

Units: milliseconds since the start of the case, dollars, per cent; results in the settlement asset's
smallest unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.errors import InputError
from undertow.lab.measures.registry import MINUTE, money_unit
from undertow.tape import RunFolder, Tape
from undertow.tape.schema import Stage, quoted
from undertow.views.report.money import Payer, who_paid
from undertow.views.report.series import PRICE_BUCKETS, Floats, stages_by_minute, thinned

OTHER = "other_venue"  # key of run.json: the other venue's folder, seen from this one
REPORT = "report.html"
LEAST_SHARE = 0.005  # of the busiest minute: less is not worth a line

SHORT_QUERY = (
    f"select {MINUTE} as minute, sum(amount) as amount from waterfall "
    f"where stage in ({Stage.FUND:d}, {Stage.UNCOVERED:d}) group by 1 order by 1"
)
GAP_QUERY = (
    "select time_ms, median(100.0 * (mark_ticks / outside_ticks - 1)) as gap "
    "from series join instruments using (instrument) where name in ({names}) group by 1 order by 1"
)


@dataclass(frozen=True)
class Side:
    """One venue: `stages` and `short` by minute, dollars; `gap` in per cent."""

    title: str
    rulebook: str
    link: str  # to its report, empty for the one being read
    minutes: NDArray[np.int64]  # ms
    stages: dict[Stage, Floats]
    short: dict[int, float]  # by minute, ms: what accounts were below zero when they were closed
    gap_time_ms: NDArray[np.int64]
    gap: Floats
    payers: list[Payer]

    def at(self, minute_ms: int) -> dict[Stage, float]:
        """What each stage dealt with in a minute."""
        places = np.flatnonzero(self.minutes == minute_ms)
        return {stage: float(values[places[0]]) for stage, values in self.stages.items() if len(places)}

    def gap_at(self, minute_ms: int) -> float:
        """The deepest gap of a minute."""
        inside = (self.gap_time_ms >= minute_ms) & (self.gap_time_ms < minute_ms + 60_000)
        return float(self.gap[inside].min()) if inside.any() else float("nan")


@dataclass(frozen=True)
class Both:
    """The venue being read, the other, and the contracts that both list."""

    here: Side
    there: Side
    shared: tuple[str, ...]

    def minutes(self) -> list[int]:
        """Minutes in which backstops and winners took something worth a line, in order."""
        taken: dict[int, float] = {}
        for side in (self.here, self.there):
            for stage in (Stage.TAKEOVER, Stage.ADL):
                for minute, usd in zip(side.minutes.tolist(), side.stages.get(stage, ()), strict=False):
                    taken[minute] = taken.get(minute, 0.0) + float(usd)
        least = LEAST_SHARE * max(taken.values(), default=0.0)
        return sorted(minute for minute, usd in taken.items() if usd > least)


def both_venues(folder: RunFolder, tape: Tape) -> Both | None:
    """A run and the one beside it; None without one."""
    other = tape.record.get(OTHER)
    if not other:
        return None
    try:
        there = RunFolder.open(folder.path / str(other))
    except InputError:
        return None
    with Tape(there) as second:
        names = [set(_contracts(one)) for one in (tape, second)]
        shared = tuple(name for name in _contracts(tape) if name in names[1])
        if not shared:
            return None
        return Both(_side(tape, shared, ""), _side(second, shared, f"{other}/{REPORT}"), shared)


def _contracts(tape: Tape) -> list[str]:
    rows = tape.rows("select name from instruments where kind != 'spot' order by instrument")
    return [str(name) for (name,) in rows]


def _side(tape: Tape, shared: Sequence[str], link: str) -> Side:
    record: dict[str, Any] = tape.record
    minutes, stages = stages_by_minute(tape)
    rows = tape.fetch(GAP_QUERY.format(names=", ".join(quoted(name) for name in shared)))
    gap = np.asarray(rows["gap"], np.float64)
    kept = thinned(gap, PRICE_BUCKETS)
    short = {
        int(minute) * 60_000: float(amount) / money_unit(tape) for minute, amount in tape.rows(SHORT_QUERY)
    }
    return Side(
        str(record.get("title", "")),
        str(record.get("rulebook", "")),
        link,
        minutes,
        stages,
        short,
        rows["time_ms"][kept],
        gap[kept],
        who_paid(tape).payers,
    )
