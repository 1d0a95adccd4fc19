"""What an order's words do, in every combination of kind, flag and situation: code, lots filled, lots left.

Ann is long 10 and sells 8 at 100. The other side holds nothing, 3 lots, or 50; or her own bid is in the way.
Units: ticks, lots. The desk proves sums, reservations and free lists after every command.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import pytest

from support.desk import ACCEPTED, LINEAR, SPOT, Answer, Desk
from undertow.errors import Rejection
from undertow.venue.admission import band_limit
from undertow.venue.facade import Venue
from undertow.venue.records import CommandKind, OrderFlag, SelfTrade, TimeInForce
from undertow.venue.state import (
    BAND_RULE,
    FREEZE_RULE,
    MAXIMUM_ORDERS,
    POST_ONLY_AMEND_RULE,
    SELF_TRADE_RULE,
    STAGE_LIQUIDATING,
)

GTC = int(TimeInForce.GOOD_TILL_CANCELLED)
IOC = int(TimeInForce.IMMEDIATE_OR_CANCEL)
FOK = int(TimeInForce.FILL_OR_KILL)
POST = int(TimeInForce.POST_ONLY)
LIMIT = 0
REDUCE = int(OrderFlag.REDUCE_ONLY)
MARKET = int(OrderFlag.MARKET)
BOTH = REDUCE | MARKET

DONE = (ACCEPTED, 8, 0)
REST = (ACCEPTED, 0, 8)
PART = (ACCEPTED, 3, 5)  # trades what is there, and the remainder rests
TAKE = (ACCEPTED, 3, 0)  # trades what is there, and the remainder is gone
EMPTY = (Rejection.NO_LIQUIDITY, 0, 0)
UNFILLED = (Rejection.FOK_NOT_FILLABLE, 0, 0)
WOULD_TAKE = (Rejection.POST_ONLY_WOULD_TAKE, 0, 0)
STOPPED = (Rejection.SELF_TRADE, 0, 0)

Told = tuple[int, int, int]


@pytest.fixture
def desk() -> Desk:
    """Ann is long 10 against Bob."""
    desk = Desk()
    ann, bob, *_ = desk.wallets
    desk.trade(ann, bob, 10, 100)
    return desk


def told(answer: Answer) -> Told:
    """Code, lots filled, lots resting; a number is given exactly when the order traded or rests."""
    assert (answer.order >= 0) == (answer.filled + answer.resting > 0)
    return answer.code, answer.filled, answer.resting


# time in force -> flags -> what happens with nothing, 3 lots and 50 lots on the other side
NEW: dict[int, dict[int, tuple[Told, Told, Told]]] = {
    GTC: {
        LIMIT: (REST, PART, DONE),
        REDUCE: (REST, PART, DONE),
        MARKET: (EMPTY, TAKE, DONE),
        BOTH: (EMPTY, TAKE, DONE),
    },
    IOC: {
        LIMIT: (EMPTY, TAKE, DONE),
        REDUCE: (EMPTY, TAKE, DONE),
        MARKET: (EMPTY, TAKE, DONE),
        BOTH: (EMPTY, TAKE, DONE),
    },
    FOK: {
        LIMIT: (UNFILLED, UNFILLED, DONE),
        REDUCE: (UNFILLED, UNFILLED, DONE),
        MARKET: (UNFILLED, UNFILLED, DONE),
        BOTH: (UNFILLED, UNFILLED, DONE),
    },
    POST: {
        LIMIT: (REST, WOULD_TAKE, WOULD_TAKE),
        REDUCE: (REST, WOULD_TAKE, WOULD_TAKE),
        MARKET: (WOULD_TAKE, WOULD_TAKE, WOULD_TAKE),
        BOTH: (WOULD_TAKE, WOULD_TAKE, WOULD_TAKE),
    },
}


@pytest.mark.parametrize("place", range(3), ids=["nobody", "three", "fifty"])
@pytest.mark.parametrize("flags", [LIMIT, REDUCE, MARKET, BOTH], ids=["limit", "reduce", "market", "both"])
@pytest.mark.parametrize("force", [GTC, IOC, FOK, POST], ids=["gtc", "ioc", "fok", "post"])
def test_a_new_order(desk: Desk, force: int, flags: int, place: int) -> None:
    ann, _bob, cas, _ = desk.wallets
    if place:
        desk.buy(cas, (3, 50)[place - 1], 100)
    price = 0 if flags & MARKET else 100
    assert told(desk.sell(ann, 8, price, flags=flags, time_in_force=force)) == NEW[force][flags][place]
    assert desk.state.accounts[ann]["reduce_only_count"] == (flags == REDUCE and len(desk.orders(ann)))


# self-trade rule -> time in force -> with her own bid of 5 alone in the way, and before it 3 lots of Cas.
OWN_FIRST: dict[SelfTrade, dict[int, tuple[Told, Told]]] = {
    SelfTrade.ALLOW: {
        GTC: ((ACCEPTED, 5, 3), DONE),
        IOC: ((ACCEPTED, 5, 0), DONE),
        FOK: (UNFILLED, DONE),
        POST: (WOULD_TAKE, WOULD_TAKE),
    },
    SelfTrade.CANCEL_TAKER: {
        GTC: (STOPPED, (Rejection.SELF_TRADE, 3, 0)),  # what traded stands, the remainder is withdrawn
        IOC: (STOPPED, (Rejection.SELF_TRADE, 3, 0)),
        FOK: (UNFILLED, UNFILLED),
        POST: (WOULD_TAKE, WOULD_TAKE),
    },
    SelfTrade.CANCEL_MAKER: {
        GTC: (REST, PART),
        IOC: (EMPTY, TAKE),
        FOK: (UNFILLED, UNFILLED),
        POST: (WOULD_TAKE, WOULD_TAKE),
    },
}
GONE = {(SelfTrade.CANCEL_MAKER, GTC, 0), (SelfTrade.CANCEL_MAKER, GTC, 1), (SelfTrade.CANCEL_MAKER, IOC, 1)}


@pytest.mark.parametrize("place", [0, 1], ids=["own", "others-first"])
@pytest.mark.parametrize("force", [GTC, IOC, FOK, POST], ids=["gtc", "ioc", "fok", "post"])
@pytest.mark.parametrize("rule", list(SelfTrade))
def test_an_own_order_in_the_way(desk: Desk, rule: SelfTrade, force: int, place: int) -> None:
    """An order that is refused leaves her bid where it is; see GONE for when it is withdrawn."""
    ann, _bob, cas, _ = desk.wallets
    desk.state.counters[SELF_TRADE_RULE] = rule
    if place:
        desk.buy(cas, 3, 101)
    bid = desk.buy(ann, 5, 100).order
    assert told(desk.sell(ann, 8, 100, time_in_force=force)) == OWN_FIRST[rule][force][place]
    rests = desk.do(CommandKind.CANCEL, account=ann, order=bid).code == ACCEPTED
    traded = rule == SelfTrade.ALLOW and OWN_FIRST[rule][force][place][1] > 3
    assert rests == (not traded and (rule, force, place) not in GONE)


# ---- amendments


class Change(NamedTuple):
    """An amendment of a sale of 4 at 105 while Cas bids for 3 at 100 and for 50 at 99."""

    size: int
    price: int


LESS, MORE, AWAY = Change(2, 105), Change(8, 105), Change(4, 106)
INTO_3, INTO_53, BEYOND = Change(8, 100), Change(8, 99), Change(20, 105)

UNCHANGED = (4, 105)
AMENDED: dict[str, dict[Change, tuple[Told, tuple[int, int] | None]]] = {
    "ordinary": {
        LESS: ((ACCEPTED, 0, 2), (2, 105)),
        MORE: ((ACCEPTED, 0, 8), (8, 105)),
        AWAY: ((ACCEPTED, 0, 4), (4, 106)),
        INTO_3: ((ACCEPTED, 3, 5), (5, 100)),
        INTO_53: ((ACCEPTED, 8, 0), None),
        BEYOND: ((ACCEPTED, 0, 20), (20, 105)),
    },
    "post-only": {
        LESS: ((ACCEPTED, 0, 2), (2, 105)),
        MORE: ((ACCEPTED, 0, 8), (8, 105)),
        AWAY: ((ACCEPTED, 0, 4), (4, 106)),
        INTO_3: (WOULD_TAKE, UNCHANGED),
        INTO_53: (WOULD_TAKE, UNCHANGED),
        BEYOND: ((ACCEPTED, 0, 20), (20, 105)),
    },
    "reduce-only": {
        LESS: ((ACCEPTED, 0, 2), (2, 105)),
        MORE: ((ACCEPTED, 0, 8), (8, 105)),
        AWAY: ((ACCEPTED, 0, 4), (4, 106)),
        INTO_3: ((ACCEPTED, 3, 5), (5, 100)),
        INTO_53: ((ACCEPTED, 8, 0), None),
        BEYOND: ((Rejection.REDUCE_ONLY, 0, 0), UNCHANGED),
    },
}
WORDS = {"ordinary": (GTC, LIMIT), "post-only": (POST, LIMIT), "reduce-only": (GTC, REDUCE)}


def amend(desk: Desk, order: int, change: Change, **fields: int) -> Answer:
    """Ann's amendment."""
    who = desk.wallets[0]
    return desk.do(CommandKind.AMEND, account=who, order=order, **change._asdict(), **fields)


def what_rests(desk: Desk, order: int) -> tuple[int, int] | None:
    """(size, price) of Ann's order, None if it is gone."""
    slots = [slot for slot in desk.orders(desk.wallets[0]) if slot == order & 0xFFFFFFFF]
    if not slots:
        return None
    record = desk.state.orders[slots[0]]
    assert record["generation"] == order >> 32
    return int(record["size"]), int(record["price"])


@pytest.mark.parametrize("change", [LESS, MORE, AWAY, INTO_3, INTO_53, BEYOND])
@pytest.mark.parametrize("words", list(AMENDED))
def test_an_amended_order_keeps_its_number_and_its_words(desk: Desk, words: str, change: Change) -> None:
    ann, _bob, cas, _ = desk.wallets
    desk.buy(cas, 3, 100)
    desk.buy(cas, 50, 99)
    force, flags = WORDS[words]
    order = desk.sell(ann, 4, 105, time_in_force=force, flags=flags).order
    answer = amend(desk, order, change)
    expected, left = AMENDED[words][change]
    assert (answer.code, answer.filled, answer.resting) == expected
    assert answer.order == (order if answer.code == ACCEPTED else -1)
    assert what_rests(desk, order) == left
    if left is not None:  # the words are still there
        again = amend(desk, order, Change(4, 99))
        assert (again.code == Rejection.POST_ONLY_WOULD_TAKE) == (words == "post-only")


def test_a_rulebook_may_withdraw_a_post_only_order_that_would_take(desk: Desk) -> None:
    """Binance's API says so of GTX orders; the amendment is accepted and nothing rests any more."""
    desk.state.counters[POST_ONLY_AMEND_RULE] = 1
    ann, _bob, cas, _ = desk.wallets
    desk.buy(cas, 3, 100)
    order = desk.sell(ann, 4, 105, time_in_force=POST).order
    assert amend(desk, order, INTO_3) == (ACCEPTED, order, 0, 0, 0)
    assert what_rests(desk, order) is None


@pytest.mark.parametrize(("preset", "accepted"), [("binance-2025", True), ("hyperliquid-2025", False)])
def test_what_presets_do_with_it(preset: str, accepted: bool) -> None:
    venue = Venue(preset, instruments=1)
    venue.list_perpetual("BTC-PERP", "1", "1", price="1000")
    one, two = venue.open_account(), venue.open_account()
    for account in (one, two):
        venue.deposit(account, venue.rulebook.settlement, "100000")
    venue.place(two, "BTC-PERP", side="buy", size="3", price="1000")
    order = venue.place(one, "BTC-PERP", side="sell", size="4", price="1010", time_in_force="post-only").order
    assert order is not None and venue.account(one).orders[0].post_only
    assert venue.amend(one, order, price="1000").accepted == accepted
    assert len(venue.account(one).orders) == (0 if accepted else 1)


def _halt(desk: Desk) -> None:
    desk.state.markets[LINEAR]["halted"] = 1


def _gate(desk: Desk) -> None:
    desk.state.markets[LINEAR]["reduce_only"] = 1


def _freeze(desk: Desk) -> None:
    desk.state.counters[FREEZE_RULE] = 1
    desk.state.accounts[desk.wallets[0]]["stage"] = STAGE_LIQUIDATING


def _band(desk: Desk) -> None:
    desk.state.instruments[LINEAR]["price_band_ppm"] = 10_000


@pytest.mark.parametrize(
    ("close", "change", "code"),
    [
        (_halt, MORE, Rejection.INSTRUMENT_HALTED),
        (_halt, AWAY, Rejection.INSTRUMENT_HALTED),
        (_gate, AWAY, Rejection.REDUCE_ONLY_GATE),
        (_freeze, AWAY, Rejection.ACCOUNT_FROZEN),
        (_band, Change(4, 98), Rejection.PRICE_BAND),
        (_halt, LESS, ACCEPTED),  # less at the same price is a cancellation in part: always
        (_gate, LESS, ACCEPTED),
        (_freeze, LESS, ACCEPTED),
        (_band, LESS, ACCEPTED),
    ],
)
def test_an_amendment_meets_the_gates_that_a_new_order_meets(
    desk: Desk, close: Callable[[Desk], None], change: Change, code: int
) -> None:
    order = desk.sell(desk.wallets[0], 4, 105).order
    close(desk)
    answer = amend(desk, order, change)
    assert answer.code == code
    assert what_rests(desk, order) == ((2, 105) if code == ACCEPTED else UNCHANGED)


@pytest.mark.parametrize(
    ("force", "flags", "code"),
    [
        (GTC, LIMIT, Rejection.TOO_MANY_ORDERS),
        (POST, LIMIT, Rejection.TOO_MANY_ORDERS),
        (IOC, LIMIT, ACCEPTED),
        (FOK, LIMIT, ACCEPTED),
        (GTC, MARKET, ACCEPTED),
        (GTC, BOTH, ACCEPTED),
    ],
)
def test_a_full_list_of_orders_bars_only_what_could_rest(
    desk: Desk, force: int, flags: int, code: int
) -> None:
    """Who has as many open orders as one account may can still leave at market."""
    ann, _bob, cas, _ = desk.wallets
    desk.buy(cas, 50, 100)
    desk.sell(ann, 1, 105)
    desk.state.counters[MAXIMUM_ORDERS] = 1
    price = 0 if flags & MARKET else 100
    assert desk.sell(ann, 8, price, flags=flags, time_in_force=force).code == code


def test_cancel_all_names_an_instrument_or_none(desk: Desk) -> None:
    ann = desk.wallets[0]
    desk.sell(ann, 1, 105)
    desk.buy(ann, 1, 90, SPOT)
    for instrument in (-2, 3, 300):
        answer = desk.do(CommandKind.CANCEL_ALL, account=ann, instrument=instrument)
        assert (answer.code, answer.filled) == (Rejection.UNKNOWN_INSTRUMENT, 0)
    assert desk.do(CommandKind.CANCEL_ALL, account=ann, instrument=-1).filled == 2


# ---- the edge of a band is inside


EDGES = [
    (100, 50_000, 105, 95),
    (101, 10_000, 102, 100),
    (333, 333_333, 443, 223),
    (7, 1, 7, 7),
    (3, 900_000, 5, 1),
]


@pytest.mark.parametrize(("reference", "band", "highest", "lowest"), EDGES)
@pytest.mark.parametrize("rule", [0, 1, 2], ids=["mark", "index", "opposite"])
def test_a_price_on_the_edge_of_a_band_is_accepted(
    reference: int, band: int, highest: int, lowest: int, rule: int
) -> None:
    """The furthest tick within the band: 101 and 1 % give 102.01 and 99.99, so 102 and 100."""
    assert highest == Fraction(reference * (1_000_000 + band), 1_000_000).__floor__()
    assert lowest == max(1, Fraction(reference * (1_000_000 - band), 1_000_000).__ceil__())
    for side, edge in ((1, highest), (-1, lowest)):
        desk = Desk(price_band_ppm=band)
        ann, bob, *_ = desk.wallets
        desk.state.counters[BAND_RULE] = rule
        desk.state.markets[LINEAR]["band_reference"] = reference
        if rule == 2:
            desk.state.instruments[LINEAR]["price_band_ppm"] = 0
            desk.do(account=bob, side=-side, size=9, price=reference)
            desk.state.instruments[LINEAR]["price_band_ppm"] = band
        assert band_limit(desk.state, LINEAR, side, band) == edge
        assert desk.do(account=ann, side=side, size=1, price=edge).code == ACCEPTED
        if edge > 1:
            beyond = desk.do(account=ann, side=side, size=1, price=edge + side)
            assert beyond.code == Rejection.PRICE_BAND


def test_a_market_order_reaches_the_edge_of_its_band(desk: Desk) -> None:
    ann, _bob, cas, _ = desk.wallets
    desk.buy(cas, 1, 98)
    desk.buy(cas, 1, 97)
    desk.state.instruments[LINEAR]["market_band_ppm"] = 20_000
    assert desk.sell(ann, 2, 0, flags=MARKET).filled == 1
