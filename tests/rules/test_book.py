"""The order book's rules, one body for both books: the compiled one and the plain reference.

Prices in ticks, sizes in lots. Worked by hand; price-time priority and the order types are those of any
central limit order book.
"""

from __future__ import annotations

import numpy as np
import pytest

from support.books import ACCEPTED, FOK, IOC, MARKET, POST_ONLY, FastBooks, Trader, command, new_books
from undertow.errors import CapacityError, Rejection
from undertow.venue.book import MAXIMUM_TICKS
from undertow.venue.records import CommandKind, SelfTrade
from undertow.venue.state import COUNT_ORDERS

LARGEST = MAXIMUM_TICKS - 1


@pytest.fixture(params=[True, False], ids=["fast", "reference"])
def fast(request: pytest.FixtureRequest) -> bool:
    """Which of the two books a test runs on."""
    return bool(request.param)


@pytest.fixture
def trader(fast: bool) -> Trader:
    """A book over prices 1 to 999."""
    return Trader(new_books(fast, [1000]))


# ---- price and time


def test_better_price_trades_first(trader: Trader) -> None:
    far = trader.sell(5, 102).order
    near = trader.sell(5, 101).order
    assert trader.buy(7, 103)[1:] == (7, 0, ACCEPTED)
    assert trader.trades() == [(101, 5, near), (102, 2, far)]


def test_at_one_price_the_earlier_order_trades_first(trader: Trader) -> None:
    orders = [trader.buy(3, 50).order for _ in range(3)]
    trader.sell(7, 50)
    assert trader.trades() == [(50, 3, orders[0]), (50, 3, orders[1]), (50, 1, orders[2])]
    assert trader.bids() == [(50, [(orders[2], 2)])]


def test_a_trade_is_at_the_resting_price(trader: Trader) -> None:
    order = trader.buy(2, 60).order
    trader.sell(2, 10)
    assert trader.trades() == [(60, 2, order)]


def test_what_does_not_trade_rests_at_its_limit(trader: Trader) -> None:
    trader.sell(2, 100)
    outcome = trader.buy(5, 101)
    assert outcome[1:] == (2, 3, ACCEPTED)
    assert trader.bids() == [(101, [(outcome.order, 3)])]
    assert trader.asks() == []
    assert trader.books.fills[0].taker_order == outcome.order


def test_a_fill_names_both_sides(trader: Trader) -> None:
    """Also the order of which nothing rests, and the trade by its number."""
    makers = [trader.sell(4, 100, account=7).order for _ in range(2)]
    taken = trader.buy(6, 100, account=9)
    assert taken[1:] == (6, 0, ACCEPTED)
    first, second = trader.books.fills
    assert first == (100, 4, 9, 7, taken.order, makers[0], 0, 1, 1)
    assert second == (100, 2, 9, 7, taken.order, makers[1], 0, 1, 2)
    assert trader.cancel(taken.order).code == Rejection.UNKNOWN_ORDER  # it is filled


def test_no_number_is_given_twice(trader: Trader) -> None:
    numbers = []
    for _ in range(3):
        numbers += [trader.sell(1, 100).order, trader.buy(1, 100).order]
        numbers.append(trader.buy(2, 90).order)
        trader.amend(numbers[-1], 3, 91)
        trader.cancel(numbers[-1])
    assert len(set(numbers)) == 9


def test_sides_are_sorted_best_first(trader: Trader) -> None:
    for price in (300, 10, 64, 63, 128):
        trader.buy(1, price)
        trader.sell(1, price + 500)
    assert [price for price, _ in trader.bids()] == [300, 128, 64, 63, 10]
    assert [price for price, _ in trader.asks()] == [510, 563, 564, 628, 800]


# ---- order types


@pytest.mark.parametrize("how", [{"time_in_force": IOC}, {"flags": MARKET}])
def test_immediate_or_cancel_never_rests(trader: Trader, how: dict[str, int]) -> None:
    trader.sell(2, 100)
    trader.sell(2, 103)
    assert trader.buy(5, 101, **how)[1:] == (2, 0, ACCEPTED)
    assert trader.bids() == []
    assert trader.buy(5, 101, **how) == (-1, 0, 0, Rejection.NO_LIQUIDITY)


def test_fill_or_kill_fills_whole(trader: Trader) -> None:
    trader.buy(2, 50)
    trader.buy(2, 49)
    assert trader.sell(4, 49, time_in_force=FOK)[1:] == (4, 0, ACCEPTED)


@pytest.mark.parametrize("flags", [0, MARKET])
def test_fill_or_kill_or_not_at_all(trader: Trader, flags: int) -> None:
    trader.buy(2, 50)
    trader.buy(2, 48)
    assert trader.sell(4, 49, time_in_force=FOK, flags=flags) == (-1, 0, 0, Rejection.FOK_NOT_FILLABLE)
    assert trader.sell(1, 51, time_in_force=FOK) == (-1, 0, 0, Rejection.FOK_NOT_FILLABLE)
    assert trader.books.fills == []


def test_post_only_rests_or_is_refused(trader: Trader) -> None:
    trader.sell(2, 100)
    assert trader.buy(1, 100, time_in_force=POST_ONLY) == (-1, 0, 0, Rejection.POST_ONLY_WOULD_TAKE)
    order = trader.buy(1, 99, time_in_force=POST_ONLY).order
    assert trader.bids() == [(99, [(order, 1)])]
    assert trader.sell(1, 99, time_in_force=POST_ONLY).code == Rejection.POST_ONLY_WOULD_TAKE


@pytest.mark.parametrize("liquid", [True, False])
def test_a_market_order_marked_post_only_is_refused(trader: Trader, liquid: bool) -> None:
    """The two contradict each other, whether anybody is there or not."""
    if liquid:
        trader.sell(2, 100)
    answer = trader.buy(1, 100, time_in_force=POST_ONLY, flags=MARKET)
    assert answer == (-1, 0, 0, Rejection.POST_ONLY_WOULD_TAKE)
    assert trader.books.fills == []


def test_nothing_trades_with_an_empty_side(trader: Trader) -> None:
    assert trader.buy(1, 999, flags=MARKET).code == Rejection.NO_LIQUIDITY
    assert trader.sell(1, 1, flags=MARKET).code == Rejection.NO_LIQUIDITY
    assert trader.buy(1, 999, time_in_force=FOK).code == Rejection.FOK_NOT_FILLABLE
    assert trader.buy(1, 999, time_in_force=POST_ONLY).code == ACCEPTED


# ---- cancel and amend


def test_cancel_takes_an_order_out_of_the_middle(trader: Trader) -> None:
    first, middle, last = (trader.buy(size, 50).order for size in (1, 2, 3))
    assert trader.cancel(middle).code == ACCEPTED
    assert trader.bids() == [(50, [(first, 1), (last, 3)])]
    assert trader.cancel(middle).code == Rejection.UNKNOWN_ORDER


def test_an_id_is_never_valid_again(trader: Trader) -> None:
    old = trader.buy(1, 50).order
    trader.cancel(old)
    new = trader.buy(1, 50).order
    assert new != old
    assert trader.cancel(old).code == Rejection.UNKNOWN_ORDER
    trader.sell(1, 50)
    assert trader.cancel(new).code == Rejection.UNKNOWN_ORDER


@pytest.mark.parametrize("order", [-1, 0, 5, 1 << 40, -(1 << 40)])
def test_unknown_ids_are_refused(trader: Trader, order: int) -> None:
    assert trader.cancel(order).code == Rejection.UNKNOWN_ORDER
    assert trader.amend(order, 1, 1).code == Rejection.UNKNOWN_ORDER


def test_a_smaller_size_keeps_the_place(trader: Trader) -> None:
    first = trader.buy(5, 50).order
    second = trader.buy(5, 50).order
    assert trader.amend(first, 2, 50) == (first, 0, 2, ACCEPTED)
    assert trader.amend(second, 5, 50) == (second, 0, 5, ACCEPTED)
    assert trader.bids() == [(50, [(first, 2), (second, 5)])]


def test_a_larger_size_loses_the_place(trader: Trader) -> None:
    first = trader.buy(5, 50).order
    second = trader.buy(5, 50).order
    assert trader.amend(first, 6, 50) == (first, 0, 6, ACCEPTED)  # and keeps the number
    assert trader.bids() == [(50, [(second, 5), (first, 6)])]


def test_another_price_loses_the_place_and_may_trade(trader: Trader) -> None:
    trader.sell(2, 60)
    order = trader.buy(5, 50, account=4).order
    outcome = trader.amend(order, 5, 60)
    assert outcome == (order, 2, 3, ACCEPTED)
    assert trader.bids() == [(60, [(order, 3)])]
    assert (trader.books.fills[0].taker, trader.books.fills[0].taker_order) == (4, order)


def test_an_order_amended_into_a_full_fill_is_gone(trader: Trader) -> None:
    trader.sell(5, 60)
    order = trader.buy(2, 50).order
    assert trader.amend(order, 3, 60) == (order, 3, 0, ACCEPTED)
    assert trader.bids() == []
    assert trader.cancel(order).code == Rejection.UNKNOWN_ORDER


def test_post_only_is_kept_when_an_order_is_amended(trader: Trader) -> None:
    trader.sell(2, 60)
    order = trader.buy(5, 50, time_in_force=POST_ONLY).order
    assert trader.amend(order, 5, 60) == (-1, 0, 0, Rejection.POST_ONLY_WOULD_TAKE)
    assert trader.bids() == [(50, [(order, 5)])]
    assert trader.amend(order, 6, 59) == (order, 0, 6, ACCEPTED)
    assert trader.amend(order, 6, 60).code == Rejection.POST_ONLY_WOULD_TAKE  # still
    assert trader.bids() == [(59, [(order, 6)])]


@pytest.mark.parametrize(("size", "price", "code"), [(0, 50, 5), (-1, 50, 5), (1, 0, 6), (1, 1000, 6)])
def test_an_amendment_that_makes_no_sense_changes_nothing(
    trader: Trader, size: int, price: int, code: int
) -> None:
    order = trader.buy(5, 50).order
    assert trader.amend(order, size, price) == (-1, 0, 0, code)
    assert trader.bids() == [(50, [(order, 5)])]


# ---- self-trade


@pytest.mark.parametrize("through_rule", [True, False])
def test_self_trade_may_be_allowed(fast: bool, through_rule: bool) -> None:
    trader = Trader(new_books(fast, [1000], SelfTrade.ALLOW if through_rule else SelfTrade.CANCEL_TAKER))
    trader.sell(1, 100, account=5)
    how = -1 if through_rule else int(SelfTrade.ALLOW)
    assert trader.buy(1, 100, account=5, self_trade=how).filled == 1


def test_self_trade_cancels_the_taker(fast: bool) -> None:
    trader = Trader(new_books(fast, [1000], SelfTrade.CANCEL_TAKER))
    trader.sell(1, 99, account=6)
    own = trader.sell(1, 100, account=5).order
    assert trader.buy(3, 101, account=5)[1:] == (1, 0, Rejection.SELF_TRADE)
    assert trader.bids() == []
    assert trader.asks() == [(100, [(own, 1)])]
    assert trader.buy(3, 101, account=5) == (-1, 0, 0, Rejection.SELF_TRADE)  # at once: refused


def test_an_order_amended_into_an_own_one_stays(fast: bool) -> None:
    """Under cancel-taker it is refused and rests as it did; what traded first stands, and the rest goes."""
    trader = Trader(new_books(fast, [1000], SelfTrade.CANCEL_TAKER))
    own = trader.sell(1, 100, account=5).order
    order = trader.buy(2, 90, account=5).order
    later = trader.buy(2, 90, account=6).order
    assert trader.amend(order, 2, 100) == (-1, 0, 0, Rejection.SELF_TRADE)
    assert trader.bids() == [(90, [(order, 2), (later, 2)])]
    trader.sell(1, 99, account=7)
    assert trader.amend(order, 2, 100) == (order, 1, 0, Rejection.SELF_TRADE)
    assert (trader.bids(), trader.asks()) == ([(90, [(later, 2)])], [(100, [(own, 1)])])


@pytest.mark.parametrize("force", [IOC, FOK])
def test_an_order_that_only_own_ones_could_fill_leaves_them(fast: bool, force: int) -> None:
    """Under cancel-maker they would go for nothing: a refused order withdraws nobody."""
    trader = Trader(new_books(fast, [1000], SelfTrade.CANCEL_MAKER))
    own = trader.sell(1, 100, account=5).order
    code = Rejection.NO_LIQUIDITY if force == IOC else Rejection.FOK_NOT_FILLABLE
    assert trader.buy(1, 100, account=5, time_in_force=force) == (-1, 0, 0, code)
    assert trader.asks() == [(100, [(own, 1)])]
    resting = trader.buy(1, 100, account=5)
    assert (trader.asks(), trader.bids()) == ([], [(100, [(resting.order, 1)])])


def test_self_trade_cancels_the_maker(fast: bool) -> None:
    trader = Trader(new_books(fast, [1000], SelfTrade.CANCEL_MAKER))
    own = trader.sell(1, 100, account=5).order
    other = trader.sell(1, 101, account=6).order
    outcome = trader.buy(3, 101, account=5)
    assert outcome.filled == 1
    assert trader.trades() == [(101, 1, other)]
    assert trader.cancel(own).code == Rejection.UNKNOWN_ORDER
    assert trader.bids() == [(101, [(outcome.order, 2)])]


@pytest.mark.parametrize(
    ("mode", "fillable"),
    [(SelfTrade.ALLOW, True), (SelfTrade.CANCEL_TAKER, False), (SelfTrade.CANCEL_MAKER, False)],
)
def test_own_orders_do_not_fill_a_fill_or_kill(fast: bool, mode: SelfTrade, fillable: bool) -> None:
    trader = Trader(new_books(fast, [1000], mode))
    trader.sell(1, 99, account=5)
    trader.sell(1, 100, account=6)
    outcome = trader.buy(2, 101, account=5, time_in_force=FOK)
    assert outcome[1:] == ((2, 0, ACCEPTED) if fillable else (0, 0, Rejection.FOK_NOT_FILLABLE))
    assert len(trader.asks()) == (0 if fillable else 2)


# ---- the grid


@pytest.mark.parametrize("maximum", [2, 64, 65, 4096, 4097, MAXIMUM_TICKS])
def test_both_ends_of_the_grid_hold_orders(fast: bool, maximum: int) -> None:
    trader = Trader(new_books(fast, [maximum]))
    assert trader.buy(1, maximum).code == trader.sell(1, 0).code == Rejection.BAD_PRICE
    low = trader.buy(1, 1).order
    assert trader.bids() == [(1, [(low, 1)])]
    high = trader.sell(1, maximum - 1).order
    if maximum > 2:
        assert trader.asks() == [(maximum - 1, [(high, 1)])]
        assert trader.buy(1, maximum - 1).filled == 1
    assert trader.sell(1, 1, flags=MARKET).filled == (1 if maximum > 2 else 0)
    assert trader.bids() == trader.asks() == []


def test_the_best_is_found_across_a_wide_gap(fast: bool) -> None:
    trader = Trader(new_books(fast, [MAXIMUM_TICKS]))
    for price in (1, 70, 5_000, 300_000, LARGEST):
        trader.buy(1, price)
    assert trader.sell(4, 2, flags=MARKET).filled == 4
    assert [fill.price for fill in trader.books.fills] == [LARGEST, 300_000, 5_000, 70]
    for price in (LARGEST, 9_000_000, 129, 3):
        trader.sell(1, price)
    trader.buy(3, LARGEST)
    assert [fill.price for fill in trader.books.fills[4:]] == [3, 129, 9_000_000]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"side": 0, "size": 1, "price": 1}, Rejection.BAD_COMMAND),
        ({"side": 1, "size": 1, "price": 1, "time_in_force": 4}, Rejection.BAD_COMMAND),
        ({"side": 1, "size": 1, "price": 1, "time_in_force": -1}, Rejection.BAD_COMMAND),
        ({"side": 1, "size": 1, "price": 1, "flags": 4}, Rejection.BAD_COMMAND),
        ({"side": 1, "size": 1, "price": 1, "flags": -1}, Rejection.BAD_COMMAND),
        ({"side": 1, "size": 1, "price": 1, "self_trade": 3}, Rejection.BAD_COMMAND),
        ({"side": 1, "size": 1, "price": 1, "self_trade": -2}, Rejection.BAD_COMMAND),
        ({"side": 1, "size": 1, "price": 1, "instrument": 1}, Rejection.UNKNOWN_INSTRUMENT),
        ({"side": 1, "size": 1, "price": 1, "instrument": -1}, Rejection.UNKNOWN_INSTRUMENT),
        ({"side": 1, "size": 0, "price": 1}, Rejection.BAD_SIZE),
        ({"side": 1, "size": -5, "price": 1}, Rejection.BAD_SIZE),
        ({"side": -1, "size": 1, "price": -3}, Rejection.BAD_PRICE),
        ({"kind": CommandKind.DEPOSIT, "size": 5}, Rejection.BAD_COMMAND),
    ],
)
def test_senseless_commands_are_refused(trader: Trader, fields: dict[str, int], code: Rejection) -> None:
    assert trader.send(**fields) == (-1, 0, 0, code)


def test_books_of_one_arena_do_not_meet(fast: bool) -> None:
    books = new_books(fast, [1000, 70, 5000])
    traders = [Trader(books, instrument) for instrument in range(3)]
    for trader in traders:
        trader.sell(1, 60)
    traders[1].buy(1, 60)
    assert [len(trader.asks()) for trader in traders] == [1, 0, 1]
    assert books.fills[0].instrument == 1


# ---- what only the arena has: pages and slots


def test_pages_and_slots_are_used_again() -> None:
    books = FastBooks([MAXIMUM_TICKS])
    trader = Trader(books)
    for round_number in range(300):
        order = trader.buy(1, 64 * (1 + 40 * round_number)).order
        books.check_pools()
        trader.cancel(order)
    books.check_pools()
    assert len(books.state.page_next) == 256
    assert books.state.counters[COUNT_ORDERS] == 1


def test_a_page_stays_while_the_other_side_uses_it() -> None:
    books = FastBooks([1000])
    trader = Trader(books)
    bid = trader.buy(1, 100).order
    ask = trader.sell(1, 101).order
    trader.cancel(bid)
    books.check_pools()
    assert trader.asks() == [(101, [(ask, 1)])]
    trader.cancel(ask)
    books.check_pools()


@pytest.mark.parametrize("ticks", [1, 0, -1, MAXIMUM_TICKS + 1])
def test_a_book_too_large_or_too_small_is_refused(ticks: int) -> None:
    with pytest.raises(CapacityError, match="a book holds 2 to"):
        FastBooks([ticks])


def test_a_batch_equals_its_commands_one_by_one(fast: bool) -> None:
    fields = [(1, 5, 50), (-1, 3, 50), (-1, 9, 49), (1, 2, 51)]
    batch = np.concatenate([command(side=side, size=size, price=price) for side, size, price in fields])
    one, many = new_books(fast, [1000]), new_books(fast, [1000])
    assert many.execute(batch) == [one.execute(batch[k : k + 1])[0] for k in range(len(batch))]
    assert many.fills == one.fills
