"""Amendments and cancellations with accounts: reservations move along, refusals change nothing.

Worked by hand; the desk proves sums, reservations and free lists after every command. Units: ticks, lots,
settlement units (10 a tick and lot for the linear contract and the asset).
"""

from __future__ import annotations

import pytest

from support.desk import ACCEPTED, SPOT, Desk
from undertow.errors import Rejection
from undertow.venue.audit import state_hash
from undertow.venue.records import CommandKind, OrderFlag
from undertow.venue.state import LIVE_ORDERS, MAXIMUM_ORDERS

REDUCE_ONLY = int(OrderFlag.REDUCE_ONLY)


@pytest.fixture
def desk() -> Desk:
    """Four customers with a million units in each wallet; no fees, no bands."""
    return Desk()


@pytest.fixture
def people(desk: Desk) -> list[int]:
    """The customers' dollar wallets."""
    return desk.wallets


def test_an_amendment_moves_its_reservation(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    order = desk.buy(ann, 5, 90).order
    assert desk.do(CommandKind.AMEND, account=ann, order=order, size=2, price=90).order == order
    assert desk.row(ann) == (0, 0, 2, 0)
    order = desk.do(CommandKind.AMEND, account=ann, order=order, size=8, price=95).order
    assert desk.row(ann) == (0, 0, 8, 0)
    desk.sell(bob, 3, 97)
    answer = desk.do(CommandKind.AMEND, account=ann, order=order, size=8, price=97)
    assert (answer.filled, answer.value) == (3, 2_910)
    assert desk.row(ann) == (3, -2_910, 5, 0)


def test_an_amendment_of_a_spot_bid_moves_cash_reserved(desk: Desk, people: list[int]) -> None:
    ann = people[0]
    order = desk.buy(ann, 10, 50, SPOT).order
    assert desk.row(ann, SPOT) == (0, 0, 5_000, 0)
    order = desk.do(CommandKind.AMEND, account=ann, order=order, size=10, price=60).order
    assert desk.row(ann, SPOT) == (0, 0, 6_000, 0)
    desk.do(CommandKind.AMEND, account=ann, order=order, size=4, price=60)
    assert desk.row(ann, SPOT) == (0, 0, 2_400, 0)


@pytest.mark.parametrize(
    ("size", "price", "code"),
    [
        (0, 90, Rejection.BAD_SIZE),
        (5, 0, Rejection.BAD_PRICE),
        (5, 1_000, Rejection.BAD_PRICE),
        (2_000_000, 90, Rejection.BAD_SIZE),
        (20_000, 90, Rejection.INSUFFICIENT_MARGIN),
    ],
)
def test_a_refused_amendment_changes_nothing(
    desk: Desk, people: list[int], size: int, price: int, code: Rejection
) -> None:
    ann, bob, *_ = people
    order = desk.buy(ann, 5, 90).order
    before = state_hash(desk.state)
    fields = {"order": order, "size": size, "price": price}
    assert desk.do(CommandKind.AMEND, account=ann, **fields) == (code, -1, 0, 0, 0)
    assert desk.do(CommandKind.AMEND, account=bob, **fields).code == Rejection.UNKNOWN_ORDER
    assert state_hash(desk.state) == before


def test_a_full_order_list_can_still_be_amended(desk: Desk, people: list[int]) -> None:
    ann = people[0]
    desk.state.counters[MAXIMUM_ORDERS] = 2
    order, _ = (desk.buy(ann, 1, 90).order for _ in range(2))
    assert desk.buy(ann, 1, 90).code == Rejection.TOO_MANY_ORDERS
    assert desk.do(CommandKind.AMEND, account=ann, order=order, size=1, price=91).code == ACCEPTED


def test_reduce_only_stays_reduce_only_when_amended(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    desk.trade(ann, bob, 5, 100)
    order = desk.sell(ann, 3, 120, flags=REDUCE_ONLY).order
    assert (
        desk.do(CommandKind.AMEND, account=ann, order=order, size=6, price=120).code == Rejection.REDUCE_ONLY
    )
    assert desk.do(CommandKind.AMEND, account=ann, order=order, size=5, price=119).code == ACCEPTED
    assert desk.state.accounts[ann]["reduce_only_count"] == 1
    assert desk.row(ann) == (5, -5_000, 0, 5)


def test_cancel_all_takes_one_contract_or_all(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    for price in (90, 91):
        desk.buy(ann, 1, price)
        desk.buy(ann, 1, price, SPOT)
        desk.buy(bob, 1, price)
    assert desk.do(CommandKind.CANCEL_ALL, account=ann, instrument=SPOT).filled == 2
    assert desk.do(CommandKind.CANCEL_ALL, account=ann, instrument=-1).filled == 2
    assert desk.do(CommandKind.CANCEL_ALL, account=ann, instrument=-1).filled == 0
    assert desk.state.counters[LIVE_ORDERS] == 2


@pytest.mark.parametrize("kind", [CommandKind.CANCEL, CommandKind.AMEND])
def test_to_a_stranger_an_order_is_unknown(desk: Desk, people: list[int], kind: CommandKind) -> None:
    """Whether it rests or never did: nobody learns of another's order."""
    ann, bob, *_ = people
    order = desk.buy(ann, 1, 90).order
    fields = {"account": bob, "size": 1, "price": 90}
    theirs = desk.do(kind, order=order, **fields)
    assert theirs == desk.do(kind, order=order + 1, **fields)
    assert theirs.code == Rejection.UNKNOWN_ORDER


def test_only_the_owner_cancels(desk: Desk, people: list[int]) -> None:
    ann, bob, *_ = people
    order = desk.buy(ann, 1, 90).order
    assert desk.do(CommandKind.CANCEL, account=bob, order=order).code == Rejection.UNKNOWN_ORDER
    assert desk.do(CommandKind.CANCEL, account=ann, order=order).code == ACCEPTED
    assert desk.do(CommandKind.CANCEL, account=ann, order=order).code == Rejection.UNKNOWN_ORDER
