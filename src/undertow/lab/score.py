"""The score: every fact of a case against a run, in tolerances.

Holds no measure. A fact that cannot be measured, or that a run which was cut short did not live to see, is a
failed fact with a reason, never a missing row; facts used for calibration are counted apart from facts that
are predicted. A run under another rulebook than the case was written for owes no fact and is not scored.

Units: `published` and `simulated` in the fact's unit (a timestamp: seconds since the start of the case).
Invariant: as many rows as facts, in the facts' order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from undertow.case.facts import TIMESTAMP, Fact
from undertow.case.model import Case
from undertow.case.rulebooks import is_path, rulebook_of
from undertow.errors import CaseError, InputError
from undertow.lab.measures import measured, query_faults
from undertow.lab.measures.registry import has_end, start_of
from undertow.tape import RunFolder, Tape
from undertow.tape.folder import PARTIAL

SCORE_FILE = "score.json"


@dataclass(frozen=True)
class FactRow:
    """One fact against the run. `distance` is in tolerances, up to 1 passes; None: nothing was measured."""

    id: str
    definition: str
    unit: str
    published: float
    simulated: float | None
    published_text: str
    simulated_text: str
    tolerance: str
    side: str
    distance: float | None
    passed: bool
    calibrated: bool
    source: str
    measure: str
    query: str
    problem: str
    note: str
    block: str = ""

    @property
    def bound_text(self) -> str:
        """What was published, with the side it bounds: "at least 1.6 million accounts"."""
        return bounded(self.published_text, self.side)


@dataclass(frozen=True)
class Score:
    """All facts of a case against one run."""

    rows: tuple[FactRow, ...]

    def count(self, calibrated: bool) -> tuple[int, int]:
        """(passed, all) of the calibrated facts, or of the predicted ones."""
        rows = [row for row in self.rows if row.calibrated is calibrated]
        return sum(row.passed for row in rows), len(rows)

    @property
    def passed(self) -> bool:
        """Whether every fact was met."""
        return all(row.passed for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """The content of score.json."""
        counts = {}
        for name, calibrated in (("calibrated", True), ("predicted", False)):
            passed, total = self.count(calibrated)
            counts[name] = {"passed": passed, "total": total}
        return {"counts": counts, "facts": [asdict(row) for row in self.rows]}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Score:
        """The score that score.json holds."""
        return cls(tuple(FactRow(**row) for row in content["facts"]))


def check_facts(facts: Sequence[Fact], place: str = "facts") -> list[str]:
    """What is wrong with the facts' queries, one sentence each, before anything is run."""
    faults = []
    seen: set[str] = set()
    for number, fact in enumerate(facts):
        where = f"{place}.{number} ({fact.id})"
        if fact.id in seen:
            faults.append(f"{where}: id: used twice; give each fact its own")
        seen.add(fact.id)
        found = query_faults(fact.query.measure, fact.query.arguments, fact.dimension)
        faults += [f"{where}: query: {fault}" for fault in found]
    return faults


def not_owed(case: Case, rulebook: str) -> str:
    """Why a run under a rulebook owes none of a case's facts, in a sentence; empty where it owes them.

    Facts tell of the venue whose rulebook the case was written for. Under another rulebook the same crash is
    a question, not a record, and no number of it can be met or missed.
    """
    if not case.facts:
        return ""
    told = case.written_for or rulebook_of(case).name
    if told == rulebook or (case.written_for and case.written_for == case.rulebook):
        return ""
    venue = Path(told).stem if is_path(told) else told
    return (
        f"not scored: the facts of {case.name} tell of a venue under {venue}, and a run under {rulebook} "
        "owes none of them"
    )


def score_run(facts: Sequence[Fact], tape: Tape) -> Score:
    """Measure every fact on a tape. Raises CaseError, with all faults, when a query cannot fit any run."""
    faults = check_facts(facts)
    if faults:
        raise CaseError("\n".join(faults))
    return Score(tuple(_row(fact, tape) for fact in facts))


def write_score(folder: RunFolder, score: Score) -> None:
    """Write score.json beside the tape."""
    folder.write_json(SCORE_FILE, score.as_json())


def read_score(folder: RunFolder) -> Score | None:
    """The score of a run, None when it was never scored."""
    if not (folder.path / SCORE_FILE).is_file():
        return None
    return Score.from_json(folder.read_json(SCORE_FILE))


def _row(fact: Fact, tape: Tape) -> FactRow:
    start = start_of(tape)
    published = fact.published(start)
    query, problem = "", ""
    simulated: float | None = None
    try:
        if tape.record.get("status") == PARTIAL and not has_end(fact.query.measure, fact.query.arguments):
            raise InputError("the run was cut short, and this looks at all of it")
        taken = measured(tape, fact.query.measure, fact.query.arguments)
        query = taken.query
        if taken.value is None or not math.isfinite(taken.value):
            problem = "the tape has no such value"
        else:
            simulated = fact.from_base(taken.value)
    except InputError as error:
        problem = str(error)
    distance = None if simulated is None else fact.distance(published, simulated)
    return FactRow(
        id=fact.id,
        definition=fact.definition,
        unit=fact.unit,
        published=published,
        simulated=simulated,
        published_text=in_words(published, fact.unit, start),
        simulated_text="not measured" if simulated is None else in_words(simulated, fact.unit, start),
        tolerance=fact.tolerance.in_words(fact.unit),
        side=fact.side,
        distance=None if distance is None or math.isinf(distance) else round(distance, 6),
        passed=distance is not None and distance <= 1.0,
        calibrated=fact.calibrate,
        source=fact.source,
        measure=fact.query.measure,
        query=query,
        problem=problem,
        note=fact.note,
        block=fact.block or "",
    )


def bounded(text: str, side: str) -> str:
    """A published value with the side that it bounds; "at least 1.6 million accounts", "at most 4 %"."""
    return text if side == "both" else f"{side.replace('-', ' ')} {text}"


def in_words(value: float, unit: str, start: datetime) -> str:
    """A number with its unit, five significant figures; a timestamp as a UTC clock time."""
    if unit == TIMESTAMP:
        return f"{start + timedelta(seconds=value):%H:%M:%S} UTC"
    if unit == "USD":
        for scale, word in ((1e9, "billion"), (1e6, "million")):
            if abs(value) >= scale:
                value, unit = value / scale, f"{word} USD"
                break
    rounded = float(f"{value:.5g}")
    if rounded != 0 and abs(rounded) < 1e-3:
        text = f"{rounded:.3e}"
    elif abs(rounded) >= 1e4:
        text = f"{rounded:,.0f}"
    else:
        text = f"{rounded:,.10g}"
    return f"{text.replace('-', '−')} {unit}"
