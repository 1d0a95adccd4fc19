"""Results of a fit as sheets: one content, shown on a terminal or written as Markdown.

Holds which numbers are shown and in which words. Losses have no unit; a change is the other less the case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from undertow.lab.against import Against
from undertow.lab.calibrate import Calibration, figure_text
from undertow.lab.sensitivity import Sensitivity
from undertow.lab.spread import Spread
from undertow.lab.stability import Stability, met_of
from undertow.views.plain_tables import add_row, plain_table, print_table
from undertow.views.text import MISSING


@dataclass(frozen=True)
class Sheet:
    """A table with a title above and notes below it; columns named in `left` are texts."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    left: tuple[int, ...] = (0,)


def show(console: Console, sheets: Sequence[Sheet]) -> None:
    """Sheets on a terminal, an empty line between them."""
    for number, sheet in enumerate(sheets):
        if number:
            console.print()
        console.print(Text(sheet.title, "bold"))
        table = plain_table(*sheet.headings, left=sheet.left)
        for row in sheet.rows:
            add_row(table, *row)
        print_table(console, table)
        for note in sheet.notes:
            console.print(Text(note))


def markdown(title: str, sheets: Sequence[Sheet]) -> str:
    """Sheets as a Markdown page."""
    lines = [f"# {title}"]
    for sheet in sheets:
        rules = ["---" if place in sheet.left else "---:" for place in range(len(sheet.headings))]
        lines += ["", f"## {sheet.title}", ""]
        for row in (sheet.headings, tuple(rules), *sheet.rows):
            lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |")
        lines += [line for note in sheet.notes for line in ("", note)]
    return "\n".join(lines) + "\n"


def of_calibration(found: Calibration) -> list[Sheet]:
    """The parameters, the loss by block, and both at fresh seeds."""
    own, best = found.trials[0], found.best
    parameters = tuple(
        (
            each.key,
            figure_text(each.low),
            figure_text(each.high),
            figure_text(own.values[each.key]),
            figure_text(best.values[each.key]),
        )
        for each in found.dimensions
    )
    blocks = tuple(
        (block, f"{own.loss.blocks[block]:.3f}", f"{cost:.3f}") for block, cost in best.loss.blocks.items()
    )
    totals = ("loss, with half the spread", f"{own.loss.total:.3f}", f"{best.loss.total:.3f}")
    sheets = [
        Sheet("Parameters", ("Parameter", "Low", "High", "Case", "Best"), parameters),
        Sheet(
            "Loss by block, facts marked calibrate",
            ("Block", "Case", "Best"),
            (*blocks, totals),
            (f"Best: trial {best.number} of {len(found.trials)}.",),
        ),
    ]
    if found.checked is not None:
        sheets.append(_checked(found.checked.own, found.checked.best, len(found.checked.seeds)))
    return sheets


def _checked(own: Spread, best: Spread, seeds: int) -> Sheet:
    rows = []
    for name, calibrated in (("calibrated", True), ("predicted", False)):
        losses = [spread.loss(calibrated) for spread in (own, best)]
        if any(losses):
            rows.append(
                (f"{name} facts, loss", *(_loss_text(loss.total if loss else None) for loss in losses))
            )
            counts = [spread.count(calibrated) for spread in (own, best)]
            rows.append((f"{name} facts met by the mean", *(f"{met} of {total}" for met, total in counts)))
    return Sheet(f"At {seeds} seeds that no trial saw", ("", "Case", "Best"), tuple(rows))


def of_sensitivity(found: Sensitivity) -> list[Sheet]:
    """Every point: what moved, and what it did to losses, facts and blocks."""
    blocks = tuple(found.points[0].blocks) if found.points else ()
    rows = tuple(
        (
            point.key if point.free else f"{point.key} (not free)",
            figure_text(point.own),
            figure_text(point.value),
            _change(point.fitted),
            _change(point.everything),
            f"{point.met:+d}".replace("-", "−"),
            *(_change(point.blocks[block]) for block in blocks),
        )
        for point in found.points
    )
    met, total = met_of(found.base)
    fitted, whole = found.base.loss(True), found.base.loss()
    notes = (
        f"The case itself: loss {_loss_text(fitted.total if fitted else None)} over calibrated facts, "
        f"{_loss_text(whole.total if whole else None)} over all; {met} of {total} facts met by the mean; "
        f"{found.base.draws} draws.",
        "Changes of loss: below zero is closer to the record. Blocks are over all facts.",
    )
    headings = ("Parameter", "Case", "Moved to", "Calibrated", "All", "Facts met", *blocks)
    return [Sheet("One figure at a time", headings, rows, notes)]


def of_stability(found: Stability) -> list[Sheet]:
    """Every variant against the case, then the facts that changed sides."""
    met, total = met_of(found.base)
    rows = [
        ("as it is", f"{found.loss.mean:.3f}", f"{found.loss.deviation:.3f}", "", "", f"{met} of {total}")
    ]
    for row in found.rows:
        within = "within" if row.within else "beyond"
        rows.append(
            (
                row.words,
                f"{row.loss.mean:.3f}",
                f"{row.loss.deviation:.3f}",
                _change(row.change),
                within,
                f"{row.met[0]} of {row.met[1]}",
            )
        )
    variants = ("Variant", "Loss", "Between draws", "Change", "Against the spread", "Facts met")
    note = f"Loss over all facts, mean of {found.base.draws} draws; the spread is the case's between draws."
    sheets = [Sheet("Variants", variants, tuple(rows), (note,), (0, 4))]
    sides = tuple(
        (row.words, fact.id, fact.first_text, fact.second_text, "met" if fact.second_passed else "missed")
        for row in found.rows
        for fact in row.moved
    )
    if sides:
        headings = ("Variant", "Fact", "As it is", "Variant's mean", "Now")
        sheets.append(Sheet("Facts that changed sides", headings, sides, (), (0, 1, 4)))
    return sheets


def of_difference(found: Against) -> list[Sheet]:
    """Every fact with facts-only and recorded prices off the venue."""
    rows = tuple(
        (
            row.id,
            row.first_text,
            row.second_text,
            _change(row.difference),
            MISSING if row.spread is None else f"{row.spread:.2f}",
            "beyond" if row.beyond else "",
            f"{_verdict(row.first_passed)} / {_verdict(row.second_passed)}",
        )
        for row in found.rows
    )
    headings = ("Fact", "Facts only", "Recorded", "Difference", "Spread", "", "Met")
    counts = [met_of(each.spread) for each in (found.facts_only, found.recorded)]
    notes = (
        "Difference in tolerances; spread: standard deviation between draws of the facts-only runs.",
        f"Met by the mean: facts only {counts[0][0]} of {counts[0][1]}, "
        f"recorded {counts[1][0]} of {counts[1][1]}; seeds each: {found.facts_only.spread.draws}.",
    )
    return [Sheet("Facts only against recordings", headings, rows, notes, (0, 5, 6))]


def _verdict(passed: bool) -> str:
    return "met" if passed else "missed"


def _change(value: float | None) -> str:
    return MISSING if value is None else f"{value:+.3f}".replace("-", "−")


def _loss_text(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"
