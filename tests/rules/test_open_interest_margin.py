"""Initial margin that rises with open interest follows it as it is after the trade.

Source: dydxprotocol/v4-chain, x/subaccounts: the change of open interest is applied before margin is checked.
Class "SOL": 5 % up to 40 million of open interest, rising to 100 % at 100 million.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from support.vectors import funded, plain_venue, trade
from undertow.venue.facade import Venue


def venue_of(margin_class: str = "SOL") -> Venue:
    """A contract at 100 dollars, one coin a lot."""
    venue = plain_venue("dydx-v4", paced=True)
    venue.list_perpetual("X-PERP", tick="0.01", lot="1", price="100", margin_class=margin_class)
    return venue


@pytest.mark.parametrize(
    ("size", "needed"),
    [
        ("400000", 2_000_000),  # 40 million at 5 %
        ("500000", Decimal("10416700")),  # 50 million at 5 % + 10/60 x 95 % = 20.8334 %, rounded up
        ("700000", 36_750_000),  # 70 million at 52.5 %
        ("1000000", 100_000_000),
    ],
)
def test_the_first_trade_meets_the_rate_that_it_makes(size: str, needed: Decimal) -> None:
    """A micro-dollar less and it is refused, whatever the open interest was before."""
    venue = venue_of()
    maker = funded(venue, "1000000000")
    assert venue.place(maker, "X-PERP", side="sell", size=size, price="100").accepted
    poor, rich = funded(venue, str(Decimal(needed) - Decimal("0.000001"))), funded(venue, str(needed))
    refused = venue.place(poor, "X-PERP", side="buy", size=size, price="100")
    assert refused.code == "insufficient-margin"
    assert venue.place(rich, "X-PERP", side="buy", size=size, price="100").filled == Decimal(size)
    assert venue.account(rich).initial_margin == needed


def test_what_others_opened_counts_at_once_and_what_they_closed_no_longer() -> None:
    """No step is needed: 60 million are opened, then closed, within one second."""
    venue = venue_of()
    first, second, third = (funded(venue, "200000000") for _ in range(3))
    trade(venue, "X-PERP", first, second, "600000", "100")
    trade(venue, "X-PERP", third, second, "10000", "100")
    rate = venue.account(third).holding("X-PERP").initial_rate  # type: ignore[union-attr]
    assert rate == Decimal("0.3825")  # 5 % + 21/60 x 95 %
    trade(venue, "X-PERP", second, first, "600000", "100")
    assert venue.account(third).holding("X-PERP").initial_rate == Decimal("0.05")  # type: ignore[union-attr]


def test_closing_and_maintenance_do_not_rise_with_it() -> None:
    venue = venue_of()
    first, second = funded(venue, "200000000"), funded(venue, "200000000")
    trade(venue, "X-PERP", first, second, "900000", "100")
    assert venue.account(first).maintenance_margin == 2_700_000
    trade(venue, "X-PERP", second, first, "900000", "100")
    assert venue.account(first).holdings == ()


def test_resting_orders_count_as_if_they_were_filled() -> None:
    """Whoever rests orders for 70 million keeps what they would need, so no fill finds him short."""
    venue = venue_of()
    account = funded(venue, "40000000")
    assert venue.place(account, "X-PERP", side="buy", size="700000", price="100").accepted
    assert venue.account(account).initial_margin == 36_750_000
    refused = venue.place(account, "X-PERP", side="buy", size="100000", price="100")
    assert refused.code == "insufficient-margin"


def test_a_class_without_scaling_is_as_it_was() -> None:
    venue = venue_of("BTC")
    first, second = funded(venue, "200000000"), funded(venue, "200000000")
    trade(venue, "X-PERP", first, second, "2000000", "100")
    assert venue.account(first).holding("X-PERP").initial_rate == Decimal("0.02")  # type: ignore[union-attr]
