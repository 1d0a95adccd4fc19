"""What becomes of assets bought with borrowed money: at which price, sold, taken over or kept.

Figures: the crowd's description 2.2; p* = (m - 1) / m x level, 1.10 for margin and 1 / 0.91 for loans.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from support.vectors import funded, plain_venue
from undertow.venue.facade import Venue

PRESET = "binance-2025"
ASSET = "USDe"
CALM = {"collateral.USDe.price": {"kind": "index"}}


def loop(profile: str, multiple: str, changes: dict[str, Any] | None = None) -> tuple[Venue, int]:
    """A loop of 100,000 dollars of own money at a multiple, valued at the index unless told otherwise."""
    venue = plain_venue(PRESET, {**CALM, **(changes or {})})
    venue.list_asset(ASSET, tick="0.0001", lot="0.1", price="1")
    account = venue.open_account(profile=profile)
    assets = 100_000 * Decimal(multiple)
    venue.deposit(account, ASSET, assets)
    venue.set_privileges(account, exempt=True, credit_limit=assets)
    assert venue.withdraw(account, "USDT", assets - 100_000).accepted
    venue.set_privileges(account, exempt=False, credit_limit="0")
    return venue, account


def at(venue: Venue, price: str) -> None:
    venue.set_index(ASSET, price)
    venue.step()


@pytest.mark.parametrize(
    ("profile", "multiple", "last", "first"),
    [
        ("spot-margin", "3.5", "0.7858", "0.7857"),  # 2.5 / 3.5 x 1.10 = 0.78571
        ("spot-margin", "4.45", "0.8529", "0.8528"),  # 3.45 / 4.45 x 1.10 = 0.85281
        ("spot-margin", "5", "0.8801", "0.8800"),  # 4 / 5 x 1.10, equality triggers
        ("loan", "3.5", "0.7850", "0.7849"),  # 2.5 / 3.5 / 0.91 = 0.78493
        ("vip-loan", "3.5", "0.7850", "0.7849"),
    ],
)
def test_a_loop_is_liquidated_where_arithmetic_says(
    profile: str, multiple: str, last: str, first: str
) -> None:
    venue, account = loop(profile, multiple)
    at(venue, last)
    assert venue.history().events == ()
    at(venue, first)
    started = venue.history().events[0]
    assert (started.kind, started.account) == ("liquidation-start", account)


def test_the_first_print_of_ninety_cents_liquidates_no_loop_of_five() -> None:
    venue, _account = loop("spot-margin", "5")
    at(venue, "0.9")
    assert venue.history().events == ()


def test_assets_alone_are_never_liquidated() -> None:
    """No debt, no contract, and a profile in which the assets count for nothing: equity nil, and safe."""
    venue = plain_venue(PRESET, CALM)
    venue.list_asset(ASSET, tick="0.0001", lot="0.1", price="1")
    account = venue.open_account(profile="single")
    venue.deposit(account, ASSET, "1000000")
    for price in ("1", "0.5", "0.0001"):
        at(venue, price)
    assert venue.history().events == ()
    assert not venue.account(account).liquidatable
    assert venue.account(account).holdings[0].size == 1_000_000


def bid(venue: Venue, size: str, price: str) -> int:
    buyer = funded(venue, "10000000")
    assert venue.place(buyer, ASSET, side="buy", size=size, price=price).accepted
    return buyer


def test_margin_sells_the_smallest_slice_that_repays_enough() -> None:
    """500,000 at 0.87 against 400,000: short by 5,000 of 1.1 x debt; a dollar sold frees ten cents."""
    venue, account = loop("spot-margin", "5", {"liquidation.slicing": "smallest-restoring"})
    bid(venue, "500000", "0.87")
    at(venue, "0.87")
    view = venue.account(account)
    sold = 500_000 - view.holdings[0].size
    assert sold * Decimal("0.87") == pytest.approx(Decimal(50_000), abs=1)
    assert (view.stage, view.holdings[0].collateral_value >= -view.cash * Decimal("1.1")) == ("free", True)
    assert venue.history().events[-1].kind == "liquidation-end"
    venue.audit()


def test_what_margin_cannot_sell_above_its_zero_price_is_taken_over() -> None:
    """The zero price of a loop of five is 0.80: a bid below it is left alone, and the fund has the rest."""
    venue, account = loop("spot-margin", "5")
    venue.deposit(venue.house("fund"), "USDT", "1000000")
    bid(venue, "10000", "0.81")
    below = bid(venue, "500000", "0.79")
    at(venue, "0.87")
    assert venue.account(account).holdings == () and venue.account(account).cash == 0
    assert venue.account(venue.house("fund")).holdings[0].size == pytest.approx(490_000, abs=400)
    assert all(row.size < 1_000 for row in venue.account(below).holdings)  # the fund's paced disposal
    venue.audit()


def test_a_loan_passes_to_the_fund_which_sells_at_its_pace() -> None:
    venue, account = loop("loan", "3.5")
    venue.deposit(venue.house("fund"), "USDT", "1000000")
    buyer = bid(venue, "350000", "0.78")
    at(venue, "0.78")
    assert venue.account(account).holdings == ()
    before = venue.account(buyer).holdings
    venue.step(600)
    assert sum(row.size for row in venue.account(buyer).holdings) > sum(row.size for row in before)
    venue.audit()


def test_the_lender_keeps_what_it_takes_and_sells_nothing() -> None:
    venue, account = loop("vip-loan", "3.5")
    buyer = bid(venue, "350000", "0.78")
    at(venue, "0.78")
    venue.step(3600)
    lender = venue.account(venue.house("lending"))
    assert (venue.account(account).holdings, venue.account(account).cash) == ((), 0)
    assert (lender.holdings[0].size, lender.cash) == (350_000, -250_000)
    assert venue.account(buyer).holdings[0].size == 0
    venue.audit()
