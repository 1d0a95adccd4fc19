"""Tables on a terminal: what a run came to, its score, runs side by side, what is in a case.

Holds layout only. Colour repeats what a word already says.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from undertow.case.beside import second_venue
from undertow.case.overrides import as_text
from undertow.case.sources import cited
from undertow.lab.outcomes import Outcome, read_outcomes
from undertow.lab.score import Score, bounded, in_words
from undertow.lab.standing import Standing, standing_of
from undertow.tape import RunFolder
from undertow.views.notes import draw_note, reach_text
from undertow.views.plain_tables import add_row, plain_table, print_table
from undertow.views.text import MISSING, dollars, figures, in_unit, label, sections, value_text

if TYPE_CHECKING:
    from undertow.case.model import Case

_SHOWN_FIRST = (
    "liquidated_traders", "liquidated_people", "liquidated_accounts", "liquidated_loss", "orders",
    "takeovers", "adl", "fund_draw", "bad_debt",
)  # fmt: skip


def run_summary(console: Console, folder: RunFolder) -> None:
    """A finished run in a few lines: its headline numbers, then how far each instrument fell.

    Where draws of the same case stand beside the run, each number has their least and largest beside it.
    """
    found, record, standing = read_outcomes(folder), folder.read(), standing_of(folder)
    title = escape(str(record.get("title", folder.name)))
    console.print(f"[bold]{title}[/bold]  ({escape(str(record.get('rulebook', '')))})", highlight=False)
    venue = {outcome.name: outcome for outcome in found if not outcome.instrument}
    shown = [venue[name] for name in _SHOWN_FIRST if name in venue and venue[name].value is not None]
    draws = [] if standing is None else [f"{standing.draws} draws beside it"]
    table = plain_table("", f"Seed {record.get('seed', MISSING)}" if draws else "", *draws)
    for outcome in shown:
        value = in_unit(outcome.value, outcome.unit)
        add_row(table, outcome.label, value, *_reach(standing, outcome))
    print_table(console, table)
    instruments = _by_instrument(found)
    if instruments:
        reach = ["least and deepest of the draws"] if standing is not None else []
        table = plain_table("Instrument", "Deepest fall", *reach, "Low after", "Discount to outside")
        for name, row in instruments.items():
            fall, low, gap = (in_unit(row[key].value, row[key].unit) for key in ("fall", "low_time", "gap"))
            add_row(table, name, fall, *_reach(standing, row["fall"]), low, gap)
        print_table(console, table)
    console.print(Text(draw_note(record, standing, folder.path)), soft_wrap=True)


def _reach(standing: Standing | None, outcome: Outcome) -> list[str]:
    """From where to where draws reach, as a cell; no cell where there are none."""
    if standing is None:
        return []
    drawn = standing.of(outcome.name, outcome.instrument)
    return [MISSING if drawn is None else reach_text(drawn)]


def not_scored(console: Console, folder: RunFolder) -> None:
    """Why a run has no score, where there is something to say."""
    reason = str(folder.read().get("not_scored") or "")
    if reason:
        console.print(Text(f"{reason[:1].upper()}{reason[1:]}."), soft_wrap=True)


def score_table(console: Console, score: Score) -> None:
    """Every fact with what was published, what was simulated, and whether it was met."""
    table = plain_table("Fact", "Published", "Simulated", "Tolerances off", "", left=(0, 4))
    for row in score.rows:
        off = MISSING if row.distance is None else f"{row.distance:.2f}"
        verdict = Text("met" if row.passed else "missed", "green" if row.passed else "red")
        if row.calibrated:
            verdict.append("  (calibrated)", "default")
        simulated = row.problem if row.simulated is None else row.simulated_text
        add_row(table, row.id, row.bound_text, simulated, off, verdict)
    print_table(console, table)
    for name, calibrated in (("predicted", False), ("calibrated", True)):
        passed, total = score.count(calibrated)
        if total:
            console.print(f"{name} facts met: {passed} of {total}", highlight=False)


def case_in_words(console: Console, case: Case) -> None:
    """A case: title and summary, what is listed, the outside, the crowd, the facts, the mechanisms."""
    console.print(f"[bold]{escape(case.title)}[/bold]", highlight=False)
    console.print(f"{escape(case.summary.strip())}\n", highlight=False)
    table = plain_table("", "", left=(0, 1))
    add_row(table, "rulebook", case.rulebook)
    add_row(table, "time", f"{case.start:%d %B %Y, %H:%M} to {case.end:%H:%M} UTC, {case.steps:,} steps")
    add_row(table, "accounts", f"{case.accounts:,}")
    for key, value in case.house.model_dump(exclude={"source", "first_funding"}).items():
        add_row(table, label(key), value_text(key, value))
    _show(console, table)
    _instruments(console, case)
    _outside(console, case)
    dump = case.model_dump(mode="json")
    parts = {**dump["crowd"], "weather": dump["weather"], "rulebook, changed": dump["rulebook_overrides"]}
    for section in sections(parts):
        table = plain_table(section.title.capitalize(), "", left=(0, 1))
        for key, text in section.rows:
            add_row(table, key, text)
        _show(console, table)
    _facts(console, case)
    _beside(console, case)
    if case.calibration:
        table = plain_table("Free figure", "Low", "High", "Meaning", "Source", left=(0, 3, 4))
        for row in case.calibration:
            add_row(table, row.key, figures(row.low), figures(row.high), row.meaning, row.source)
        _show(console, table)
    if case.mechanisms:
        table = plain_table("Mechanism", "What is taken away", "Overrides", left=(0, 1, 2))
        for name, mechanism in case.mechanisms.items():
            changes = "\n".join(f"{key}={as_text(value)}" for key, value in mechanism.set.items())
            add_row(table, name, mechanism.description, changes)
        _show(console, table)


def _instruments(console: Console, case: Case) -> None:
    table = plain_table(
        "Instrument", "Kind", "Follows", "Class", "Open interest", "Turnover", left=(0, 1, 2, 3)
    )
    for row in case.instruments:
        amounts = [
            dollars(amount) if amount else MISSING for amount in (row.open_interest_usd, row.turnover_usd)
        ]
        add_row(table, row.name, row.kind, row.coin, row.margin_class, *amounts)
    _show(console, table)


def _outside(console: Console, case: Case) -> None:
    table = plain_table("Outside price", "Anchors", "First", "Lowest named")
    for row in case.world.coin:
        prices = [anchor.price for anchor in row.anchors if anchor.price is not None]
        named = [figures(price, 6) for price in (prices[0], min(prices))] if prices else [MISSING, MISSING]
        add_row(table, row.coin, str(len(row.anchors)), *named)
    _show(console, table)


def _beside(console: Console, case: Case) -> None:
    """The second venue: its rulebook, its accounts, what it lists, what differs in its crowd, its facts."""
    if case.beside is None:
        return
    second = second_venue(case)
    console.print(f"[bold]Beside it: {escape(second.title)}[/bold]", highlight=False)
    table = plain_table("", "", left=(0, 1))
    add_row(table, "rulebook", second.rulebook)
    add_row(table, "accounts", f"{second.accounts:,}")
    for key, value in case.beside.crowd.items():
        figure = float(value) if isinstance(value, Decimal) else value
        add_row(table, f"crowd.{key}", value_text(key, figure))
    _show(console, table)
    _instruments(console, second)
    _facts(console, second)


def _facts(console: Console, case: Case) -> None:
    if not case.facts:
        return
    table = plain_table("Fact", "Published", "Tolerance", "Source", left=(0, 3))
    for fact in case.facts:
        value = bounded(in_words(fact.published(case.start), fact.unit, case.start), fact.side)
        mark = " *" if fact.calibrate else ""
        add_row(table, fact.id + mark, value, fact.tolerance.in_words(fact.unit), fact.source)
    _show(console, table)
    if any(fact.calibrate for fact in case.facts):
        console.print("* used to choose parameters; the others are predicted", highlight=False)
    origins = cited(fact.source for fact in case.facts)
    if origins:
        console.print("\n[bold]Where these facts were published[/bold]", highlight=False)
        for one in origins:
            console.print(Text(f"{one.source.in_words}\n    {one.ids}"), soft_wrap=True)
        console.print()


def _by_instrument(found: Sequence[Outcome]) -> dict[str, dict[str, Outcome]]:
    grouped: dict[str, dict[str, Outcome]] = {}
    for outcome in found:
        if outcome.instrument:
            grouped.setdefault(outcome.instrument, {})[outcome.name] = outcome
    return grouped


def _show(console: Console, table: Table) -> None:
    """A table and an empty line."""
    print_table(console, table)
    console.print()
