"""Deposits, withdrawals and transfers: what may leave a wallet, and that nothing is made or lost.

Units: ticks, lots, settlement units (10 a tick and lot). Initial margin is 10 %, so a position of 1000
lots at 100 ticks keeps 100,000.
"""

from __future__ import annotations

import numpy as np
import pytest

from support.books import command
from support.desk import ACCEPTED, INVERSE, LINEAR, SPOT, Desk
from undertow.errors import Rejection
from undertow.units import AMOUNT_LIMIT
from undertow.venue.execution import execute
from undertow.venue.records import OUTSIDE, RESULT, SPOT_ASSET_BASE, Cause, CommandKind
from undertow.venue.state import (
    COUNT_POSTINGS,
    MAXIMUM_SETTLEMENTS,
    STAGE_LIQUIDATING,
    WITHDRAWAL_NOTIONAL_PPM,
    WITHDRAWALS_CLOSED,
)

CASH = 1_000_000


@pytest.fixture
def desk() -> Desk:
    """Four customers with a million units in each wallet."""
    return Desk()


def withdraw(desk: Desk, amount: int, person: int = 0) -> int:
    """The code of a withdrawal."""
    return desk.do(CommandKind.WITHDRAW, account=desk.wallets[person], size=amount).code


def withdraw_asset(desk: Desk, lots: int, instrument: int = SPOT) -> int:
    """The code of a withdrawal of an asset by the first customer."""
    fields = {"account": desk.wallets[0], "instrument": instrument, "size": lots}
    return desk.do(CommandKind.WITHDRAW_ASSET, **fields).code


def last_posting(desk: Desk) -> tuple[int, ...]:
    """(source, target, amount, asset, instrument, cause) of the newest posting."""
    row = desk.state.postings[desk.state.counters[COUNT_POSTINGS] - 1]
    return tuple(int(row[name]) for name in ("source", "target", "amount", "asset", "instrument", "cause"))


def test_deposits_and_withdrawals_are_written_down(desk: Desk) -> None:
    ann = desk.wallets[0]
    desk.do(CommandKind.DEPOSIT, account=ann, size=7)
    assert last_posting(desk) == (OUTSIDE, ann, 7, 0, -1, Cause.DEPOSIT)
    assert withdraw(desk, 5) == ACCEPTED
    assert last_posting(desk) == (ann, OUTSIDE, 5, 0, -1, Cause.WITHDRAWAL)
    assert desk.cash(ann) == CASH + 2
    assert desk.state.net_deposits[0] == 4 * CASH + 2


def test_no_more_than_there_is_leaves(desk: Desk) -> None:
    assert withdraw(desk, CASH + 1) == Rejection.INSUFFICIENT_MARGIN
    assert withdraw(desk, CASH) == ACCEPTED


def test_initial_margin_stays_and_so_does_profit_not_yet_realised(desk: Desk) -> None:
    desk.trade(desk.wallets[0], desk.wallets[1], 1_000, 100)
    assert withdraw(desk, CASH - 100_000 + 1) == Rejection.INSUFFICIENT_MARGIN
    assert withdraw(desk, CASH - 100_000) == ACCEPTED
    desk.state.markets[LINEAR]["mark"] = 300  # profit 2,000,000, margin 300,000; only the cash is there
    assert withdraw(desk, 100_001) == Rejection.INSUFFICIENT_MARGIN
    assert withdraw(desk, 100_000) == ACCEPTED


def test_what_orders_reserve_stays(desk: Desk) -> None:
    desk.buy(desk.wallets[0], 400, 100, SPOT)  # 400,000 of cash; the asset counts for nothing as collateral
    assert withdraw(desk, 600_001) == Rejection.INSUFFICIENT_MARGIN
    assert withdraw(desk, 600_000) == ACCEPTED


def test_a_share_of_the_notional_may_have_to_stay(desk: Desk) -> None:
    desk.state.counters[WITHDRAWAL_NOTIONAL_PPM] = 200_000
    desk.trade(desk.wallets[0], desk.wallets[1], 1_000, 100)
    assert withdraw(desk, CASH - 200_000 + 1) == Rejection.INSUFFICIENT_MARGIN
    assert withdraw(desk, CASH - 200_000) == ACCEPTED


def test_a_privileged_wallet_may_go_below_zero(desk: Desk) -> None:
    desk.state.accounts[desk.wallets[0]]["credit_limit"] = 500
    assert withdraw(desk, CASH + 501) == Rejection.INSUFFICIENT_MARGIN
    assert withdraw(desk, CASH + 500) == ACCEPTED
    assert desk.cash(desk.wallets[0]) == -500


def test_what_bids_reserve_is_not_lent_again(desk: Desk) -> None:
    """A bid for 10 of an asset at 100 holds 1,000 of the cash, and a credit limit does not let it out."""
    unit = int(desk.state.instruments["unit"][SPOT])
    desk.state.accounts[desk.wallets[0]]["credit_limit"] = 500
    bid = {"account": desk.wallets[0], "instrument": SPOT, "side": 1, "size": 10, "price": 100}
    assert desk.do(CommandKind.NEW, **bid).code == ACCEPTED
    held = 10 * 100 * unit
    assert withdraw(desk, CASH + 500 - held + 1) == Rejection.INSUFFICIENT_MARGIN
    assert withdraw(desk, CASH + 500 - held) == ACCEPTED


def test_gates_and_freezes_hold_money_back(desk: Desk) -> None:
    desk.state.counters[WITHDRAWALS_CLOSED] = 1
    assert withdraw(desk, 1) == withdraw_asset(desk, 1) == Rejection.WITHDRAWALS_CLOSED
    desk.state.counters[WITHDRAWALS_CLOSED] = 0
    desk.state.accounts[desk.wallets[0]]["stage"] = STAGE_LIQUIDATING
    assert withdraw(desk, 1) == withdraw_asset(desk, 1) == Rejection.ACCOUNT_FROZEN


@pytest.mark.parametrize(
    "kind", [CommandKind.DEPOSIT, CommandKind.WITHDRAW, CommandKind.DEPOSIT_ASSET, CommandKind.WITHDRAW_ASSET]
)
@pytest.mark.parametrize("amount", [0, -1, AMOUNT_LIMIT + 1, -(1 << 63)])
def test_amounts_are_checked(desk: Desk, kind: CommandKind, amount: int) -> None:
    fields = {"instrument": SPOT, "size": amount}
    assert desk.do(kind, account=desk.wallets[0], **fields).code == Rejection.BAD_SIZE
    assert desk.do(kind, account=99, **fields).code == Rejection.UNKNOWN_ACCOUNT


def test_unknown_kinds_are_refused(desk: Desk) -> None:
    assert desk.do(55, account=desk.wallets[0], size=1).code == Rejection.BAD_COMMAND


# ---- assets


def test_assets_come_and_go(desk: Desk) -> None:
    ann = desk.wallets[0]
    desk.do(CommandKind.DEPOSIT_ASSET, account=ann, instrument=SPOT, size=9)
    assert last_posting(desk) == (OUTSIDE, ann, 9, SPOT_ASSET_BASE + SPOT, SPOT, Cause.DEPOSIT)
    assert withdraw_asset(desk, 10) == Rejection.INSUFFICIENT_BALANCE
    desk.sell(ann, 4, 100, SPOT)
    assert withdraw_asset(desk, 6) == Rejection.INSUFFICIENT_BALANCE
    assert withdraw_asset(desk, 5) == ACCEPTED
    assert desk.row(ann, SPOT) == (4, 0, 0, 4)
    assert desk.state.net_deposits[MAXIMUM_SETTLEMENTS + SPOT] == 4


def test_an_asset_that_carries_a_position_stays(desk: Desk) -> None:
    """500 lots of the asset count for 400,000; the position keeps 100,000 and there is no cash."""
    ann, bob, *_ = desk.wallets
    record = desk.state.instruments[SPOT]
    record["weight_total_ppm"] = record["weight_initial_ppm"] = 800_000
    desk.do(CommandKind.DEPOSIT_ASSET, account=ann, instrument=SPOT, size=500)
    desk.trade(ann, bob, 1_000, 100)
    assert withdraw(desk, CASH) == ACCEPTED
    assert withdraw_asset(desk, 376) == Rejection.INSUFFICIENT_MARGIN
    assert withdraw_asset(desk, 375) == ACCEPTED


def test_an_asset_that_counts_for_nothing_may_leave(desk: Desk) -> None:
    ann, bob, *_ = desk.wallets
    desk.do(CommandKind.DEPOSIT_ASSET, account=ann, instrument=SPOT, size=5)
    desk.trade(ann, bob, 10_000, 100)  # all cash is margin
    assert withdraw_asset(desk, 5) == ACCEPTED


@pytest.mark.parametrize("instrument", [-1, LINEAR, INVERSE, 3])
def test_only_assets_are_deposited(desk: Desk, instrument: int) -> None:
    fields = {"account": desk.wallets[0], "instrument": instrument, "size": 1}
    assert desk.do(CommandKind.DEPOSIT_ASSET, **fields).code == Rejection.UNKNOWN_INSTRUMENT
    assert withdraw_asset(desk, 1, instrument) == Rejection.UNKNOWN_INSTRUMENT


def test_an_asset_belongs_into_a_wallet_of_its_settlement(desk: Desk) -> None:
    fields = {"account": desk.coins[0], "instrument": SPOT, "size": 1}
    assert desk.do(CommandKind.DEPOSIT_ASSET, **fields).code == Rejection.WRONG_SETTLEMENT


# ---- transfers


def transfer(desk: Desk, target: int, amount: int) -> int:
    """The code of a transfer out of the first customer's wallet."""
    fields = {"account": desk.wallets[0], "counterparty": target, "size": amount}
    return desk.do(CommandKind.TRANSFER, **fields).code


def test_money_moves_between_wallets_of_one_owner(desk: Desk) -> None:
    ann, bob, *_ = desk.wallets
    desk.state.accounts[bob]["owner"] = ann
    assert transfer(desk, bob, 300) == ACCEPTED
    assert (desk.cash(ann), desk.cash(bob)) == (CASH - 300, CASH + 300)
    assert last_posting(desk) == (ann, bob, 300, 0, -1, Cause.TRANSFER)
    desk.trade(ann, bob, 1_000, 100)
    assert transfer(desk, bob, CASH - 300 - 99_999) == Rejection.INSUFFICIENT_MARGIN


def test_transfers_need_an_own_wallet_of_the_same_money(desk: Desk) -> None:
    assert transfer(desk, desk.wallets[1], 1) == Rejection.NOT_OWNER
    assert transfer(desk, desk.coins[0], 1) == Rejection.WRONG_SETTLEMENT
    assert transfer(desk, 99, 1) == transfer(desk, -1, 1) == Rejection.UNKNOWN_ACCOUNT


def test_a_result_of_an_earlier_batch_leaves_no_trace(desk: Desk) -> None:
    results = np.full(1, 7, RESULT)
    execute(desk.state, command(CommandKind.DEPOSIT, account=desk.wallets[0], size=1), results)
    assert results[0].tolist() == (-1, 0, 0, 0, 0)
