"""What backstop providers had no room for, closed at once against the best-ranked opposing positions.

Holds the closing of parts of positions of wallets that stay open; whole bankrupt wallets are `closing`'s
affair. Holds no ranking (`allocation`).

The winner closes at the rulebook's price; the loser in effect at its zero price, because what the close
fetched above it goes to the contract's insurance fund, as in a close by a provider.

Units: lots, ticks, settlement units. Invariants: no more is closed of a position than overflowed; the
rows are served in their order, each from the best-ranked winner that is left.

Source: FTX help 360027937831 (users with the largest opposing positions, at 2/3 ZP + 1/3 P).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from undertow.venue.allocation.report import Report, report
from undertow.venue.allocation.winners import scope_of
from undertow.venue.backstop import INSURANCE_IN, better_than_zero
from undertow.venue.closing import (
    LOSER,
    BadDebt,
    ClosingRule,
    Giving,
    need_of,
    offers,
    priced,
    settle_closes,
    side_of,
)
from undertow.venue.holders import chosen
from undertow.venue.integers import NOTHING
from undertow.venue.ledger import find_holding, free_if_empty, pay, tell
from undertow.venue.ranking import Ranking
from undertow.venue.records import EventKind
from undertow.venue.state import State


def close_overflow(
    state: State,
    rule: ClosingRule,
    overflow: NDArray[np.void],
    draw: tuple[int, int],
    ranking: Ranking | None,
) -> list[Report]:
    """Close every row of `overflow` (dtype OVERFLOW). Returns reports as `close_bankrupt` does.

    A policy that closes nobody (it takes money, or leaves the debt) is not asked; the rest waits for the
    providers.
    """
    if len(overflow) == 0 or isinstance(rule.policy, BadDebt) or scope_of(rule.policy) != "opposing":
        return []
    losers = np.zeros(len(overflow), LOSER)
    for row, rest in enumerate(overflow):
        account, instrument = int(rest["account"]), int(rest["instrument"])
        holding = int(find_holding(state, account, instrument))
        size = int(state.holdings["size"][holding]) if holding >= 0 else 0
        lots = min(abs(size), int(rest["lots"]))
        signed = lots if size > 0 else -lots
        losers[row] = (account, holding, instrument, signed, int(rest["zero"]), 0, 0)
    losers = losers[losers["size"] != 0]
    key = losers["instrument"] * 2 + (losers["size"] < 0)
    measured = []
    for value in np.unique(key):
        measured += _close_side(state, rule, losers[key == value], draw, ranking)
    return measured


def _close_side(
    state: State,
    rule: ClosingRule,
    losers: NDArray[np.void],
    draw: tuple[int, int],
    ranking: Ranking | None,
) -> list[Report]:
    """One contract and side: ask the policy once, then serve the losers in order."""
    losers = priced(state, rule, losers)
    long = losers["size"][0] > 0
    need = need_of(rule, losers)
    offer = offers(state, rule, [side_of(rule, losers, need)], [need], (draw, ranking))[0]
    if len(offer.account) == 0:
        return []
    allocation = chosen(rule.policy, offer, need)
    left = np.ascontiguousarray(allocation.close_lots).copy()
    for loser in losers:
        order, closes = _served(allocation.order, left, abs(int(loser["size"])))
        if len(order):
            one = np.array([loser], LOSER)
            giving = Giving(offer.account[order], offer.holding[order], closes[order])
            closed = int(settle_closes(state, one, giving, int(rule.cancels_orders)))
            _pay_fund(state, one[0], closed if long else -closed)
            free_if_empty(state, int(loser["holding"]))
    if offer.winners is None:
        return []
    return [report(rule.policy.name, offer.winners, need, allocation)]


def _served(
    order: NDArray[np.int64], left: NDArray[np.int64], lots: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The winners, in rank order, that give up `lots` next, and what each gives; taken off `left`."""
    ranked = left[order]
    before = np.cumsum(ranked) - ranked
    given = np.clip(lots - before, 0, ranked)
    closes = np.zeros_like(left)
    closes[order] = given
    left -= closes
    return np.ascontiguousarray(order[given > 0]), closes


def _pay_fund(state: State, loser: np.void, size: int) -> None:
    """What a close of signed `size` fetched above the zero price goes to the contract's fund."""
    instrument = int(loser["instrument"])
    record = state.instruments[instrument]
    gain = int(
        better_than_zero(
            int(record["kind"]), int(record["unit"]), size, int(loser["price"]), int(loser["zero"])
        )
    )
    if gain > 0:
        account, fund = int(loser["account"]), int(record["fund"])
        pay(state, account, fund, gain, INSURANCE_IN, instrument)
        tell(state, int(EventKind.FUND_IN), (account, fund), NOTHING, gain, 0)
