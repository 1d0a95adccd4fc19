"""Published numbers of inverse contracts, stepped risk limits and index exclusion, through the facade.

Sources: mechanisms 3; ids are those of the shared vector file.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from support.vectors import assert_as_published, down, funded, plain_venue, trade, up
from undertow.venue.facade import Venue

PRESET = "bitmex-2020"
XBT = "XBTUSD"

PUBLISHED: dict[str, dict[str, Any]] = {
    "bmx-guide": {
        "entry_value_xbt": 20.0,
        "funding_rate": 0.0025,
        "funding_paid": 0.05,
        "pnl": 1.249999999999999,
        "net": 1.1999999999999988,
    },
    "bmx-funding-0": {"F": 0.0015},
    "bmx-funding-1": {"F": 9.999999999999999e-05},
    "bmx-risk-2020-180": {"steps": 0, "mm": 0.005, "im": 0.01},
    "bmx-risk-2020-230": {"steps": 1, "mm": 0.01, "im": 0.015},
    "bmx-risk-2020-450": {"steps": 3, "mm": 0.02, "im": 0.025},
    "bmx-risk-doc2": {"steps": 1, "mm": 0.01, "im": 0.025},
    "bmx-inverse": {"bankruptcy": 9900.990099009901, "liquidation": 9950.248756218907},
    "bmx-if": {"fund_path": [0.25, 0.0], "adl": False},
    "bmx-index-excl": {"active": ["B", "C"], "index": 100.0},
}


def test_numbers_are_those_of_the_shared_file(shared: Path) -> None:
    assert_as_published(shared, PUBLISHED)


def inverse_venue(price: str, changes: dict[str, Any] | None = None, **options: Any) -> Venue:
    """A venue with the contract of one dollar at a price."""
    venue = plain_venue(PRESET, changes, **options)
    venue.list_perpetual(XBT, tick="0.5", lot="1", price=price)
    return venue


def test_guide_trade() -> None:
    """15,000 contracts from 750 to 800 over one funding at 0.25 %: 1.25 less 0.05."""
    expected = PUBLISHED["bmx-guide"]
    # Interest of (1 % - 0.25 %) / 3 with the clamp out of the way; the mark is the index.
    funding = {"funding.interest_ppm": 2500, "funding.clamp_ppm": 2500}
    venue = inverse_venue("750", funding, step_seconds=60)
    account, other = funded(venue, "100"), funded(venue, "100")
    trade(venue, XBT, account, other, "15000", "750")
    view = venue.account(account)
    assert view.holdings[0].notional == Decimal(repr(expected["entry_value_xbt"]))
    venue.step(8 * 3600)
    assert venue.market(XBT).funding_rate == Decimal(repr(expected["funding_rate"]))
    paid = view.cash - venue.account(account).cash
    assert paid == Decimal(repr(expected["funding_paid"]))
    trade(venue, XBT, other, account, "15000", "800")
    gained = venue.account(account).cash - view.cash
    assert gained == Decimal(repr(round(expected["net"], 12)))
    assert gained + paid == Decimal(repr(round(expected["pnl"], 12)))
    venue.audit()


@pytest.mark.parametrize(("vector", "bid"), [("bmx-funding-0", "10020"), ("bmx-funding-1", "10003")])
def test_funding_rate(vector: str, bid: str) -> None:
    """Premia of 0.2 % and 0.03 % against an interest of 0.01 %, held within 0.05 % of each other."""
    venue = inverse_venue("10000", step_seconds=60)
    venue.place(funded(venue, "100"), XBT, side="buy", size="200000", price=bid)
    venue.step(8 * 3600)
    assert venue.market(XBT).funding_rate == Decimal(repr(round(PUBLISHED[vector]["F"], 12)))


SMALLER = {
    "margin.classes.BTC.base_coin": 100,
    "margin.classes.BTC.step_coin": 50,
    "margin.classes.BTC.initial_ppm": 20_000,
}


@pytest.mark.parametrize(
    ("vector", "value", "changes"),
    [
        ("bmx-risk-2020-180", 180, {}),
        ("bmx-risk-2020-230", 230, {}),
        ("bmx-risk-2020-450", 450, {}),
        ("bmx-risk-doc2", 130, SMALLER),
    ],
)
def test_rates_of_a_risk_limit(vector: str, value: int, changes: dict[str, Any]) -> None:
    venue = inverse_venue("10000", changes)
    account, other = funded(venue, "1000"), funded(venue, "1000")
    trade(venue, XBT, account, other, str(value * 10_000), "10000")
    row = venue.account(account).holdings[0]
    assert row.notional == value
    assert row.maintenance_rate == Decimal(repr(PUBLISHED[vector]["mm"]))
    assert row.initial_rate == Decimal(repr(PUBLISHED[vector]["im"]))


def test_bankruptcy_and_liquidation_price_of_a_long_at_100x() -> None:
    """One coin's worth at 10,000 on 0.01 coins.

    The file takes maintenance of the value at entry, the engine of the value at the mark, 9,950.495 against
    9,950.249; on the contract's grid of half a dollar both are 9,950.
    """
    expected = PUBLISHED["bmx-inverse"]
    venue = inverse_venue("10000")
    account, other = funded(venue, "0.01"), funded(venue, "100")
    trade(venue, XBT, account, other, "10000", "10000")
    row = venue.account(account).holdings[0]
    assert row.zero_price == up(expected["bankruptcy"], "0.5")
    assert row.liquidation_price == down(expected["liquidation"], "0.5")


def test_a_constituent_far_from_the_median_is_left_out() -> None:
    """150, 100, 100 with a tolerance of 25 %: the index is 100 and moves when only the others do."""
    venue = inverse_venue("100", {"index.outlier_ppm": 250_000}, constituents=3)
    venue.set_index(XBT, {"A": "150", "B": "100", "C": "100"})
    venue.step()
    assert venue.market(XBT).index == Decimal(repr(PUBLISHED["bmx-index-excl"]["index"]))
    active = []
    for name in ("A", "B", "C"):
        venue.set_index(XBT, {"A": "150", "B": "100", "C": "100", name: "102" if name != "A" else "152"})
        venue.step()
        if venue.market(XBT).index != 100:
            active.append(name)
    assert active == PUBLISHED["bmx-index-excl"]["active"]


def test_the_fund_keeps_what_sells_above_the_bankruptcy_price_and_pays_below() -> None:
    """Two coins taken over at 99, one sold at 99.25 and one at 98.75: up a quarter, and back to nothing.

    In dollars and on a linear contract, as the page has it.
    """
    at_market = {
        "backstop.disposal": {"rate_ppm_per_second": 1_000_000, "max_turnover_share_ppm": 0},
        "backstop.net_position_limit_ppm": 0,
    }
    venue = plain_venue("binance-2025", at_market)
    venue.list_perpetual("BTC-PERP", tick="0.05", lot="0.1", price="100")
    account, other = funded(venue, "2"), funded(venue, "1000")
    trade(venue, "BTC-PERP", account, other, "2", "100")
    venue.set_index("BTC-PERP", "99.2")
    venue.step()
    assert venue.account(account).stage == "taken-over"
    path = []
    for bid in ("99.25", "98.75"):
        venue.place(other, "BTC-PERP", side="buy", size="1", price=bid)
        venue.step()
        left = 2 - len(path) - 1
        path.append(venue.fund() + left * (99 - 100))  # what it still holds, at the bankruptcy price
    assert path == [Decimal(repr(balance)) for balance in PUBLISHED["bmx-if"]["fund_path"]]
    closed = {event.kind for event in venue.history().events}
    assert ("adl-close" in closed) == PUBLISHED["bmx-if"]["adl"]
