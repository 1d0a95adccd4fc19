"""Initial margin remembered within a batch: the same answers and bytes as commands sent one at a time.

Every batch begins with nothing remembered, so commands sent alone are checked by the walk over all holdings.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from support.small_venue import ASSET_FIGURES, DOLLAR, LINEAR_FIGURES
from undertow.errors import Rejection
from undertow.venue import ledger, setup
from undertow.venue.audit import audit, state_hash
from undertow.venue.book import make_order_room
from undertow.venue.execution import execute
from undertow.venue.open_loss import open_loss
from undertow.venue.records import COMMAND, RESULT, Cause, CommandKind, OrderFlag, TimeInForce
from undertow.venue.slack import FEW
from undertow.venue.state import (
    COLLATERAL_WEIGHTED,
    COUNT_FILLS,
    COUNT_POSTINGS,
    LEDGER_DETAIL,
    MATCH_EQUITY,
    MATCH_MARGIN,
    MATCH_RULE,
    MAXIMUM_ORDERS,
    State,
    allocate,
)

CONTRACTS, ASSETS = 10, 2
INSTRUMENTS = CONTRACTS + ASSETS
ACCOUNTS = 12
START = 1_000_000
BATCHES, LENGTH = 30, 150
# Three contracts' initial margin rises with what is open, so a trade of two others changes what is needed.
RISING = {"interest_lower": 3_000 * DOLLAR, "interest_upper": 60_000 * DOLLAR}


def venue() -> tuple[State, int]:
    """Twelve instruments, and customers who hold something in most of them."""
    state = allocate(16, 64, 1024, 4096)
    state.counters[LEDGER_DETAIL] = 1
    state.counters[MAXIMUM_ORDERS] = 1_000
    state.profiles[0]["maintenance_multiplier_ppm"] = 1_000_000
    state.profiles[0]["collateral"] = COLLATERAL_WEIGHTED
    setup.open_house(state, 1)
    for instrument in range(INSTRUMENTS):
        figures = LINEAR_FIGURES if instrument < CONTRACTS else ASSET_FIGURES
        figures = figures | RISING if instrument < 3 else figures
        setup.list_instrument(state, instrument, figures | {"taker_fee_ppm": 200}, START)
    first = setup.open_accounts(state, ACCOUNTS, 0, 0)
    for account in range(first, first + ACCOUNTS):
        ledger.deposit(state, account, 700 * DOLLAR)
        for instrument in range(CONTRACTS, INSTRUMENTS):
            ledger.deposit_asset(state, account, instrument, 1_000)
        for instrument in range(CONTRACTS):
            row = ledger.holding_of(state, account, instrument)
            ledger.apply_fill(state, row, 500 if account % 2 else -500, START, int(Cause.TRADE))
    make_order_room(state, 2 * BATCHES * LENGTH)
    setup.make_holding_room(state, ACCOUNTS * INSTRUMENTS)
    state.grow("fills", 50_000)
    state.grow("postings", 300_000)
    return state, first


def batch(draw: np.random.Generator, first: int, live: list[int]) -> NDArray[np.void]:
    """Orders near the start price, cancellations, amendments, and money in and out."""
    commands = np.zeros(LENGTH, COMMAND)
    kinds = [CommandKind.NEW, CommandKind.CANCEL, CommandKind.AMEND, CommandKind.CANCEL_ALL]
    kinds += [CommandKind.WITHDRAW, CommandKind.DEPOSIT_ASSET, CommandKind.WITHDRAW_ASSET]
    commands["kind"] = draw.choice(
        [int(kind) for kind in kinds], LENGTH, p=[0.75, 0.05, 0.1, 0.01, 0.03, 0.03, 0.03]
    )
    # Makers speak of one account many times on end, which is what is remembered.
    commands["account"] = first + np.repeat(draw.integers(0, ACCOUNTS, LENGTH // 10), 10)
    commands["instrument"] = draw.integers(0, INSTRUMENTS, LENGTH)
    moving = np.isin(commands["kind"], [int(CommandKind.DEPOSIT_ASSET), int(CommandKind.WITHDRAW_ASSET)])
    commands["instrument"][moving] = draw.integers(CONTRACTS, INSTRUMENTS, int(moving.sum()))
    commands["side"] = draw.choice([1, -1], LENGTH)
    commands["price"] = START - commands["side"].astype(np.int64) * draw.integers(-300, 20_000, LENGTH)
    commands["size"] = draw.integers(1, 4_000, LENGTH)
    commands["size"][commands["kind"] == int(CommandKind.WITHDRAW)] *= DOLLAR // 100
    commands["time_in_force"] = draw.choice(
        [int(TimeInForce.GOOD_TILL_CANCELLED), int(TimeInForce.IMMEDIATE_OR_CANCEL)], LENGTH, p=[0.8, 0.2]
    )
    commands["flags"] = draw.choice([0, int(OrderFlag.REDUCE_ONLY)], LENGTH, p=[0.9, 0.1])
    commands["self_trade"] = -1
    commands["order"] = draw.choice(live, LENGTH) if live else -1
    return commands


@pytest.mark.parametrize("match_rule", [MATCH_EQUITY, MATCH_MARGIN])
def test_remembered_equals_walked(match_rule: int) -> None:
    """Thirty batches on one venue, the same commands alone on another."""
    (together, first), (alone, _) = venue(), venue()
    together.counters[MATCH_RULE] = alone.counters[MATCH_RULE] = match_rule
    losses = 0
    draw = np.random.default_rng(11)
    live: list[int] = []
    answers: list[int] = []
    for number in range(BATCHES):
        commands = batch(draw, first, live)
        results, single = np.zeros(LENGTH, RESULT), np.zeros(LENGTH, RESULT)
        execute(together, commands, results)
        for place in range(LENGTH):
            execute(alone, commands[place : place + 1], single[place : place + 1])
        assert results.tobytes() == single.tobytes()
        live = [int(order) for order in results["order"] if order >= 0] + live[:200]
        answers += results["code"].tolist()
        for state in (together, alone):
            assert state.counters[COUNT_FILLS] < 50_000
            assert state.counters[COUNT_POSTINGS] < 300_000
            audit(state)
            losses += sum(open_loss(state, account) > 0 for account in range(first, first + ACCOUNTS))
            for instrument in range(INSTRUMENTS):
                state.markets["mark"][instrument] = START + (number * 977 + instrument * 389) % 4_001 - 2_000
        assert state_hash(together) == state_hash(alone)
    assert losses > BATCHES  # orders through the mark held something back
    assert answers.count(int(Rejection.NONE)) > 1_000
    assert answers.count(int(Rejection.INSUFFICIENT_MARGIN)) > 100
    holders = np.bincount(together.holdings["account"][:200], minlength=first + ACCOUNTS)
    assert int(holders[first : first + ACCOUNTS].min()) > FEW
