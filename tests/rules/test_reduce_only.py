"""Reduce-only orders: how much of a position they close beside other orders, under each of the three rules.

Sources: what a venue counts is in its preset ([orders] reduce_only). Worked by hand; the desk proves sums,
reservations and free lists after every command. Units: ticks, lots, settlement units.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from support.books import FOK, IOC, MARKET
from support.desk import ACCEPTED, LINEAR, SPOT, Desk
from undertow.errors import Rejection
from undertow.rulebook.load import load_rulebook, preset_names
from undertow.venue.facade import Venue
from undertow.venue.records import CommandKind, OrderFlag, SelfTrade
from undertow.venue.state import REDUCE_EACH, REDUCE_ONLY_RULE, REDUCE_TOGETHER, REDUCE_UNOFFERED

REDUCE_ONLY = int(OrderFlag.REDUCE_ONLY)
RULES = [REDUCE_EACH, REDUCE_TOGETHER, REDUCE_UNOFFERED]
PERP = "BTC-PERP"


@pytest.fixture
def desk() -> Desk:
    """Four customers with a million units in each wallet; no fees, no bands; each order by itself."""
    return Desk()


@pytest.fixture(params=RULES, ids=["each", "together", "unoffered"])
def any_desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """The same under each rule."""
    desk = Desk()
    desk.state.counters[REDUCE_ONLY_RULE] = request.param
    yield desk


def reduce(desk: Desk, account: int, size: int, price: int, **fields: int) -> int:
    """A reduce-only sale that rests; its number."""
    answer = desk.sell(account, size, price, flags=REDUCE_ONLY, **fields)
    assert answer.code == ACCEPTED
    return answer.order


def resting(desk: Desk, account: int) -> dict[int, int]:
    """Lots of an account's resting orders, by price."""
    orders = [desk.state.orders[slot] for slot in desk.orders(account)]
    return {int(order["price"]): int(order["size"]) for order in orders}


# ---- the worked number


def test_a_resting_order_does_not_bar_the_way_out() -> None:
    """hyperliquid-2025: long 4, a reduce-only sale of 4 rests; one of 1 at market fills, the first is cut."""
    venue = Venue("hyperliquid-2025", instruments=1)
    venue.list_perpetual(PERP, "1", "1", price="1000")
    one, two = venue.open_account(), venue.open_account()
    for account in (one, two):
        venue.deposit(account, "USDC", "100000")
    venue.place(two, PERP, side="sell", size="4", price="1000")
    venue.place(one, PERP, side="buy", size="4", price="1000")
    order = venue.place(one, PERP, side="sell", size="4", price="1100", reduce_only=True)
    assert (order.accepted, order.resting) == (True, 4)
    venue.place(two, PERP, side="buy", size="9", price="990")
    sold = venue.place(one, PERP, side="sell", size="1", reduce_only=True)
    assert (sold.accepted, sold.filled) == (True, 1)
    (left,) = venue.account(one).orders
    assert (left.order, left.size, left.price) == (order.order, 3, 1100)


def test_what_every_preset_says() -> None:
    """Stated in each; a preset that guesses says so."""
    rules = {name: load_rulebook(name).orders for name in preset_names()}
    assert {name: orders.reduce_only for name, orders in rules.items()} == {
        "binance-2025": "each",
        "bitmex-2020": "together",
        "dydx-v4": "each",
        "ftx-2022": "each",
        "hyperliquid-2025": "each",
    }
    guessed = {name for name, orders in rules.items() if "reduce_only" in orders.inferred}
    assert guessed == {"binance-2025", "ftx-2022"}


# ---- what a new one gets


@pytest.mark.parametrize(
    ("rule", "first", "second", "ladder"),
    [
        (REDUCE_EACH, 10, 10, {120: 4, 110: 10, 130: 10}),  # 4 ordinary, then two of the whole position
        (REDUCE_TOGETHER, 10, 0, {120: 4, 110: 10}),  # the second is further from the market: it goes
        (REDUCE_UNOFFERED, 6, None, {120: 4, 110: 6}),  # what is not yet on offer, then nothing
    ],
)
def test_what_a_new_order_gets(
    desk: Desk, rule: int, first: int, second: int | None, ladder: dict[int, int]
) -> None:
    desk.state.counters[REDUCE_ONLY_RULE] = rule
    ann, bob, *_ = desk.wallets
    desk.trade(ann, bob, 10, 100)
    desk.sell(ann, 4, 120)
    assert desk.sell(ann, 50, 110, flags=REDUCE_ONLY).resting == first
    answer = desk.sell(ann, 50, 130, flags=REDUCE_ONLY)
    assert answer.code == (Rejection.REDUCE_ONLY if second is None else ACCEPTED)
    assert answer.resting == (second or 0)
    assert resting(desk, ann) == ladder


def test_together_a_nearer_order_takes_the_place_of_a_further_one(desk: Desk) -> None:
    desk.state.counters[REDUCE_ONLY_RULE] = REDUCE_TOGETHER
    ann, bob, *_ = desk.wallets
    desk.trade(ann, bob, 10, 100)
    reduce(desk, ann, 10, 120)
    reduce(desk, ann, 4, 110)
    assert resting(desk, ann) == {120: 6, 110: 4}
    reduce(desk, ann, 10, 105)
    assert resting(desk, ann) == {105: 10}


def test_nothing_to_reduce_is_refused(any_desk: Desk) -> None:
    ann, bob, *_ = any_desk.wallets
    for flags in (REDUCE_ONLY, REDUCE_ONLY | MARKET):
        assert any_desk.sell(ann, 1, 100, flags=flags).code == Rejection.REDUCE_ONLY
    any_desk.trade(ann, bob, 10, 100)
    for flags in (REDUCE_ONLY, REDUCE_ONLY | MARKET):
        assert any_desk.buy(ann, 1, 90, flags=flags).code == Rejection.REDUCE_ONLY


@pytest.mark.parametrize("force", [0, IOC, FOK])
@pytest.mark.parametrize("flags", [REDUCE_ONLY, REDUCE_ONLY | MARKET])
def test_an_order_larger_than_the_position_closes_it(any_desk: Desk, force: int, flags: int) -> None:
    """It is cut to the position first; a fill-or-kill order is then whole."""
    ann, bob, cas, _ = any_desk.wallets
    any_desk.trade(ann, bob, 10, 100)
    any_desk.buy(cas, 30, 100)
    answer = any_desk.sell(ann, 25, 100, flags=flags, time_in_force=force)
    assert (answer.code, answer.filled, answer.resting) == (ACCEPTED, 10, 0)
    assert any_desk.row(ann) == (0, 0, 0, 0)


# ---- margin: what only closes needs none


def test_reduce_only_orders_need_no_margin(desk: Desk) -> None:
    """Long 9000 of 10,000 that margin allows; three orders over all of it leave room for the other 1000."""
    ann, bob, *_ = desk.wallets
    desk.trade(ann, bob, 9_000, 100)
    for price in (120, 121, 122):
        reduce(desk, ann, 9_000, price)
    assert desk.buy(ann, 1_001, 100).code == Rejection.INSUFFICIENT_MARGIN
    assert desk.buy(ann, 1_000, 100).code == ACCEPTED
    assert desk.sell(ann, 19_000, 120).code == ACCEPTED  # turns it round: -10,000
    assert desk.sell(ann, 1, 120).code == Rejection.INSUFFICIENT_MARGIN


# ---- what rests when the position shrinks


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        (REDUCE_EACH, {120: 3, 121: 3}),
        (REDUCE_TOGETHER, {120: 3}),
        (REDUCE_UNOFFERED, {120: 3}),
    ],
)
def test_what_rests_is_cut_to_the_position(desk: Desk, rule: int, left: dict[int, int]) -> None:
    desk.state.counters[REDUCE_ONLY_RULE] = rule
    ann, bob, cas, _ = desk.wallets
    desk.trade(ann, bob, 10, 100)
    near = reduce(desk, ann, 5, 120)
    far = reduce(desk, ann, 4, 121)
    desk.trade(cas, ann, 7, 100)
    assert resting(desk, ann) == left
    assert desk.do(CommandKind.AMEND, account=ann, order=near, size=2, price=120).order == near
    code = ACCEPTED if rule == REDUCE_EACH else Rejection.UNKNOWN_ORDER
    assert desk.do(CommandKind.CANCEL, account=ann, order=far).code == code


def test_a_cut_order_keeps_its_place(any_desk: Desk) -> None:
    ann, bob, cas, dan = any_desk.wallets
    any_desk.trade(ann, bob, 10, 100)
    order = reduce(any_desk, ann, 10, 120)
    any_desk.sell(dan, 5, 120)
    any_desk.trade(cas, ann, 4, 100)
    assert any_desk.buy(bob, 6, 120).filled == 6
    assert int(any_desk.state.fills[2]["maker_order"]) == order
    assert any_desk.row(ann) == (0, 0, 0, 0)


def test_of_equals_the_newest_goes_first(desk: Desk) -> None:
    desk.state.counters[REDUCE_ONLY_RULE] = REDUCE_TOGETHER
    ann, bob, cas, _ = desk.wallets
    desk.trade(ann, bob, 10, 100)
    old, new = (reduce(desk, ann, 5, 120) for _ in range(2))
    desk.trade(cas, ann, 6, 100)
    assert desk.do(CommandKind.CANCEL, account=ann, order=new).code == Rejection.UNKNOWN_ORDER
    assert desk.do(CommandKind.CANCEL, account=ann, order=old).code == ACCEPTED


@pytest.mark.parametrize("size", [10, 14])
def test_they_go_with_the_position(any_desk: Desk, size: int) -> None:
    """Closing it, or turning it round, withdraws them; the freed record is given out once."""
    ann, bob, cas, dan = any_desk.wallets
    any_desk.trade(ann, bob, 10, 100)
    reduce(any_desk, ann, 10, 120)
    any_desk.trade(cas, ann, size, 100)
    assert any_desk.orders(ann) == []
    assert any_desk.row(ann) == (10 - size, (size - 10) * 1_000, 0, 0)
    any_desk.buy(dan, 1, 50)
    any_desk.buy(ann, 1, 50)
    assert any_desk.row(dan) == (0, 0, 1, 0)


def test_a_maker_is_cut_by_its_own_other_orders(any_desk: Desk) -> None:
    """An ordinary order of the same account fills first: 4 of 10 go, and 6 are left to reduce."""
    ann, bob, cas, _ = any_desk.wallets
    any_desk.trade(ann, bob, 10, 100)
    reduce(any_desk, ann, 10, 101)
    any_desk.sell(ann, 10, 100)
    assert any_desk.buy(cas, 4, 100).filled == 4
    assert resting(any_desk, ann) == {100: 6, 101: 6}
    assert any_desk.buy(cas, 20, 101).filled == 6  # the ordinary one closes, the other has nothing left
    assert any_desk.row(ann) == (0, 0, 0, 0)


# ---- fill or kill counts what they can give


@pytest.mark.parametrize(("size", "filled"), [(10, 10), (11, 0)])
def test_two_orders_over_one_position_give_it_once(desk: Desk, size: int, filled: int) -> None:
    ann, bob, cas, _ = desk.wallets
    desk.trade(ann, bob, 10, 100)
    for price in (101, 102):
        reduce(desk, ann, 10, price)
    answer = desk.buy(cas, size, 102, time_in_force=FOK)
    assert (answer.filled, answer.code) == (filled, ACCEPTED if filled else Rejection.FOK_NOT_FILLABLE)


@pytest.mark.parametrize(("size", "filled"), [(10, 10), (11, 0)])
def test_an_ordinary_order_in_front_takes_the_position_away(any_desk: Desk, size: int, filled: int) -> None:
    ann, bob, cas, _ = any_desk.wallets
    any_desk.trade(ann, bob, 10, 100)
    reduce(any_desk, ann, 10, 101)
    any_desk.sell(ann, 10, 100)
    answer = any_desk.buy(cas, size, 101, time_in_force=FOK)
    assert (answer.filled, answer.code) == (filled, ACCEPTED if filled else Rejection.FOK_NOT_FILLABLE)


def test_a_position_that_shrank_unseen_gives_what_is_left(desk: Desk) -> None:
    """A close by the engine takes 6 of 10 without cutting the order; the match does."""
    ann, bob, cas, _ = desk.wallets
    desk.trade(ann, bob, 10, 100)
    reduce(desk, ann, 10, 101)
    desk.state.holdings[desk.state.accounts[ann]["first_holding"]]["size"] -= 6
    desk.state.holdings[desk.state.accounts[bob]["first_holding"]]["size"] += 6
    desk.state.markets[LINEAR]["open_interest"] -= 6
    assert desk.buy(cas, 5, 101, time_in_force=FOK).code == Rejection.FOK_NOT_FILLABLE
    assert desk.buy(cas, 4, 101, time_in_force=FOK).filled == 4


# ---- amended, and with an asset


@pytest.mark.parametrize(
    ("size", "price", "code", "left"),
    [
        (3, 120, ACCEPTED, {120: 3, 130: 5}),  # less
        (5, 120, ACCEPTED, {120: 5, 130: 5}),  # more, up to the position
        (6, 120, Rejection.REDUCE_ONLY, {120: 4, 130: 5}),  # more than the position
        (5, 119, ACCEPTED, {119: 5, 130: 5}),
        (6, 119, Rejection.REDUCE_ONLY, {120: 4, 130: 5}),
    ],
)
def test_an_amended_order_reduces_no_more_than_the_position(
    desk: Desk, size: int, price: int, code: int, left: dict[int, int]
) -> None:
    ann, bob, *_ = desk.wallets
    desk.trade(ann, bob, 5, 100)
    order = reduce(desk, ann, 4, 120)
    reduce(desk, ann, 5, 130)
    assert desk.do(CommandKind.AMEND, account=ann, order=order, size=size, price=price).code == code
    assert resting(desk, ann) == left
    assert desk.state.accounts[ann]["reduce_only_count"] == 2


def test_an_amended_order_that_trades_cuts_the_others(any_desk: Desk) -> None:
    ann, bob, cas, _ = any_desk.wallets
    any_desk.trade(ann, bob, 10, 100)
    order = reduce(any_desk, ann, 5, 120)
    reduce(any_desk, ann, 5, 130)
    any_desk.buy(cas, 7, 110)
    answer = any_desk.do(CommandKind.AMEND, account=ann, order=order, size=5, price=110)
    assert (answer.order, answer.filled, answer.resting) == (order, 5, 0)
    assert resting(any_desk, ann) == {130: 5}


@pytest.mark.parametrize("rule", list(SelfTrade))
def test_an_own_bid_in_the_way(any_desk: Desk, rule: SelfTrade) -> None:
    """However self-trade is treated, the position is not turned round."""
    ann, bob, cas, _ = any_desk.wallets
    any_desk.trade(ann, bob, 10, 100)
    any_desk.buy(ann, 3, 99)
    any_desk.buy(cas, 20, 98)
    any_desk.sell(ann, 10, 98, flags=REDUCE_ONLY, self_trade=rule)
    assert any_desk.row(ann)[0] >= 0


def test_an_asset_is_offered_once(any_desk: Desk) -> None:
    """What is sold must be there: a second order over the same coins is refused, whatever the rule."""
    ann, *_ = any_desk.wallets
    any_desk.do(CommandKind.DEPOSIT_ASSET, account=ann, instrument=SPOT, size=5)
    assert any_desk.sell(ann, 9, 120, SPOT, flags=REDUCE_ONLY).resting == 5
    second = any_desk.sell(ann, 1, 121, SPOT, flags=REDUCE_ONLY)
    assert second.code in (Rejection.REDUCE_ONLY, Rejection.INSUFFICIENT_BALANCE)
    assert any_desk.buy(ann, 1, 90, SPOT, flags=REDUCE_ONLY).code == Rejection.REDUCE_ONLY


def test_what_is_owed_of_an_asset_is_bought_back_once(any_desk: Desk) -> None:
    """Short 5 of an asset: a reduce-only bid takes 5, amended or not, and no more."""
    ann, bob, *_ = any_desk.wallets
    any_desk.state.profiles[0]["borrowing"] = 1
    any_desk.state.instruments[SPOT]["borrow_initial_floor_ppm"] = 100_000
    any_desk.sell(ann, 5, 100, SPOT)
    any_desk.buy(bob, 5, 100, SPOT)
    bid = any_desk.buy(ann, 9, 90, SPOT, flags=REDUCE_ONLY)
    assert (bid.code, bid.resting) == (ACCEPTED, 5)
    amended = any_desk.do(CommandKind.AMEND, account=ann, order=bid.order, size=5, price=91)
    assert (amended.code, amended.order, amended.resting) == (ACCEPTED, bid.order, 5)
    any_desk.sell(bob, 5, 91, SPOT)
    assert any_desk.row(ann, SPOT)[0] == 0


def test_a_size_in_words(any_desk: Desk) -> None:
    """The account's view counts no reduce-only order into its open size."""
    venue = Venue("ftx-2022", instruments=1)
    venue.list_perpetual(PERP, "1", "1", price="1000")
    one, two = venue.open_account(), venue.open_account()
    for account in (one, two):
        venue.deposit(account, "USD", "100000")
    venue.place(two, PERP, side="sell", size="4", price="1000")
    venue.place(one, PERP, side="buy", size="4", price="1000")
    before = venue.account(one).initial_margin
    for price in ("1100", "1101", "1102"):
        assert venue.place(one, PERP, side="sell", size="4", price=price, reduce_only=True).resting == 4
    held = venue.account(one).holding(PERP)
    assert held is not None and held.open_size == Decimal(4)
    assert venue.account(one).initial_margin == before
