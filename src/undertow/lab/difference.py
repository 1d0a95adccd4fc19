"""Two ensembles of the same facts against each other: how far each fact moved, and whether that is noise.

Holds arithmetic on spreads only. Units: differences in tolerances, on the fact's own scale (logarithms for
tolerances of kind "log" and "rel"). Invariant: as many rows as facts, in their order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from undertow.case.facts import Fact
from undertow.lab.spread import FactSpread, Spread, rounded


@dataclass(frozen=True)
class FactDifference:
    """One fact in both. `spread`: standard deviation of the first one's draws; None for a single draw."""

    id: str
    block: str
    first_text: str
    second_text: str
    difference: float | None
    spread: float | None
    first_passed: bool
    second_passed: bool

    @property
    def beyond(self) -> bool:
        """Whether it moved by more than the first one's draws differ among themselves."""
        if self.difference is None:
            return self.first_text != self.second_text
        return self.spread is not None and abs(self.difference) > self.spread


def differences(facts: Sequence[Fact], first: Spread, second: Spread) -> tuple[FactDifference, ...]:
    """Every fact in two spreads over the same facts."""
    rows = []
    for fact, one, two in zip(facts, first.rows, second.rows, strict=True):
        moved, spread = _moved(fact, one, two), one.deviation if first.draws > 1 else None
        rows.append(
            FactDifference(
                one.id,
                one.block,
                one.centre_text,
                two.centre_text,
                moved,
                spread,
                one.passed,
                two.passed,
            )
        )
    return tuple(rows)


def as_plain(rows: Sequence[FactDifference]) -> list[dict[str, Any]]:
    """The rows as JSON holds them."""
    return [rounded({**asdict(row), "beyond": row.beyond}) for row in rows]


def _moved(fact: Fact, one: FactSpread, two: FactSpread) -> float | None:
    if one.centre is None or two.centre is None:
        return None
    amount = fact.tolerance.amount
    if fact.tolerance.kind == "abs":
        return (two.centre - one.centre) / amount
    if one.centre * two.centre > 0:
        return math.log(two.centre / one.centre) / amount
    if fact.tolerance.kind == "log":
        return None
    return (two.centre - one.centre) / (amount * abs(one.published))
