"""Crowded steps: more postings, events and debtors than any count before the step would have said."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from support.small_venue import (
    ASSET,
    DOLLAR,
    cash_of,
    check_books,
    customer,
    events,
    open_position,
    quote,
    size_of,
    small_venue,
)
from support.tiny import shrink
from undertow.rulebook.load import load_rulebook, with_overrides
from undertow.venue import ledger, setup
from undertow.venue.book import make_order_room, take_slot
from undertow.venue.compile import Listing
from undertow.venue.conversion import Conversion, convert, convert_reference
from undertow.venue.engine import Engine
from undertow.venue.frozen import drop_freed, enter, frozen_room
from undertow.venue.matching import Taker, reserve, rest
from undertow.venue.records import COMMAND, Cause, EventKind, InstrumentKind, Origin
from undertow.venue.state import HOUSE_FUND, State
from undertow.venue.takeover import finish

BTC = 10_000  # lots of the small venue's asset
WINNERS, MAKERS, BIDS = 1_500, 12, 80  # a hundredth of 150,000 winners, a dozen makers with 8,000 bids each


def listing(name: str = "BTC-PERP") -> Listing:
    return Listing(name, InstrumentKind.LINEAR, "BTC", Decimal("0.01"), Decimal("0.001"), Decimal(100))


def orders(accounts: np.ndarray, side: int, size: np.ndarray | int, price: np.ndarray | int) -> np.ndarray:
    """Limit orders in the first instrument."""
    commands = np.zeros(len(accounts), COMMAND)
    commands["account"], commands["side"] = accounts, side
    commands["size"], commands["price"] = size, price
    commands["self_trade"] = -1
    return commands


def test_one_loser_among_many_winners_and_many_bids() -> None:
    """Fills against 960 bids and then 1,500 closes in one step: both needs, one after the other.

    The room was the larger of two counts, neither of which saw the winners.
    """
    changes = {
        "orders.min_notional_usd": 0,
        "liquidation.slicing": "whole-position",
        "backstop.kind": "none",
        "allocation.policy": "contract-pro-rata",
        "mark.method": "oracle",
    }
    engine = Engine(with_overrides(load_rulebook("binance-2025"), changes), instruments=1, accounts=4096)
    engine.list(listing())
    winners = engine.open(WINNERS) + np.arange(WINNERS)
    makers, loser = engine.open(MAKERS) + np.arange(MAKERS), engine.open(1)
    for account in (*winners, *makers):
        ledger.deposit(engine.state, int(account), 1_000_000 * DOLLAR)
    lots = WINNERS * 10
    ledger.deposit(engine.state, loser, lots * 100 // 1000 * DOLLAR // 10)
    engine.submit(orders(winners, -1, 10, 10_000))
    assert engine.submit(orders(np.array([loser]), 1, lots, 10_000))[0]["filled"] == lots
    for level in range(BIDS):  # eight bids a lot of the loser's position, from 8 to 12 % below
        engine.submit(orders(makers, 1, 4, 9_200 - 5 * level))
    engine.drain()
    shrink(engine.state)
    engine.step(1_000, np.array([8_800]))
    log = engine.drain()
    engine.audit()
    fills = log.fills[log.fills["origin"] == int(Origin.LIQUIDATION)]
    closes = log.events[log.events["kind"] == int(EventKind.ADL_CLOSE)]
    assert size_of(engine.state, loser) == 0
    assert len(fills) > 400
    assert len(closes) > 1_000
    assert int(fills["size"].sum() + closes["size"].sum()) == lots
    # Every fill and every close pays the loser out of clearing, and fees on top: none is missing.
    postings = {cause: int((log.postings["cause"] == int(cause)).sum()) for cause in Cause}
    assert min(postings[Cause.TRADE], postings[Cause.FEE]) >= len(fills)
    assert postings[Cause.ADL] >= len(closes)


def debtor(state: State, debt: float, coins: float) -> int:
    """A customer who owes dollars and holds coins at 10,000."""
    account = customer(state, -debt)
    ledger.deposit_asset(state, account, ASSET, round(coins * BTC))
    return account


def owing_makers(state: State, count: int) -> list[int]:
    """Bidders for a tenth of a coin each who have a tenth of its price: most of what they buy, they owe."""
    makers = []
    for _ in range(count):
        maker = customer(state, 100)
        row = int(ledger.holding_of(state, maker, ASSET))
        reserve(state, row, 1, BTC // 10, 1_000_000)
        rest(state, Taker(maker, ASSET, 1, 1_000_000, BTC // 10, 0, 0, 0), BTC // 10, row, take_slot(state))
        makers.append(maker)
    return makers


ANY_DEBT = Conversion(1, 0, 0, 0, 1_000_000, 0, 1)


def test_a_walk_over_debtors_does_not_grow_while_it_is_walked() -> None:
    """One large conversion leaves 120 makers owing; in that step nobody but the first is converted.

    In the next they are, into the only bid there is then; the books balance and nobody owes.
    """
    state = small_venue()
    seller = debtor(state, 120_000, 20)
    setup.make_holding_room(state, 200)
    makers = owing_makers(state, 120)
    shrink(state)
    make_order_room(state, 1)
    assert convert(state, ANY_DEBT) == 1
    assert cash_of(state, seller) == 0
    assert {cash_of(state, maker) for maker in makers} == {-900 * DOLLAR}
    assert len(events(state, EventKind.CONVERSION)) == 1
    check_books(state)
    setup.make_holding_room(state, 1)
    quote(state, 1, 100 * BTC, 1_000_000, ASSET)
    assert convert(state, ANY_DEBT) == 120
    assert {cash_of(state, maker) for maker in makers} == {0}
    assert convert(state, ANY_DEBT) == 0
    check_books(state)


def test_the_list_of_debtors_equals_a_walk_over_everybody() -> None:
    """In account order, whoever was marked and is no debtor any more left out."""
    pair = [small_venue(), small_venue()]
    for state in pair:
        owing = [debtor(state, 1_000 * number, 3) for number in range(1, 9)]
        ledger.deposit(state, owing[3], 4_000 * DOLLAR)
        quote(state, 1, 2 * BTC, 1_000_000, ASSET)
        quote(state, 1, 2 * BTC, 999_000, ASSET)
    assert convert(pair[0], ANY_DEBT) == convert_reference(pair[1], ANY_DEBT) == 7
    for name in ("accounts", "holdings", "orders"):
        assert getattr(pair[0], name).tobytes() == getattr(pair[1], name).tobytes()


def test_halts_that_nobody_reads_about() -> None:
    """Liquidation is halted throughout, two markets toggle every second, and the log is never drained."""
    halt = {
        "scope": "matching",
        "start": {"kind": "move", "ppm": 1_000, "seconds": 1},
        "end": {"kind": "elapsed", "seconds": 1},
    }
    long = {
        "scope": "liquidation",
        "start": {"kind": "move", "ppm": 1_000, "seconds": 1},
        "end": {"kind": "elapsed", "seconds": 1_000_000},
    }
    rulebook = with_overrides(
        load_rulebook("binance-2025"), {"gates.halts": [halt, long], "mark.method": "oracle"}
    )
    engine = Engine(rulebook, instruments=2, accounts=64)
    for name in ("BTC-PERP", "ETH-PERP"):
        engine.list(listing(name))
    shrink(engine.state)
    for second in range(1, 301):
        engine.step(1000 * second, np.full(2, 10_000 + 100 * (second % 2)))
    kinds = engine.drain().events["kind"]
    started, ended = (int((kinds == int(kind)).sum()) for kind in (EventKind.HALT_START, EventKind.HALT_END))
    assert started == 2 * (1 + 150)  # liquidation once a market, matching every other second
    assert ended == 2 * 149


def test_who_is_freed_and_comes_back_in_one_step_stands_on_the_list_once() -> None:
    """The list of who is under liquidation has a place for each; a step of several seconds frees some."""
    state = small_venue()
    accounts = [customer(state, 100) for _ in range(3)]
    frozen = frozen_room(state)
    for account in accounts:
        assert enter(state, frozen, account)
    finish(state, accounts[1])
    drop_freed(state, frozen)
    assert not enter(state, frozen, accounts[0])
    assert enter(state, frozen, accounts[1])
    listed = frozen.accounts[: frozen.length[0]].tolist()
    assert listed == [accounts[0], accounts[2], accounts[1]]


def test_the_fund_has_room_for_whatever_it_takes_over() -> None:
    """Five contracts of one loser pass to a fund that holds nothing, and there is no holding to spare."""
    rulebook = with_overrides(load_rulebook("binance-2025"), {"mark.method": "oracle"})
    engine = Engine(rulebook, instruments=5, accounts=64)
    for number in range(5):
        engine.list(listing(f"C{number}-PERP"))
    ledger.deposit(engine.state, HOUSE_FUND, 1_000_000 * DOLLAR)
    loser = customer(engine.state, 60)
    setup.make_holding_room(engine.state, 16)
    for number in range(5):
        open_position(engine.state, loser, 1_000, 10_000, number)
    shrink(engine.state)
    engine.step(1_000, np.full(5, 8_825))
    assert [size_of(engine.state, HOUSE_FUND, number) for number in range(5)] == [1_000] * 5
    engine.audit()


def test_volumes_may_be_given_for_the_first_instruments_only() -> None:
    """What was not given is no cap, instead of what lies in memory behind the last one given."""
    engine = Engine(load_rulebook("ftx-2022"), instruments=3, accounts=64)
    for number in range(3):
        engine.list(listing(f"C{number}-PERP"))
    engine.liquidate.give_volumes(np.array([7], np.int64))  # type: ignore[attr-defined]
    engine.step(1_000, np.full(3, 10_000))
    assert engine.liquidate.memory()["slices.adv_lots"].tolist() == [7, 0, 0]
