"""What may be listed: how far its price may go, how small its tick, how large its lot, what it costs."""

from __future__ import annotations

import time
from decimal import Decimal

import numpy as np
import pytest

from undertow.errors import CapacityError, InputError, UndertowError
from undertow.rulebook.load import load_rulebook, with_overrides
from undertow.rulebook.margin import MarginClass
from undertow.units import AMOUNT_LIMIT
from undertow.venue.compile import Listing, instrument_figures, tiers_of
from undertow.venue.engine import Engine
from undertow.venue.facade import Venue
from undertow.venue.ledger import deposit
from undertow.venue.margin import initial_row
from undertow.venue.records import InstrumentKind
from undertow.venue.state import COUNT_BLOCKS

PERP = "BTC-PERP"


def traded(venue: Venue, price: str, size: str = "1") -> None:
    """Two customers trade at this price."""
    settlement = venue.rulebook.settlement
    buyer, seller = venue.open_account(), venue.open_account()
    for account in (buyer, seller):
        assert venue.deposit(account, settlement, "100000000").accepted
    assert venue.place(seller, PERP, side="sell", size=size, price=price).accepted
    assert venue.place(buyer, PERP, side="buy", size=size, price=price).filled == Decimal(size)


@pytest.mark.parametrize(
    ("tick", "price", "highest"),
    [
        ("0.01", "110000", "10999999.99"),  # a cent tick at 110,000 had 52 % of room
        ("0.1", "50000", "4999999.9"),
        ("0.00000001", "0.00001", "0.00099999"),
        ("1", "3", "1023"),  # a coarse grid: at least 1024 prices
    ],
)
def test_a_price_may_rise_a_hundredfold(tick: str, price: str, highest: str) -> None:
    venue = Venue("hyperliquid-2025")
    lot = "100" if tick == "0.00000001" else "0.001"
    venue.list_perpetual(PERP, tick=tick, lot=lot, price=price, margin_class="BTC")
    top = Decimal(highest)
    venue.set_index(PERP, top)
    venue.step(seconds=120)  # it is a price like any other, also once the mark is there
    with pytest.raises(InputError) as caught:
        venue.set_index(PERP, top + Decimal(tick))
    assert f"beyond the highest this listing takes, {highest}" in str(caught.value)


def test_a_coin_that_rises_fivefold_is_priced_and_traded() -> None:
    """Above four times its start the door refused prices, and a case went on with its mark at the ceiling."""
    venue = Venue("dydx-v4")  # marks are index prices
    venue.list_perpetual(PERP, tick="0.1", lot="0.001", price="50000")
    for price in ("250000", "1200000", "4900000"):
        venue.set_index(PERP, price)
        venue.step(seconds=60)
        assert venue.market(PERP).mark == Decimal(price)
        traded(venue, price)
    venue.audit()


def test_a_lot_of_a_hundred_coins() -> None:
    """A tick of 1e-8 with a lot of 100 coins: one settlement unit; size rules count coins, not lots."""
    venue = Venue("ftx-2022")
    venue.list_perpetual(PERP, tick="0.00000001", lot="100", price="0.00001234", margin_class="BTC")
    record = venue.engine.state.instruments[0]
    assert (int(record["unit"]), int(record["coins_per_lot"]), int(record["lots_per_coin"])) == (1, 100, 1)
    traded(venue, "0.00001234", size="1000000")
    venue.audit()


@pytest.mark.parametrize(
    ("lot", "lots"), [("0.000001", 10**11), ("0.001", 10**8), ("1", 10**5), ("2.5", 40_000), ("100", 1_000)]
)
def test_a_size_rule_counts_the_same_coins_whatever_the_lot(lot: str, lots: int) -> None:
    """100,000 coins under factor 0.0005 a coin's root: 0.0005 x 316.2277 = 15.8113 % initial margin.

    With millionths of a coin the size times 1e8 did not fit int64, and the rate was that of a small account.
    """
    changes = {"margin.classes.BTC.factor_ppb": 500_000, "margin.classes.BTC.weight_ppm": 1_000_000}
    venue = Venue(with_overrides(load_rulebook("ftx-2022"), changes))
    venue.list_perpetual(PERP, tick="1", lot=lot, price="1000")
    account, other = venue.open_account(), venue.open_account()
    for each in (account, other):
        deposit(venue.engine.state, each, 10**15)
    venue.place(other, PERP, side="sell", size="100000", price="1000")
    assert venue.place(account, PERP, side="buy", size="100000", price="1000").filled == 100_000
    holding = int(venue.engine.state.accounts["first_holding"][account])
    assert int(venue.engine.state.holdings["size"][holding]) == lots
    _equity, required, _reserved = initial_row(venue.engine.state, holding)
    assert required == 100_000 * 1000 * 158_113  # dollars x ppm: micro-dollars


@pytest.mark.parametrize("now", ["10000", "2500", "40000"])
def test_an_inverse_contract_s_smallest_order_is_in_dollars_whatever_its_price(now: str) -> None:
    """Its lots are dollars: a hundred contracts are a hundred dollars also after the price has moved."""
    rulebook = with_overrides(load_rulebook("bitmex-2020"), {"orders.min_notional_usd": 100})
    venue = Venue(rulebook)
    venue.list_perpetual(PERP, tick="0.5", lot="1", price="10000", margin_class="BTC")
    account = venue.open_account()
    venue.deposit(account, rulebook.settlement, "100")
    venue.set_index(PERP, now)
    venue.step(seconds=60)
    assert venue.place(account, PERP, side="buy", size="99", price=now).code == "min-notional"
    assert venue.place(account, PERP, side="buy", size="100", price=now).accepted


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        (("5", "0.001", "3"), "BTC-PERP: tick is 5, above the price, 3; choose a smaller tick"),
        (("0.1", "1e30", "50000"), "BTC-PERP: lot is 1e+30; give one between 1e-20 and 1e20"),
        (
            ("1e-30", "1", "50000"),
            "BTC-PERP: tick is 1e-30; give one between 1e-20 and 1e20",
        ),
        (("0.1", "1", "1e25"), "BTC-PERP: price is 1e+25; give one between 1e-20 and 1e20"),
        (
            ("1", "1000000000", "50000"),
            "BTC-PERP: a lot of 1000000000 with a tick of 1 is beyond what 64-bit amounts hold; choose a "
            "smaller lot, a coarser tick, or fewer decimals for the settlement asset",
        ),
        (("0.0001", "0.001", "50000"), "choose a coarser tick or lot"),
    ],
)
def test_what_cannot_be_listed_is_one_sentence(figures: tuple[str, str, str], sentence: str) -> None:
    venue = Venue("binance-2025")
    tick, lot, price = figures
    with pytest.raises(UndertowError) as caught:
        venue.list_perpetual(PERP, tick=tick, lot=lot, price=price)
    assert str(caught.value).endswith(sentence)


def test_initial_margin_may_equal_maintenance() -> None:
    """A venue that liquidates at what it asks for to open; it was refused."""
    flat = {"kind": "flat", "initial_ppm": 50_000, "maintenance_ppm": 50_000, "source": "x"}
    assert MarginClass(**flat, oi_lower_usd=0, oi_upper_usd=0).maintenance_ppm == 50_000
    changes = {"margin.classes.BTC.brackets.0.maintenance_ppm": 8_000}
    changes |= {"margin.classes.BTC.brackets.0.max_leverage": 125}
    with pytest.raises(UndertowError) as caught:
        with_overrides(
            load_rulebook("binance-2025"), changes | {"margin.classes.BTC.brackets.0.maintenance_ppm": 8_001}
        )
    assert "above the initial margin; at 125x it may be at most 8000" in str(caught.value)


def test_thresholds_beyond_any_amount_are_held_there() -> None:
    """A trillion of a coin with eight decimals does not fit int64; nothing reaches it, so nothing changes."""
    changes = {
        "orders.min_notional_usd": 10**12,
        "margin.classes.BTC.base_coin": 10**12,
        "margin.classes.BTC.step_coin": 10**12,
    }
    rulebook = with_overrides(load_rulebook("bitmex-2020"), changes)
    listing = Listing(PERP, InstrumentKind.INVERSE, "BTC", *map(Decimal, ("0.5", "1", "10000")), decimals=8)
    figures = instrument_figures(rulebook, listing)
    assert figures["step_base"] == figures["step_size"] == AMOUNT_LIMIT
    book = load_rulebook("binance-2025")
    linear = Listing(PERP, InstrumentKind.LINEAR, "BTC", *map(Decimal, ("1", "1", "10000")), decimals=8)
    rows = tiers_of(book, linear)
    assert len(rows) > 0 and (rows["floor"] <= AMOUNT_LIMIT).all()


# ---- a step that cannot be taken


def opened() -> Engine:
    """An engine with two contracts at 100 ticks of a dollar."""
    engine = Engine(load_rulebook("dydx-v4"), instruments=2, accounts=64)
    for name in ("ONE", "TWO"):
        engine.list(Listing(name, InstrumentKind.LINEAR, "BTC", Decimal(1), Decimal(1), Decimal(100)))
    return engine


@pytest.mark.parametrize("ticks", [10_000, 10_239, 1 << 40])
def test_a_price_off_the_grid_stops_before_the_step(ticks: int) -> None:
    """The run stops with the instrument's name; the venue is as it was, and goes on from there."""
    engine = opened()
    maximum = int(engine.state.instruments["maximum_ticks"][1])
    assert maximum == 10_000
    engine.step(1000, np.array([[100], [9_998]], np.int64))
    before = engine.state_hash(), engine.step_number
    with pytest.raises(CapacityError) as caught:
        engine.step(2000, np.array([[100], [ticks]], np.int64))
    assert str(caught.value).startswith(f"TWO: a price of {ticks} reaches the top of its grid, 9999")
    assert (engine.state_hash(), engine.step_number) == before
    engine.step(2000, np.array([[100], [9_998]], np.int64))
    assert engine.step_number == before[1] + 1


def test_a_venue_whose_step_is_refused_keeps_its_clock() -> None:
    """A mark at the top of its grid: the facade's clock is the engine's, which stood still."""
    venue = Venue("dydx-v4")
    venue.list_perpetual("SOL-PERP", tick="1", lot="1", price="100")
    venue.step(3)
    venue.engine.state.markets["mark"][0] = 9_999
    with pytest.raises(CapacityError, match="SOL-PERP: a price of 9999 reaches the top of its grid"):
        venue.step()
    assert venue.now == 3
    venue.engine.state.markets["mark"][0] = 100
    venue.step()
    assert venue.now == 4


def test_open_contracts_worth_more_than_amounts_stop_before_the_step() -> None:
    """Positions that were allowed when they were opened, and whose price then rises."""
    engine = opened()
    engine.step(1000, np.array([[100], [100]], np.int64))
    most = int(engine.state.instruments["maximum_lots"][0])
    engine.state.markets["open_interest"][0] = 2 * most
    engine.step(2000, np.array([[9_000], [100]], np.int64))
    engine.state.markets["open_interest"][1] = most
    before = engine.state_hash()
    with pytest.raises(CapacityError) as caught:
        engine.step(3000, np.array([[9_000], [9_000]], np.int64))
    assert str(caught.value).startswith("ONE: at the coming prices open contracts would be worth 1.5")
    assert engine.state_hash() == before


# ---- what listing costs


def cost_of(count: int) -> tuple[float, int]:
    """Seconds and bytes of books that so many wide grids take."""
    venue = Venue("binance-2025", instruments=count)
    begun = time.process_time()
    for number in range(count):
        venue.list_perpetual(f"C{number}-PERP", tick="0.01", lot="0.001", price="110000")
    spent = time.process_time() - begun
    state = venue.engine.state
    assert int(state.counters[COUNT_BLOCKS]) == 0  # no page, no block: they come with the first order
    return spent, state.bits.nbytes + state.block_table.nbytes


def test_listing_costs_as_much_for_the_hundredth_as_for_the_first() -> None:
    """A hundred cent grids took twenty seconds, and the square of that for more."""
    cost_of(2)
    few, few_bytes = cost_of(25)
    many, many_bytes = cost_of(100)
    assert many_bytes <= 100 * 1_000_000
    assert many_bytes <= 8 * few_bytes  # arenas grow by halves
    assert many < 8 * few + 0.5
