"""Tables on a terminal about several draws: outcomes and facts over an ensemble, its losses by block.

Holds layout only. Colour repeats what a word already says.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from undertow.lab.drawn import Drawn
from undertow.lab.ensemble import Ensemble
from undertow.lab.spread import FactSpread, Spread
from undertow.views.plain_tables import add_row, plain_table, print_table
from undertow.views.text import MISSING, distance_text, in_unit

_SHOWN = (
    "liquidated_traders", "liquidated_people", "liquidated_loss", "orders", "takeovers", "adl",
    "adl_accounts", "fund_draw", "bad_debt", "fall",
)  # fmt: skip


def outcomes_table(console: Console, found: Sequence[Drawn]) -> None:
    """The chief outcomes over the draws: mean, least, largest and how far they spread."""
    table = plain_table("Outcome", "Mean", "Least", "Largest", "Spread")
    for drawn in found:
        if drawn.name in _SHOWN and drawn.mean is not None:
            name = f"{drawn.label}, {drawn.instrument}" if drawn.instrument else drawn.label
            numbers = (drawn.mean, drawn.least, drawn.largest)
            spread = distance_text(drawn.deviation or 0.0, drawn.unit)
            add_row(table, name, *(in_unit(number, drawn.unit) for number in numbers), spread)
    print_table(console, table)
    console.print()


def no_facts(console: Console, ensemble: Ensemble) -> None:
    """Why no fact is shown."""
    reason = ensemble.not_scored or f"{ensemble.variant.case.name} names no facts, so nothing is scored"
    console.print(Text(f"{reason[:1].upper()}{reason[1:]}."), soft_wrap=True)


def spread_table(console: Console, spread: Spread) -> None:
    """Every fact over the draws: published, mean, spread, extremes, and whether the mean meets it."""
    table = plain_table(
        "Fact", "Published", "Mean", "Least", "Largest", "Off", "Spread", "Draws", "", left=(0, 8)
    )
    for row in spread.rows:
        add_row(
            table,
            row.id,
            row.bound_text,
            row.centre_text if not row.problem or row.centre is None else f"{row.centre_text} (median)",
            row.least_text,
            row.largest_text,
            _number(row.distance),
            _number(row.deviation),
            f"{round(row.share_passed * spread.draws)}/{spread.draws}",
            _verdict(row),
        )
    print_table(console, table)
    console.print(
        "Off: tolerances from the mean to what was published. Spread: standard deviation over draws, in "
        "tolerances. Draws: how many meet the fact alone.",
        highlight=False,
    )
    for row in spread.rows:
        if row.problem:
            console.print(Text(f"{row.id}: {row.problem}"), highlight=False)
    for name, calibrated in (("predicted", False), ("calibrated", True)):
        passed, total = spread.count(calibrated)
        loss = spread.loss(calibrated)
        if loss is not None:
            blocks = ", ".join(f"{block} {cost:.2f}" for block, cost in loss.blocks.items())
            console.print(
                f"{name} facts met by the mean: {passed} of {total}; loss {loss.total:.3f} "
                f"(mean {loss.mean:.3f}, between draws {loss.deviation:.3f}; by block: {blocks})",
                highlight=False,
                soft_wrap=True,
            )


def _verdict(row: FactSpread) -> Text:
    verdict = Text("met" if row.passed else "missed", "green" if row.passed else "red")
    if row.calibrated:
        verdict.append("  (calibrated)", "default")
    return verdict


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"
