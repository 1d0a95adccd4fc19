"""Tables on a terminal: what a run came to, its score, runs side by side, what is in a case.

Holds layout only. Colour repeats what a word already says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from undertow.lab.compare import Comparison
from undertow.lab.outcomes import Outcome, outcomes, read_summary
from undertow.lab.score import Score
from undertow.tape import RunFolder, Tape
from undertow.views.text import MISSING, in_unit, sections

_SHOWN_FIRST = (
    "liquidated_accounts", "liquidated_loss", "orders", "takeovers", "adl", "fund_draw", "bad_debt",
)  # fmt: skip


def run_summary(console: Console, folder: RunFolder) -> None:
    """A finished run in a few lines: its headline numbers, then how far each instrument fell."""
    found = read_summary(folder)
    if found is None:
        with Tape(folder) as tape:
            found = outcomes(tape)
    record = folder.read()
    console.print(
        f"[bold]{record.get('title', folder.name)}[/bold]  ({record.get('rulebook', '')})", highlight=False
    )
    venue = {outcome.name: outcome for outcome in found if not outcome.instrument}
    table = _table("", "")
    for name in _SHOWN_FIRST:
        if name in venue and venue[name].value is not None:
            table.add_row(venue[name].label, in_unit(venue[name].value, venue[name].unit))
    console.print(table)
    instruments = _by_instrument(found)
    if instruments:
        table = _table("Instrument", "Deepest fall", "Low after", "Discount to outside")
        for name, row in instruments.items():
            table.add_row(
                name, *(in_unit(row[key].value, row[key].unit) for key in ("fall", "low_time", "gap"))
            )
        console.print(table)


def score_table(console: Console, score: Score) -> None:
    """Every fact with what was published, what was simulated, and whether it was met."""
    table = _table("Fact", "Published", "Simulated", "Tolerances off", "", left=(0, 4))
    for row in score.rows:
        off = MISSING if row.distance is None else f"{row.distance:.2f}"
        verdict = "[green]met[/green]" if row.passed else "[red]missed[/red]"
        kind = "  (calibrated)" if row.calibrated else ""
        simulated = row.problem if row.simulated is None else row.simulated_text
        table.add_row(row.id, row.published_text, simulated, off, verdict + kind)
    console.print(table)
    for name, calibrated in (("predicted", False), ("calibrated", True)):
        passed, total = score.count(calibrated)
        if total:
            console.print(f"{name} facts met: {passed} of {total}", highlight=False)


def comparison(console: Console, found: Comparison, everything: bool) -> None:
    """Runs side by side; rows that are equal are left out unless everything is asked for."""
    if found.settings:
        table = _table("Run with", *found.names)
        for key, settings in found.settings.items():
            table.add_row(key, *settings)
        console.print(table)
    rows = [row for row in found.rows if everything or row.differs]
    if not rows:
        console.print("No key outcome differs.", highlight=False)
        return
    changes = ["Change"] if len(found.names) == 2 else [f"Change, {name}" for name in found.names[1:]]
    table = _table("Outcome", *found.names, *changes)
    for row in rows:
        name = f"{row.label}, {row.instrument}" if row.instrument else row.label
        values = [in_unit(value, row.unit) for value in row.values]
        table.add_row(name, *values, *(in_unit(change, row.unit, sign=True) for change in row.differences))
    console.print(table)
    equal = len(found.rows) - len(rows)
    if equal:
        console.print(f"{equal} outcomes are equal (--everything shows them).", highlight=False)


def case_list(console: Console, cases: Sequence[tuple[str, Any]]) -> None:
    """The cases that ship, by name."""
    table = _table("Case", "Title", "Rulebook", "Facts", left=(0, 1, 2))
    for name, case in cases:
        content = case.model_dump(mode="json")
        facts = content.get("facts") or []
        table.add_row(name, str(content.get("title", "")), _rulebook_name(content), str(len(facts)))
    console.print(table)


def case_in_words(console: Console, case: Any) -> None:
    """A case: title and summary, each table, the facts, the mechanisms."""
    content = case.model_dump(mode="json")
    console.print(f"[bold]{content.get('title', '')}[/bold]", highlight=False)
    if content.get("summary"):
        console.print(str(content["summary"]), highlight=False)
    for section in sections(content, skip=("title", "summary", "facts", "mechanisms", "sources")):
        table = _table(section.title.capitalize() or "Case", "", left=(0, 1))
        for key, value in section.rows:
            table.add_row(key, value)
        console.print(table)
    _facts(console, case)
    mechanisms = content.get("mechanisms") or {}
    if isinstance(mechanisms, Mapping) and mechanisms:
        table = _table("Mechanism", "Without it", left=(0, 1))
        for name, value in mechanisms.items():
            rows = sections({"": value})[0].rows if isinstance(value, Mapping) else (("", str(value)),)
            table.add_row(name, "; ".join(f"{key} {text}".strip() for key, text in rows))
        console.print(table)


def _facts(console: Console, case: Any) -> None:
    facts = getattr(case, "facts", ())
    if not facts:
        return
    table = _table("Fact", "Published", "Tolerance", "Source", left=(0, 3))
    for fact in facts:
        value = fact.value if not hasattr(fact.value, "strftime") else f"{fact.value:%H:%M:%S}"
        mark = " *" if fact.calibrate else ""
        table.add_row(fact.id + mark, f"{value} {fact.unit}", fact.tolerance.in_words(fact.unit), fact.source)
    console.print(table)
    if any(fact.calibrate for fact in facts):
        console.print("* used for calibration; the others are predicted", highlight=False)


def _rulebook_name(content: Mapping[str, Any]) -> str:
    rulebook = content.get("rulebook", "")
    return str(rulebook.get("name", "")) if isinstance(rulebook, Mapping) else str(rulebook)


def _by_instrument(found: Sequence[Outcome]) -> dict[str, dict[str, Outcome]]:
    grouped: dict[str, dict[str, Outcome]] = {}
    for outcome in found:
        if outcome.instrument:
            grouped.setdefault(outcome.instrument, {})[outcome.name] = outcome
    return grouped


def _table(*headings: str, left: Sequence[int] = (0,)) -> Table:
    """A plain table; columns named in `left` are texts, the others numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(headings))
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place in left else "right", overflow="fold")
    return table
