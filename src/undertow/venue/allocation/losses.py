"""Losses shared as money rather than contracts: socialised loss, clawback, lending-pool haircut, bad debt.

Holds the arithmetic of each rule over plain arrays. Moves no money; the ledger does, with the cause.
Units: micro-dollars (or the smallest unit of the asset), sizes in lots, rates in ppm and ppb.
Invariant: what is taken sums to the loss exactly; where less can be taken, the rest is returned as uncovered.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from undertow.units import PPM
from undertow.venue.allocation.prorata import share
from undertow.venue.allocation.scores import SCORE_SCALE
from undertow.venue.allocation.winners import Int64s


class Cover(NamedTuple):
    """A deficit after the fund has paid what it could."""

    paid_micros: int
    uncovered_micros: int


class Clawback(NamedTuple):
    """What is taken back from a session's net profits."""

    take_micros: Int64s
    rate_ppm: int
    uncovered_micros: int


class LendingLoss(NamedTuple):
    """An unbacked borrow written down over depositors; `index_ppb` is what one unit is worth after."""

    take_atoms: Int64s
    index_ppb: int
    haircut_ppm: int
    uncovered_atoms: int


def bad_debt(equity_micros: Int64s) -> int:
    """The sum of what accounts owe beyond their equity: sum of max(-equity, 0)."""
    return sum(-equity for equity in equity_micros.tolist() if equity < 0)


def cover_from_fund(deficit_micros: int, fund_micros: int) -> Cover:
    """The fund pays first, never more than it has; the rest is uncovered."""
    paid = max(0, min(deficit_micros, fund_micros))
    return Cover(paid, max(0, deficit_micros) - paid)


def socialise(loss_micros: int, size_lots: Int64s) -> Int64s:
    """Money per row in proportion to absolute size, both sides alike, whatever their profit.

    Sums to the loss: whole micros, largest remainder, ties by row. Source: drift-labs/protocol-v2 liquidation
    math (loss / (|long base| + |short base|), added to both sides' cumulative funding).
    """
    return share(loss_micros, size_lots)


def loss_per_lot_ppm(loss_micros: int, long_lots: int, short_lots: int) -> int:
    """The same loss as a rate: millionths of a micro-dollar per lot, floored; 0 without open interest."""
    total = abs(long_lots) + abs(short_lots)
    return loss_micros * PPM // total if total else 0


def clawback(loss_micros: int, session_profit_micros: Int64s) -> Clawback:
    """The uncovered loss over the net profits of the session; losers of the session pay nothing.

    `rate_ppm` is floored and only reported: the takes are exact shares that sum to min(loss, profits).
    Source: Dcoin full-liquidation page, the scheme of early OKEx.
    """
    profits = np.maximum(session_profit_micros, 0)
    total = sum(profits.tolist())
    taken = max(0, min(loss_micros, total))
    rate = taken * PPM // total if total else 0
    return Clawback(share(taken, profits), rate, max(0, loss_micros) - taken)


def lending_haircut(bad_atoms: int, deposit_atoms: Int64s, index_ppb: int = SCORE_SCALE) -> LendingLoss:
    """Cut every deposit by bad borrow / total deposits.

    The index is rounded down, in the pool's favour; the takes are exact shares. Source:
    drift-labs/protocol-v2 liquidation math.
    """
    total = sum(deposit_atoms.tolist())
    taken = max(0, min(bad_atoms, total))
    after = index_ppb * (total - taken) // total if total else index_ppb
    cut = taken * PPM // total if total else 0
    return LendingLoss(share(taken, deposit_atoms), after, cut, max(0, bad_atoms) - taken)
