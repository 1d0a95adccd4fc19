"""A long needs no more margin than it is worth, where the rulebook says so; a short has no such end.

Source: mechanisms 1.3 (cap of longs in public clients, [C]) and an officer's post of 12 October 2022 on MNGO:
0.00025 x sqrt(500 million) = 5.59, bounded at fully funded.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from undertow.errors import RulebookError
from undertow.rulebook.load import load_rulebook, preset_names, with_overrides
from undertow.venue.facade import Venue

PERP = "MNGO-PERP"
SIZE, PRICE = "500000000", "0.04"
WORTH = Decimal(20_000_000)


def opened(cash: str, **changes: int) -> tuple[Venue, int, int]:
    """Two accounts, the second with as much as anybody needs."""
    rulebook = load_rulebook("ftx-2022")
    free = {"fees.taker_ppm": 0, "fees.maker_ppm": 0}
    venue = Venue(with_overrides(rulebook, free | changes), instruments=1)
    venue.list_perpetual(PERP, "0.0001", "1", price=PRICE)
    one, two = venue.open_account(), venue.open_account()
    venue.deposit(one, "USD", cash)
    venue.deposit(two, "USD", "1000000000")
    return venue, one, two


def test_a_long_is_fully_funded_at_most() -> None:
    """500 million coins worth 20 million: a long needs 20 million, and nothing can liquidate it."""
    venue, one, two = opened("20000000")
    venue.place(two, PERP, side="sell", size=SIZE, price=PRICE)
    assert venue.place(one, PERP, side="buy", size=SIZE, price=PRICE).filled == Decimal(SIZE)
    long, short = venue.account(one).holding(PERP), venue.account(two).holding(PERP)
    assert long is not None and short is not None
    assert (long.initial_margin, long.initial_rate, long.maintenance_rate) == (WORTH, 1, 1)
    assert venue.account(one).initial_margin == WORTH
    assert (short.initial_rate, short.maintenance_rate) == (Decimal("5.590169"), Decimal("3.354101"))
    assert short.initial_margin == Decimal("111803380")
    assert venue.account(one).withdrawable == 0
    assert long.liquidation_price is None  # at no price


def test_a_unit_less_is_refused() -> None:
    venue, one, two = opened("19999999.999999")
    venue.place(two, PERP, side="sell", size=SIZE, price=PRICE)
    assert venue.place(one, PERP, side="buy", size=SIZE, price=PRICE).code == "insufficient-margin"


def test_without_a_cap_nobody_could_carry_it() -> None:
    venue, one, two = opened("111803379", **{"margin.classes.MNGO.long_cap_ppm": 0})
    venue.place(two, PERP, side="sell", size=SIZE, price=PRICE)
    assert venue.place(one, PERP, side="buy", size=SIZE, price=PRICE).code == "insufficient-margin"
    venue.deposit(one, "USD", "1")
    assert venue.place(one, PERP, side="buy", size=SIZE, price=PRICE).accepted


def test_resting_orders_on_both_sides_take_the_side_that_needs_more() -> None:
    """Bids for all of it need 20 million; offers of a tenth, uncapped, sqrt(0.1) x 5.59 x 2 million."""
    venue, one, _two = opened("1000000000")
    venue.place(one, PERP, side="sell", size="50000000", price=PRICE)
    small = venue.account(one).initial_margin
    assert small == Decimal("1.767766") * 2_000_000
    venue.place(one, PERP, side="buy", size=SIZE, price="0.0399")
    assert venue.account(one).initial_margin == WORTH
    venue.place(one, PERP, side="sell", size="450000000", price=PRICE)
    assert venue.account(one).initial_margin == Decimal("111803380")


def test_only_the_venue_that_says_so_has_it() -> None:
    for name in preset_names():
        for rule in load_rulebook(name).margin.classes.values():
            assert (rule.long_cap_ppm == 1_000_000) == (rule.kind == "sqrt")


@pytest.mark.parametrize("cap", [1, 49_999])
def test_a_cap_below_the_floor_is_refused(cap: int) -> None:
    with pytest.raises(RulebookError, match=r"long_cap_ppm: is .*, below the floor of initial margin"):
        with_overrides(load_rulebook("ftx-2022"), {"margin.classes.MNGO.long_cap_ppm": cap})
