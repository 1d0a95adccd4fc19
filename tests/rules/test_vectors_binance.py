"""Published numbers of bracketed margin, wrapped collateral and clamped funding, through the facade.

Sources: mechanisms 2.1 to 2.8; ids are those of the shared vector file.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.vectors import assert_as_published, down, funded, plain_venue, trade, up
from undertow.venue.account_view import AccountView
from undertow.venue.facade import Venue

PRESET = "binance-2025"
BTC = "BTC-PERP"

PUBLISHED: dict[str, dict[str, Any]] = {
    "bin-mm-250000": {"maintenance_margin": 1000.0},
    "bin-mm-1000000": {"maintenance_margin": 5000.0},
    "bin-mm-50000000": {"maintenance_margin": 868000.0},
    "bin-mm-100000000": {"maintenance_margin": 2018000.0},
    "bin-cum-doc": {"cum_n": 1300.0},
    "bin-cum-doc-coinm": {"cum_n": 1.81},
    "bin-liqprice-short1": {"liq_price": 109561.75298804781},
    "bin-mark": {"price1": 100005.0, "price2": 99980, "mark": 99980},
    "bin-funding-0": {"F": 0.0001},
    "bin-funding-1": {"F": 5e-05},
    "bin-funding-2": {"F": 0.00075},
    "bin-funding-3": {"F": -0.0015},
    "bin-unimmr-doc-pnl": {
        "pnl_short_um": 600.0,
        "pnl_long_um": -414.0,
        "pnl_cm_btc": -0.049999999999999996,
        "mm_short_um": 10.0,
        "mm_long_um": 8.4,
        "mm_cm_btc": 0.00125,
        "mm_btc_loan": 0.004,
        "mm_eth_loan": 1.5,
    },
    "bin-unimmr-normal": {"equity": 1300000.0, "mm": 260000.0, "unimmr": 5.0},
    "bin-unimmr-depeg": {"equity": -974300.0, "mm": 260000.0, "unimmr": -3.7473076923076922},
    "bin-unimmr-fixed": {"equity": 1398800.0, "mm": 260000.0, "unimmr": 5.38},
    "bin-index-wbeth": {"before": 1606.0, "after": 4104.0},
    "bin-unimmr-status": {
        "status": ["normal", "reminder", "reduce_only", "liquidation", "liquidation_and_claim"]
    },
    "bin-marginlevel": {"level": [2.0, 1.3, 1.1], "state_3x": ["ok", "margin_call", "liquidation"]},
    "bin-liqfee": {"fee_btc": 1250.0, "fee_alt": 1500.0},
}


def test_numbers_are_those_of_the_shared_file(shared: Path) -> None:
    assert_as_published(shared, PUBLISHED)


def bitcoin_venue(changes: dict[str, Any] | None = None, **options: Any) -> Venue:
    """A venue with one contract at 100,000."""
    venue = plain_venue(PRESET, changes, **options)
    venue.list_perpetual(BTC, tick="0.1", lot="0.001", price="100000")
    return venue


@pytest.mark.parametrize("notional", [250_000, 1_000_000, 50_000_000, 100_000_000])
def test_maintenance_of_a_bracket(notional: int) -> None:
    venue = bitcoin_venue()
    account, other = funded(venue, "100000000"), funded(venue, "100000000")
    trade(venue, BTC, account, other, str(Decimal(notional) / 100_000), "100000")
    expected = PUBLISHED[f"bin-mm-{notional}"]["maintenance_margin"]
    assert venue.account(account).maintenance_margin == Decimal(repr(expected))
    assert venue.account(other).maintenance_margin == Decimal(repr(expected))


def test_deduction_of_the_next_bracket() -> None:
    """50 below 250,000 and 1,300 above: 300,000 x 1 % - 1,300."""
    rows = [
        {"cap_usd": 50_000, "max_leverage": 125, "maintenance_ppm": 4000},
        {"cap_usd": 250_000, "max_leverage": 100, "maintenance_ppm": 5000},
        {"cap_usd": 1_000_000, "max_leverage": 50, "maintenance_ppm": 10000},
    ]
    venue = bitcoin_venue({"margin.classes.BTC.brackets": rows})
    account, other = funded(venue, "100000"), funded(venue, "100000")
    trade(venue, BTC, account, other, "3", "100000")
    deduction = 300_000 * Decimal("0.01") - venue.account(account).maintenance_margin
    assert deduction == Decimal(repr(PUBLISHED["bin-cum-doc"]["cum_n"]))


def test_deduction_in_coins() -> None:
    """0.56 coins up to 50 coins, 1.81 above: a coin-margined contract's table is in its coin."""
    rows = [
        {"cap_usd": 40, "max_leverage": 50, "maintenance_ppm": 11000},
        {"cap_usd": 50, "max_leverage": 20, "maintenance_ppm": 25000, "deduction_usd": Decimal("0.56")},
        {"cap_usd": 100, "max_leverage": 10, "maintenance_ppm": 50000, "deduction_usd": Decimal("1.81")},
    ]
    venue = plain_venue(PRESET, {"margin.classes.BTC.brackets": rows}, settlements={"USDT": 6, "BTC": 8})
    venue.list_perpetual("BTC-COIN", tick="0.1", lot="100", price="50000", inverse=True, settlement="BTC")
    account, other = funded(venue, "100", settlement="BTC"), funded(venue, "100", settlement="BTC")
    trade(venue, "BTC-COIN", account, other, "3000000", "50000")  # 60 coins
    deduction = 60 * Decimal("0.05") - venue.account(account).maintenance_margin
    assert deduction == Decimal(repr(PUBLISHED["bin-cum-doc-coinm"]["cum_n"]))


@pytest.mark.parametrize(
    ("side", "size", "cash", "price"),
    [
        ("long", "1", "10000", down(90361.44578, "0.1")),
        ("short", "1", "10000", up(109561.75298804781, "0.1")),  # bin-liqprice-short1
        ("long", "10", "50000", down(95470.55863, "0.1")),  # bracket 3, and again at its price
    ],
)
def test_liquidation_price(side: str, size: str, cash: str, price: Decimal) -> None:
    """The first price on the grid at or past the one that the formula of mechanisms 2.3 gives."""
    venue = bitcoin_venue()
    account, other = funded(venue, cash), funded(venue, "10000000")
    buyer, seller = (account, other) if side == "long" else (other, account)
    trade(venue, BTC, buyer, seller, size, "100000")
    row = venue.account(account).holding(BTC)
    assert row is not None and row.liquidation_price == price


def test_liquidation_happens_at_that_price_and_not_before() -> None:
    venue = bitcoin_venue()
    account, other = funded(venue, "10000"), funded(venue, "10000000")
    trade(venue, BTC, other, account, "1", "100000")
    venue.set_index(BTC, "109561.7")
    venue.step()
    assert venue.history().events == ()
    venue.set_index(BTC, "109561.8")
    venue.step()
    started = venue.history().events[0]
    assert (started.kind, started.account) == ("liquidation-start", account)


def test_mark_is_the_median_of_three() -> None:
    """100,005 by the last funding rate half way to the next, 99,980 by the basis, 99,950 last: 99,980."""
    venue = bitcoin_venue(
        {"mark.method": "median-of-three", "mark.basis_window_seconds": 30}, step_seconds=60
    )
    one, two = funded(venue, "1000000"), funded(venue, "1000000")
    venue.step(8 * 3600)  # without a book the premium is nothing, and the rate the interest of 0.01 %
    assert venue.market(BTC).funding_rate == Decimal("0.0001")
    venue.step(4 * 3600 - 60)
    trade(venue, BTC, one, two, "1", "99950")
    venue.place(one, BTC, side="buy", size="1", price="99970")
    venue.place(two, BTC, side="sell", size="1", price="99990")
    venue.step()
    assert venue.market(BTC).mark == PUBLISHED["bin-mark"]["mark"]


@pytest.mark.parametrize(
    ("vector", "hours", "side", "price"),
    [
        ("bin-funding-0", 8, "buy", "100020"),
        ("bin-funding-1", 4, "buy", "100020"),
        ("bin-funding-2", 4, "buy", "100200"),
        ("bin-funding-3", 8, "sell", "99800"),
    ],
)
def test_funding_rate_of_a_shorter_interval(vector: str, hours: int, side: str, price: str) -> None:
    venue = bitcoin_venue({"funding.interval_seconds": hours * 3600}, step_seconds=60)
    account = funded(venue, "1000000")
    venue.place(account, BTC, side=side, size="1", price=price)
    venue.step(hours * 3600)
    assert venue.market(BTC).funding_rate == Decimal(repr(PUBLISHED[vector]["F"]))


def test_profit_and_maintenance_of_the_portfolio_example() -> None:
    """Two contracts in dollars, one in coins, two loans; half a per cent of maintenance, 10 % on loans."""
    expected = PUBLISHED["bin-unimmr-doc-pnl"]
    flat = [{"cap_usd": 1_000_000_000, "max_leverage": 100, "maintenance_ppm": 5000}]
    venue = plain_venue(PRESET, {"margin.classes.BTC.brackets": flat}, settlements={"USDT": 6, "BTC": 8})
    venue.list_perpetual(BTC, tick="0.1", lot="0.001", price="52000")
    venue.list_perpetual("BTC-NEXT", tick="0.1", lot="0.001", price="52350")
    venue.list_perpetual("BTC-COIN", tick="0.1", lot="100", price="50000", inverse=True, settlement="BTC")
    venue.list_spot("BTC/USDT", "BTC", tick="0.1", lot="0.001", price="40000")
    venue.list_asset("ETH", tick="0.1", lot="0.001", price="2000")
    account, other = (
        funded(venue, "100000", profile="spot-margin"),
        funded(venue, "100000", profile="spot-margin"),
    )
    coin, other_coin = funded(venue, "1", settlement="BTC"), funded(venue, "1", settlement="BTC")
    trade(venue, BTC, other, account, "0.05", "52000")
    trade(venue, "BTC-NEXT", account, other, "0.04", "52350")
    trade(venue, "BTC-COIN", coin, other_coin, "10000", "50000")
    trade(venue, "BTC/USDT", other, account, "0.04", "40000")
    trade(venue, "ETH", other, account, "15", "2000")
    for name, price in ((BTC, "40000"), ("BTC-NEXT", "42000"), ("BTC-COIN", "40000")):
        venue.set_index(name, price)
    venue.step()
    rows = {row.instrument: row for row in venue.account(account).holdings}
    coins = venue.account(coin).holdings[0]
    assert rows[BTC].unrealised == Decimal(repr(expected["pnl_short_um"]))
    assert rows["BTC-NEXT"].unrealised == Decimal(repr(expected["pnl_long_um"]))
    assert coins.unrealised == Decimal(repr(round(expected["pnl_cm_btc"], 12)))
    assert rows[BTC].maintenance_margin == Decimal(repr(expected["mm_short_um"]))
    assert rows["BTC-NEXT"].maintenance_margin == Decimal(repr(expected["mm_long_um"]))
    assert coins.maintenance_margin == Decimal(repr(expected["mm_cm_btc"]))
    assert rows["BTC/USDT"].maintenance_margin == Decimal(repr(expected["mm_btc_loan"])) * 40000
    assert rows["ETH"].maintenance_margin == Decimal(repr(expected["mm_eth_loan"])) * 2000


LOANS = {
    "profiles.portfolio.borrow_initial_ppm": 100_000,
    "profiles.portfolio.borrow_maintenance_ppm": 80_000,
    "profiles.portfolio.maintenance_multiplier_ppm": 1_000_000,  # so that the ratio is the published one
    "margin.classes.BTC.brackets": [{"cap_usd": 100_000_000, "max_leverage": 100, "maintenance_ppm": 6000}],
}


def staked_borrower(changes: dict[str, Any], own_price: str) -> AccountView:
    """1,000 staked coins against 2.5 million dollars and futures of ten million that need 0.6 %, 60,000.

    The borrowed dollars were withdrawn; the token's own market stands at `own_price`, its coin at 3,800.
    """
    venue = plain_venue(PRESET, {**LOANS, **changes})
    venue.list_asset("ETH", tick="0.1", lot="0.001", price="3800")
    venue.list_asset("WBETH", tick="0.1", lot="0.001", price="4000")
    venue.list_perpetual(BTC, tick="0.1", lot="0.001", price="100000")
    account, other = venue.open_account(profile="portfolio"), funded(venue, "100000000")
    venue.deposit(account, "WBETH", "1000")
    trade(venue, BTC, account, other, "100", "100000")
    venue.set_privileges(account, exempt=True, credit_limit="2500000")
    assert venue.withdraw(account, "USDT", "2500000").accepted
    maker = funded(venue, "1000000000", profile="multi")
    venue.deposit(maker, "WBETH", "1000")
    trade(venue, "WBETH", maker, maker_two(venue), "0.001", own_price)
    venue.step()
    return venue.account(account)


def maker_two(venue: Venue) -> int:
    """Somebody to trade the token with."""
    account = venue.open_account(profile="multi")
    venue.deposit(account, "WBETH", "1000")
    return account


@pytest.mark.parametrize(
    ("vector", "changes", "own_price"),
    [
        ("bin-unimmr-normal", {}, "4000"),
        ("bin-unimmr-depeg", {}, "1606"),
        (
            "bin-unimmr-fixed",
            {"collateral.WBETH.price": {"kind": "redemption", "conversion_ppm": 1_080_000, "of": "ETH"}},
            "1606",
        ),
    ],
)
def test_unified_margin_ratio(vector: str, changes: dict[str, Any], own_price: str) -> None:
    view = staked_borrower(changes, own_price)
    expected = PUBLISHED[vector]
    assert view.equity == Decimal(repr(expected["equity"]))
    assert view.maintenance_margin == Decimal(repr(expected["mm"]))
    ratio = view.equity / view.maintenance_margin
    assert round(ratio, 12) == round(Decimal(repr(expected["unimmr"])), 12)


@pytest.mark.parametrize(
    ("key", "price"),
    [
        ("before", {"kind": "blend", "own_weight_ppm": 200_000, "conversion_ppm": 500_000, "of": "ETH"}),
        ("after", {"kind": "redemption", "conversion_ppm": 1_080_000, "of": "ETH"}),
    ],
)
def test_price_of_a_staked_coin(key: str, price: dict[str, Any]) -> None:
    """20 % of its own market at 430, 80 % of half a coin of 3,800; later 1.08 coins whatever its market."""
    venue = plain_venue(PRESET, {"collateral.WBETH.price": price})
    venue.list_asset("ETH", tick="0.1", lot="0.001", price="3800")
    venue.list_asset("WBETH", tick="0.1", lot="0.001", price="4000")
    buyer, seller = funded(venue, "1000000", profile="multi"), maker_two(venue)
    trade(venue, "WBETH", buyer, seller, "0.001", "430")
    venue.step()
    assert venue.market("WBETH").mark == Decimal(repr(PUBLISHED["bin-index-wbeth"][key]))


@pytest.mark.parametrize("level", ["1.6", "1.5", "1.2", "1.05", "1.0"])
def test_portfolio_accounts_are_liquidated_at_a_ratio_of_105_per_cent(level: str) -> None:
    """The two bands that liquidate; a reminder and reduce-only are no rules of the engine."""
    venue = bitcoin_venue({"margin.classes.BTC.brackets": LOANS["margin.classes.BTC.brackets"]})
    account, other = funded(venue, "1000000", profile="portfolio"), funded(venue, "100000000")
    trade(venue, BTC, account, other, "100", "100000")  # maintenance 60,000, times 1.05
    venue.set_privileges(account, exempt=True, credit_limit="1000000")
    venue.withdraw(account, "USDT", 1_000_000 - 60_000 * Decimal(level))
    status = dict(
        zip(["1.6", "1.5", "1.2", "1.05", "1.0"], PUBLISHED["bin-unimmr-status"]["status"], strict=True)
    )
    assert (venue.account(account).standing == "liquidation") == status[level].startswith("liquidation")


@pytest.mark.parametrize("assets", ["20000", "13000", "11000"])
def test_spot_margin_level_takes_assets_at_full_value(assets: str) -> None:
    """Assets of 20,000, 13,000 and 11,000 against 10,000: liquidation at a level of 1.1."""
    venue = plain_venue(PRESET)
    venue.list_asset("ETH", tick="0.1", lot="0.001", price="2000")
    account = venue.open_account(profile="spot-margin")
    venue.deposit(account, "ETH", "10")
    venue.set_privileges(account, exempt=True, credit_limit="10000")
    assert venue.withdraw(account, "USDT", "10000").accepted
    price = Decimal(assets) / 10
    venue.set_index("ETH", price)
    venue.step()
    view = venue.account(account)
    place = ["20000", "13000", "11000"].index(assets)
    assert view.holdings[0].collateral_value / -view.cash == Decimal(
        repr(PUBLISHED["bin-marginlevel"]["level"][place])
    )
    wanted = PUBLISHED["bin-marginlevel"]["state_3x"][place] == "liquidation"
    assert (view.standing == "liquidation") == wanted


@pytest.mark.parametrize(("key", "rate"), [("fee_btc", 12_500), ("fee_alt", 15_000)])
def test_clearance_fee_on_what_was_liquidated(key: str, rate: int) -> None:
    """One coin sold by force at 100,000: the fund receives the rate of it, where that much is left."""
    venue = bitcoin_venue(
        {
            "fees.liquidation_ppm": rate,
            "fees.classes.BTC.liquidation_ppm": rate,
            "margin.classes.BTC.brackets": [{"max_leverage": 20, "maintenance_ppm": 25_000}],
        }
    )
    account, other = funded(venue, "20000"), funded(venue, "10000000")
    trade(venue, BTC, account, other, "1", "100000")
    venue.set_privileges(account, credit_limit="1000000")
    assert venue.withdraw(account, "USDT", "17500").accepted  # equality with maintenance, which triggers
    venue.set_privileges(account, credit_limit="0")
    venue.deposit(account, "USDT", "0.000001")
    venue.place(other, BTC, side="buy", size="1", price="100000")
    venue.withdraw(account, "USDT", "0.000001")
    venue.set_index(BTC, "99999.9")
    venue.step()
    fees = [row for row in venue.history().postings if row.cause == "liquidation-fee"]
    assert [row.amount for row in fees] == [Decimal(repr(PUBLISHED["bin-liqfee"][key]))]
