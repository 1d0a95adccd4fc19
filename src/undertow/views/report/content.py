"""Everything a report shows, fetched once: record, outcomes, score, curves, texts.

Holds no layout. A run without a score or without some table still has a report; the sections say what is
missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_type_hints

from undertow.errors import DataError
from undertow.lab.measures.registry import start_of
from undertow.lab.outcomes import Outcome, outcomes, read_summary
from undertow.lab.score import SCORE_FILE, FactRow, Score, read_score
from undertow.lab.standing import Standing, standing_of
from undertow.tape import RunFolder, Tape
from undertow.tape.schema import Stage
from undertow.venue.records import Role
from undertow.views.notes import draws_text
from undertow.views.report import money, series
from undertow.views.report.adl import Reasons, reasons_of
from undertow.views.report.beside import Both, both_venues
from undertow.views.report.charts import TimeCharts
from undertow.views.report.crowd import Struck, struck
from undertow.views.report.leverage import Leverage, leverage_of
from undertow.views.report.makers import Quoting, quoting_of
from undertow.views.report.series import Floats, InstrumentSeries
from undertow.views.report.stock import House, house_of


@dataclass(frozen=True)
class Content:
    """A run as its report sees it. Money in `paid` and the like: smallest units; elsewhere dollars."""

    folder: RunFolder
    record: dict[str, Any]
    start: datetime
    length_ms: int
    found: dict[tuple[str, str], Outcome]
    score: Score | None
    instruments: list[InstrumentSeries]
    stage_minutes: Any
    stages: dict[Stage, Floats]
    house: dict[Role, tuple[Any, Floats, Floats]]
    paid: dict[int, money.Paid]
    fund_lines: list[money.FundLine]
    causes: list[tuple[str, int]]
    winners: list[money.Winner]
    shortfalls: list[money.Shortfall]
    struck: list[Struck]
    reasons: Reasons | None
    closed_and_liquidated: int
    quoting: Quoting | None
    leverage: Leverage | None
    both: Both | None
    stock: House | None
    standing: Standing | None
    case: dict[str, Any]
    rulebook: dict[str, Any]

    @property
    def charts(self) -> TimeCharts:
        """A fresh set of figures over the run's span of time."""
        return TimeCharts(round(self.start.timestamp() * 1000), self.length_ms)

    @property
    def decimals(self) -> int:
        """Decimal places of the settlement asset."""
        return int(self.record.get("settlement", {}).get("decimals", 6))

    @property
    def settlement_name(self) -> str:
        """The settlement asset's name."""
        return str(self.record.get("settlement", {}).get("name", "USD"))

    @property
    def partial(self) -> bool:
        """Whether the run was cut short."""
        return self.record.get("status") != "complete"

    def value(self, name: str, instrument: str = "") -> float | None:
        """An outcome's value."""
        outcome = self.found.get((name, instrument))
        return None if outcome is None else outcome.value

    def query(self, name: str, instrument: str = "") -> str:
        """An outcome's query."""
        outcome = self.found.get((name, instrument))
        return "" if outcome is None else outcome.query

    def reach(self, name: str, instrument: str = "") -> str:
        """How far an outcome lies apart over draws of the case; empty where none stand beside the run."""
        drawn = None if self.standing is None else self.standing.of(name, instrument)
        return "" if drawn is None else draws_text(drawn)

    def clock(self, seconds: float) -> str:
        """Seconds into the case as a UTC clock time."""
        return f"{self.start + timedelta(seconds=seconds):%H:%M:%S}"


def content_of(folder: RunFolder, tape: Tape) -> Content:
    """Fetch a report's content from a run."""
    rows = tape.rows("select coalesce(max(time_ms), 0) from series")
    rulebook = folder.read_toml("rulebook.toml")
    minutes, stages = series.stages_by_minute(tape)
    found = read_summary(folder)
    if found is None:
        found = outcomes(tape)
    return Content(
        folder=folder,
        record=tape.record,
        start=start_of(tape),
        length_ms=int(rows[0][0]),
        found={(outcome.name, outcome.instrument): outcome for outcome in found},
        score=_score(folder),
        instruments=series.all_series(tape),
        stage_minutes=minutes,
        stages=stages,
        house=series.house_by_role(tape),
        paid={settlement: money.who_paid(tape, settlement) for settlement in money.settlements(tape)},
        fund_lines=money.fund_statement(tape),
        causes=money.moved_by_cause(tape),
        winners=money.winners(tape),
        shortfalls=money.shortfalls(tape),
        struck=struck(tape),
        reasons=reasons_of(tape, rulebook),
        closed_and_liquidated=int(tape.value(money.BOTH_QUERY)),
        quoting=quoting_of(tape),
        leverage=leverage_of(tape),
        both=both_venues(folder, tape),
        stock=house_of(tape),
        standing=standing_of(folder),
        case=folder.read_toml("case.toml"),
        rulebook=rulebook,
    )


def deepest(instruments: Sequence[InstrumentSeries]) -> InstrumentSeries | None:
    """The instrument that fell furthest."""
    fallen = [one for one in instruments if one.fall_percent is not None]
    return min(fallen, key=lambda one: one.fall_percent or 0.0, default=None)


def _score(folder: RunFolder) -> Score | None:
    """The run's score; raises DataError when score.json is not as a run writes it."""
    kinds = get_type_hints(FactRow)
    try:
        score = read_score(folder)
        for row in score.rows if score is not None else ():
            for name, kind in kinds.items():
                value = getattr(row, name)
                if not isinstance(float(value) if type(value) is int else value, kind):
                    raise TypeError
    except (AttributeError, KeyError, TypeError):
        path = folder.path / SCORE_FILE
        raise DataError(
            f"{path}: not as a run writes it; score the run again: undertow score {folder.path}"
        ) from None
    return score
