"""What an allocation did, in exact integers: who paid how much, against what was needed.

Holds the report of one allocation and the comparison of several policies on the same need. Draws no
conclusion and formats nothing.

Units: lots, micro-dollars, ppm (rounded down).
Invariant: paid = forgone + taken, and paid = minimum + overshoot - shortfall.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from undertow.units import PPM
from undertow.venue.allocation.policy import forgone_per_lot
from undertow.venue.allocation.prorata import sum_of
from undertow.venue.allocation.winners import Allocation, Need, Policy, Winners, allocate


class Report(NamedTuple):
    """One allocation, measured.

    `forgone_micros` is profit given up by closing off the mark (negative when the price favoured the
    winners), `taken_micros` money taken outright. `minimum_micros` is the deficit: what had to be paid.
    `solvent` says that the deficit is paid and every needed lot closed. `largest_burden_ppm` is the largest
    burden over that winner's profit, None when he had none; `largest_burden_account` is -1 when nobody was
    burdened.
    """

    policy: str
    touched: int
    closed_lots: int
    unclosed_lots: int
    closed_ppm: int
    forgone_micros: int
    taken_micros: int
    haircut_ppm: int
    minimum_micros: int
    overshoot_micros: int
    shortfall_micros: int
    solvent: bool
    largest_burden_micros: int
    largest_burden_account: int
    largest_burden_ppm: int | None


def report(name: str, winners: Winners, need: Need, allocation: Allocation) -> Report:
    """Measure an allocation against the need. Shares are of all lots and of all positive profit offered."""
    close, take, _ = allocation
    per_lot = forgone_per_lot(winners, need)
    closed, taken = int(close.sum()), sum_of(take)
    paid = per_lot * closed + taken
    lots, profit = int(winners.size_lots.sum()), sum_of(np.maximum(winners.profit_micros, 0))
    unclosed = need.need_lots - closed
    burden = close * per_lot + take
    row = int(burden.argmax()) if len(burden) else -1
    largest = max(int(burden[row]), 0) if row >= 0 else 0
    own_profit = int(winners.profit_micros[row]) if largest else 0
    return Report(
        policy=name,
        touched=int(np.count_nonzero((close > 0) | (take > 0))),
        closed_lots=closed,
        unclosed_lots=unclosed,
        closed_ppm=closed * PPM // lots if lots else 0,
        forgone_micros=per_lot * closed,
        taken_micros=taken,
        haircut_ppm=paid * PPM // profit if profit else 0,
        minimum_micros=need.deficit_micros,
        overshoot_micros=max(0, paid - need.deficit_micros),
        shortfall_micros=max(0, need.deficit_micros - paid),
        solvent=paid >= need.deficit_micros and unclosed == 0,
        largest_burden_micros=largest,
        largest_burden_account=int(winners.account[row]) if largest else -1,
        largest_burden_ppm=largest * PPM // own_profit if own_profit > 0 else None,
    )


def compare(policies: Iterable[Policy], winners: Winners, need: Need) -> list[Report]:
    """The same need under each policy, one report each, in the order given."""
    return [report(each.name, winners, need, allocate(each, winners, need)) for each in policies]
