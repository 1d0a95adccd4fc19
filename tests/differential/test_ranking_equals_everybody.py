"""Closes chosen from what a ranking remembers equal those chosen from everybody, whatever happened between.

Prices walk, some of them far; customers trade, pay in, are frozen and released; the ranking is asked now and
then, and forgets now and then.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from support.small_venue import (
    ASSET,
    DOLLAR,
    LINEAR_FIGURES,
    OTHER,
    PERPETUAL,
    check_books,
    set_mark,
    small_venue,
)
from undertow.venue import ledger, ranking, setup
from undertow.venue.allocation.policy import RankedQueue, policy
from undertow.venue.allocation.winners import Need
from undertow.venue.danger import refresh
from undertow.venue.holders import Offer, Side, chosen, whole_offers
from undertow.venue.ranking import Ranking
from undertow.venue.records import Cause
from undertow.venue.state import STAGE_FREE, STAGE_LIQUIDATING, State

ACCOUNTS = 400
LOOKS = 40
THIRD = 3
CONTRACTS = (PERPETUAL, OTHER, THIRD)
SIDES = [(instrument, sign) for instrument in CONTRACTS for sign in (1, -1)]


def crowd(draw: np.random.Generator) -> State:
    """Customers with a few positions against each other and some assets, cash of either sign."""
    state = small_venue()
    setup.list_instrument(state, THIRD, LINEAR_FIGURES, 1_000_000)
    setup.make_holding_room(state, 8 * ACCOUNTS)
    first = setup.open_accounts(state, ACCOUNTS, 0, 0)
    for account in range(first, first + ACCOUNTS):
        ledger.deposit(state, account, int(draw.lognormal(8, 2) * DOLLAR))
    for _ in range(2 * ACCOUNTS):
        trade(state, draw, first)
    for account in draw.integers(first, first + ACCOUNTS, 60):
        ledger.deposit_asset(state, int(account), ASSET, int(draw.integers(1, 50_000)))
    return state


def trade(state: State, draw: np.random.Generator, first: int) -> None:
    """Two customers trade some lots of a contract near its mark."""
    instrument = int(draw.choice(CONTRACTS))
    buyer, seller = (int(account) for account in draw.integers(first, first + ACCOUNTS, 2))
    lots = int(draw.lognormal(6, 2)) + 1
    price = int(state.markets["mark"][instrument] * draw.uniform(0.7, 1.3)) + 1
    for account, size in ((buyer, lots), (seller, -lots)):
        row = ledger.holding_of(state, account, instrument)
        ledger.apply_fill(state, row, size, price, int(Cause.TRADE))
        ledger.free_if_empty(state, row)


def meanwhile(state: State, draw: np.random.Generator, first: int) -> None:
    """What happens between two closes."""
    for instrument in (*CONTRACTS, ASSET):
        step = draw.choice([0.001, 0.02, 0.3], p=[0.5, 0.4, 0.1])
        mark = int(state.markets["mark"][instrument] * np.exp(step * draw.standard_normal()))
        set_mark(state, min(max(mark, 10), 4_000_000), instrument)
    for _ in range(int(draw.integers(0, 5))):
        trade(state, draw, first)
    for account in draw.integers(first, first + ACCOUNTS, int(draw.integers(0, 4))):
        ledger.deposit(state, int(account), int(draw.integers(-500, 2_000) * DOLLAR))
    for account in draw.integers(first, first + ACCOUNTS, 3):
        state.accounts["stage"][account] = draw.choice([STAGE_FREE, STAGE_LIQUIDATING])
    refresh(state)


def closes(queue: RankedQueue, offer: Offer, need: Need) -> list[tuple[int, int, int]]:
    """Account, holding and lots of every close, in rank order."""
    found = chosen(queue, offer, need)
    columns: list[NDArray[np.int64]] = [offer.account, offer.holding, found.close_lots]
    return [tuple(int(column[row]) for column in columns) for row in found.order]  # type: ignore[misc]


@pytest.mark.parametrize("name", ["profit-margin-ratio", "profit-leverage", "opposing-size"])
def test_ranking_equals_everybody(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For needs from one lot to more than all there is; few positions are near, so most are left out."""
    monkeypatch.setattr(ranking, "LEAST_NEAR", 4)
    draw = np.random.default_rng(7)
    state = crowd(draw)
    first = int(state.accounts["owner"].max()) - ACCOUNTS + 1
    queue = policy(name)
    assert isinstance(queue, RankedQueue)
    remembered = Ranking()
    left_out = closed = 0
    for look in range(LOOKS):
        meanwhile(state, draw, first)
        if look == LOOKS // 2:
            remembered.forget()
        asked = [SIDES[place] for place in draw.permutation(len(SIDES))[: draw.integers(1, len(SIDES) + 1)]]
        sides = [
            Side(*side, max(int(state.markets["mark"][side[0]] * draw.uniform(0.5, 1.5)), 1))
            for side in asked
        ]
        needs = [Need(int(10 ** draw.uniform(0, 6)), 0, side.price) for side in sides]
        everybody = whole_offers(state, sides, (7, look))
        few = remembered.offers(state, queue.score, sides, needs)
        for one, other, need in zip(everybody, few, needs, strict=True):
            assert closes(queue, other, need) == closes(queue, one, need)
            left_out += len(one.account) - len(other.account)
            closed += int(chosen(queue, other, need).close_lots.sum())
    check_books(state)
    assert left_out > 1_000
    assert closed > 0
