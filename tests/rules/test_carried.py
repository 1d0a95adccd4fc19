"""Nobody leaves through the venue with money that is not his: every way that was open, with its right value.

Each test is a small story of one account that had less than its order, its debt or its resting quote could
cost. Worked by hand from the presets. Units: dollars, coins.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from undertow.rulebook.load import load_rulebook, with_overrides
from undertow.venue.answers import Result
from undertow.venue.facade import Venue

PERP = "SOL-PERP"
COIN = "SOL"
PLENTY = "10000000"


def venue_of(preset: str, price: str, *, name: str = PERP, **changes: object) -> Venue:
    """A venue with one contract at `price`, a tick of a cent, a lot of a hundredth."""
    rulebook = with_overrides(
        load_rulebook(preset), {key.replace("__", "."): changes[key] for key in changes}
    )
    venue = Venue(rulebook)
    venue.list_perpetual(name, tick="0.01", lot="0.01", price=price)
    return venue


def spot_venue(price: str, name: str = COIN, **changes: object) -> Venue:
    """Binance's rulebook with a coin at `price`."""
    rulebook = with_overrides(
        load_rulebook("binance-2025"), {key.replace("__", "."): changes[key] for key in changes}
    )
    venue = Venue(rulebook)
    venue.list_asset(name, tick="0.01", lot="0.01", price=price)
    return venue


def money(venue: Venue) -> str:
    """What wallets are kept in."""
    return venue.rulebook.settlement


def funded(venue: Venue, cash: str, profile: str | None = None) -> int:
    """An account with cash."""
    account = venue.open_account(profile)
    assert venue.deposit(account, money(venue), cash).accepted
    return account


def order(
    venue: Venue, account: int, side: str, size: str, price: str | None, name: str = PERP, **how: object
) -> Result:
    """An order; without a price at market."""
    return venue.place(account, name, side=side, size=size, price=price, **how)  # type: ignore[arg-type]


def trade(venue: Venue, buyer: int, seller: int, size: str, price: str, name: str = PERP) -> None:
    """The buyer bids, the seller takes."""
    assert order(venue, buyer, "buy", size, price, name).accepted
    assert order(venue, seller, "sell", size, price, name).filled == Decimal(size)


def mark(venue: Venue, price: str, name: str = PERP) -> None:
    """The mark moves and nothing else happens (no step, so nobody is liquidated)."""
    state = venue.engine.state
    ticks = int(Decimal(price) * 100)
    number = [listing.name for listing in venue.engine.listings].index(name)
    state.markets["mark"][number] = state.markets["index"][number] = ticks
    state.markets["band_reference"][number] = ticks


def equity(venue: Venue, account: int) -> Decimal:
    """Equity at the marks."""
    return venue.account(account).equity


def size_of(venue: Venue, account: int, name: str = PERP) -> Decimal:
    """Signed size held."""
    row = venue.account(account).holding(name)
    return Decimal(0) if row is None else row.size


# ---- closing and turning


def closer() -> tuple[Venue, int, int]:
    """dYdX, 1,000: deposit 120, long 2; maintenance 60, fee 1, so equity 119. A friend bids 2 at 700."""
    venue = venue_of("dydx-v4", "1000")
    account, other, friend = funded(venue, "120"), funded(venue, PLENTY), funded(venue, "5000")
    order(venue, other, "sell", "2", "1000")
    assert order(venue, account, "buy", "2", "1000").filled == 2
    assert equity(venue, account) == 119
    assert order(venue, friend, "buy", "2", "700").accepted
    return venue, account, friend


@pytest.mark.parametrize("price", ["700", None])
@pytest.mark.parametrize("reduce_only", [False, True])
@pytest.mark.parametrize("force", ["good-till-cancelled", "immediate-or-cancel", "fill-or-kill"])
def test_a_close_far_off_the_mark_is_refused(price: str | None, reduce_only: bool, force: str) -> None:
    """It would have lost 600 of 119; the friend would have left with them."""
    venue, account, _friend = closer()
    answer = order(venue, account, "sell", "2", price, time_in_force=force, reduce_only=reduce_only)
    assert (answer.code, answer.filled) == ("insufficient-margin", 0)
    assert (equity(venue, account), size_of(venue, account)) == (119, 2)


def test_a_turn_far_off_the_mark_is_refused() -> None:
    venue, account, _friend = closer()
    assert order(venue, account, "sell", "4", "700").code == "insufficient-margin"
    assert order(venue, account, "sell", "4", None).code == "insufficient-margin"


@pytest.mark.parametrize(("bid", "filled"), [("941", 2), ("940.4", 0)])
def test_short_of_margin_one_may_close_down_to_the_price_that_takes_all(bid: str, filled: int) -> None:
    """At a mark of 971 equity is 61 of a maintenance of 58.26 and an initial margin of 97.1.

    Selling 2 at 941 costs 60 and a fee of 0.941: 0.059 is left. At 940.40 it would be 61.2 + 0.94.
    """
    venue, account, _friend = closer()
    mark(venue, "971")
    other = funded(venue, PLENTY)
    order(venue, other, "buy", "2", bid)
    assert order(venue, account, "buy", "0.01", "971").code == "insufficient-margin"
    answer = order(venue, account, "sell", "2", None)
    assert answer.filled == filled
    assert equity(venue, account) == (Decimal("0.059") if filled else 61)


def test_half_is_closed_at_half_the_cost_and_no_more() -> None:
    """At 971 half the position may cost half of 61: 940.97 pays 30.03 + 0.470485, 940.98 0.01 less."""
    venue, account, _friend = closer()
    mark(venue, "971")
    other = funded(venue, PLENTY)
    order(venue, other, "buy", "1", "940.97")
    assert order(venue, account, "sell", "1", "940.97").code == "insufficient-margin"
    order(venue, other, "buy", "1", "940.98")
    assert order(venue, account, "sell", "1", "940.98").filled == 1
    assert equity(venue, account) == Decimal("30.50951")


def test_an_asset_that_carries_a_debt_is_not_sold_to_a_friend_for_nothing() -> None:
    """Spot margin: 1 coin at 100 carries a debt of 70. A sale at 20 would leave -50."""
    venue = spot_venue("100")
    account, friend = venue.open_account("spot-margin"), funded(venue, "1000", "spot-margin")
    venue.deposit(account, COIN, "1")
    assert venue.withdraw(account, "USDT", "70").accepted
    assert order(venue, friend, "buy", "1", "20", COIN).accepted
    assert order(venue, account, "sell", "1", "20", COIN).code == "insufficient-margin"
    assert equity(venue, account) == 30
    order(venue, friend, "buy", "1", "99.9", COIN)
    assert order(venue, account, "sell", "1", "99.9", COIN).filled == 1
    assert equity(venue, account) == Decimal("29.85005")  # 0.1 below the mark, a fee of 0.04995


# ---- market orders


def test_a_market_order_is_carried_no_further_than_its_account() -> None:
    """hyperliquid-2025, 500, alt (10x): deposit 60; 0.1 offered at 500 and 1 at 1,900: 0.1 is filled."""
    venue = venue_of("hyperliquid-2025", "500", name="DOGE-PERP", margin__default="alt")
    account, other = funded(venue, "60"), funded(venue, PLENTY)
    order(venue, other, "sell", "0.1", "500", "DOGE-PERP")
    order(venue, other, "sell", "1", "1900", "DOGE-PERP")
    answer = order(venue, account, "buy", "1", None, "DOGE-PERP")
    assert (answer.code, answer.filled, answer.average_price) == ("none", Decimal("0.1"), 500)
    assert equity(venue, account) == Decimal("59.9775")
    assert venue.account(account).holdings[0].open_size == Decimal("0.1")  # nothing stays reserved


def test_an_order_that_fills_whole_or_not_at_all_is_refused_whole() -> None:
    venue = venue_of("hyperliquid-2025", "500")
    account, other = funded(venue, "60"), funded(venue, PLENTY)
    order(venue, other, "sell", "0.1", "500")
    order(venue, other, "sell", "1", "1900")
    answer = order(venue, account, "buy", "1", None, time_in_force="fill-or-kill")
    assert (answer.code, answer.filled) == ("insufficient-margin", 0)


@pytest.mark.parametrize("price", ["1000", None])
@pytest.mark.parametrize(("cash", "code"), [("10.49", "insufficient-margin"), ("10.5", "none")])
def test_the_fee_of_a_trade_counts(price: str | None, cash: str, code: str) -> None:
    """Binance, 1,000, 100x: 1 coin needs 10, and 0.5 for the fee of a taker."""
    venue = venue_of("binance-2025", "1000")
    account, other = funded(venue, cash), funded(venue, PLENTY)
    order(venue, other, "sell", "1", "1000")
    assert order(venue, account, "buy", "1", price).code == code


# ---- resting orders through the mark


def test_resting_orders_through_the_mark_hold_back_their_loss() -> None:
    """dYdX, 100: deposit 150. A bid of 1 at 200 loses 100, needs 5; a second is refused; 45 may leave."""
    venue = venue_of("dydx-v4", "100")
    account, other = funded(venue, "150"), funded(venue, PLENTY)
    first = order(venue, account, "buy", "1", "200")
    assert first.accepted
    assert order(venue, account, "buy", "1", "200").code == "insufficient-margin"
    assert order(
        venue, account, "buy", "0.01", "99"
    ).accepted  # what is not through the mark is margined alone
    venue.cancel_all(account)
    assert order(venue, account, "buy", "1", "200").accepted
    assert venue.account(account).initial_margin == 105
    assert venue.account(account).withdrawable == 45
    assert venue.withdraw(account, "USDC", "45.01").code == "insufficient-margin"
    assert venue.withdraw(account, "USDC", "45").accepted
    assert order(venue, other, "sell", "6", "200").filled == 1
    assert equity(venue, account) == Decimal("5.022")  # the margin, and a rebate of 0.022


def test_a_bid_above_the_mark_is_not_netted_with_one_below() -> None:
    venue = venue_of("dydx-v4", "100")
    account = funded(venue, "150")
    assert order(venue, account, "buy", "1", "10").accepted
    assert order(venue, account, "buy", "1", "200").accepted
    assert venue.account(account).initial_margin == 110


def test_the_loss_held_back_follows_the_mark() -> None:
    venue = venue_of("dydx-v4", "100")
    account = funded(venue, "150")
    assert order(venue, account, "buy", "1", "101").accepted
    assert venue.account(account).initial_margin == 6
    mark(venue, "90")
    assert venue.account(account).initial_margin == Decimal("15.5")
    mark(venue, "101")
    assert venue.account(account).initial_margin == Decimal("5.05")


def test_an_amended_order_holds_back_its_own_loss_once() -> None:
    venue = venue_of("dydx-v4", "100")
    account = funded(venue, "150")
    first = order(venue, account, "buy", "1", "190").order
    assert first is not None
    assert venue.amend(account, first, price="246").code == "insufficient-margin"  # 146 + 5
    assert venue.amend(account, first, price="245").accepted
    assert venue.account(account).initial_margin == 150


def test_an_asset_bid_for_on_credit_above_its_value_reserves_the_loss() -> None:
    """Spot margin, 20: deposit 1,000. 90 at 36 cost 3,240 and are worth 1,800: the loss alone is 1,440."""
    venue = spot_venue("20")
    account, other = funded(venue, "1000", "spot-margin"), venue.open_account("spot-margin")
    assert order(venue, account, "buy", "90", "36", COIN).code == "insufficient-margin"
    # 40 at 36: a loss of 640, a debt of 440 with a margin of 110
    assert order(venue, account, "buy", "40", "36", COIN).accepted
    assert venue.account(account).initial_margin == 750
    venue.deposit(other, COIN, "100")
    assert order(venue, other, "sell", "40", "36", COIN).filled == 40
    assert equity(venue, account) == Decimal("359.712")  # 1,000 - 640 - a fee of 0.288


def test_a_bid_is_paid_in_full_where_assets_do_not_count() -> None:
    """Single-asset mode: what a coin costs is gone from the margin of the contract beside it."""
    venue = venue_of("binance-2025", "1000")
    venue.list_asset(COIN, tick="0.01", lot="0.01", price="100")
    account, other = funded(venue, "1000"), funded(venue, PLENTY)
    trade(
        venue, account, other, "50", "1000"
    )  # keeps 750 of 990 (a bracket of 50x above 100,000 is not reached)
    kept = venue.account(account).initial_margin
    free = equity(venue, account) - kept
    coins = str((free / 100).quantize(Decimal("0.01")) + 1)
    assert order(venue, account, "buy", coins, "100", COIN).code == "insufficient-margin"
    assert order(venue, account, "buy", "1", "100", COIN).accepted
    assert venue.account(account).initial_margin == kept + 100


# ---- debts


def test_a_withdrawal_leaves_the_margin_on_the_debt_it_makes() -> None:
    """Loan, 10 coins at 2,000: y + 0.4 y <= 20,000, so 14,285.714285."""
    venue = spot_venue("2000")
    account = venue.open_account("loan")
    venue.deposit(account, COIN, "10")
    assert venue.account(account).withdrawable == Decimal("14285.714285")
    assert venue.withdraw(account, "USDT", "14285.714286").code == "insufficient-margin"
    assert venue.withdraw(account, "USDT", "14285.714285").accepted
    assert venue.account(account).withdrawable == 0
    assert venue.withdraw(account, COIN, "0.01").code == "insufficient-margin"


def test_cash_that_is_there_leaves_before_anything_is_borrowed() -> None:
    """Loan, 10 coins at 2,000 and 700 of cash: 700 + 20,000 / 1.4."""
    venue = spot_venue("2000")
    account = funded(venue, "700", "loan")
    venue.deposit(account, COIN, "10")
    assert venue.account(account).withdrawable == Decimal("14985.714285")
    venue.withdraw(account, "USDT", "5700")  # 5,000 owed: 20,000 - 5,000 - x >= 0.4 (5,000 + x)
    assert venue.account(account).withdrawable == Decimal("9285.714285")


def test_a_transfer_leaves_the_margin_on_the_debt_it_makes() -> None:
    venue = spot_venue("2000")
    account = venue.open_account("loan")
    venue.deposit(account, COIN, "10")
    second = venue.open_account("single", owner=account)
    assert venue.transfer(account, second, "14285.714286").code == "insufficient-margin"
    assert venue.transfer(account, second, "14285.714285").accepted


def test_a_resting_short_sale_keeps_its_margin() -> None:
    """Spot margin, 2,000: deposit 1,000, sell 1.9: a quarter of 3,800 stays, 50 may leave; no second one."""
    venue = spot_venue("2000")
    account, other = funded(venue, "1000", "spot-margin"), funded(venue, PLENTY)
    assert order(venue, account, "sell", "1.9", "2000", COIN).accepted
    assert venue.account(account).initial_margin == 950
    assert venue.account(account).withdrawable == 50
    assert order(venue, account, "sell", "1.9", "2000", COIN).code == "insufficient-margin"
    assert venue.withdraw(account, "USDT", "50").accepted
    assert order(venue, other, "buy", "1.9", "2000", COIN).filled == Decimal("1.9")
    assert equity(venue, account) == Decimal("949.24")  # the maker's fee of 0.76


def test_a_short_sale_below_the_mark_keeps_its_loss_too() -> None:
    venue = spot_venue("2000")
    account = funded(venue, "1000", "spot-margin")
    assert order(venue, account, "sell", "1", "1400", COIN).code == "insufficient-margin"  # 600 + 500
    assert order(venue, account, "sell", "1", "1600", COIN).accepted
    assert venue.account(account).initial_margin == 900


def test_an_asset_that_the_rulebook_does_not_name_is_no_collateral() -> None:
    """500 of an unlisted coin, whose own book says 3, are worth nothing to the lender."""
    venue = spot_venue("3", "PUP")
    account = venue.open_account("spot-margin")
    venue.deposit(account, "PUP", "500")
    assert venue.account(account).withdrawable == 0
    assert equity(venue, account) == 0
    assert venue.withdraw(account, "PUP", "500").accepted


# ---- makers


def quoted(preset: str, cash: str) -> tuple[Venue, int, int]:
    """An account that bids for 1 at 100, and somebody to sell."""
    venue = venue_of(preset, "100")
    account, other = funded(venue, cash), funded(venue, PLENTY)
    assert order(venue, account, "buy", "1", "100").accepted
    return venue, account, other


@pytest.mark.parametrize("preset", ["dydx-v4", "hyperliquid-2025"])
def test_a_maker_short_of_margin_is_taken_off_the_book(preset: str) -> None:
    """At a mark of 97 the bid at 100 costs 3 of 6 and needs 4.85: it is withdrawn, not filled."""
    venue, account, other = quoted(preset, "6")
    mark(venue, "97")
    answer = order(venue, other, "sell", "1", None)
    assert (answer.code, answer.filled) == ("no-liquidity", 0)
    assert len(venue.account(account).orders) == 1  # what is refused changes nothing
    answer = order(venue, other, "sell", "1", "100")
    assert (answer.accepted, answer.filled) == (True, 0)
    assert venue.account(account).orders == ()
    assert equity(venue, account) == 6
    (event,) = (row for row in venue.history().events if row.kind == "taken-off")
    assert (event.account, event.size, event.price) == (account, 1, 100)


@pytest.mark.parametrize("preset", ["dydx-v4", "hyperliquid-2025"])
def test_a_maker_with_margin_is_filled(preset: str) -> None:
    venue, account, other = quoted(preset, "6")
    mark(venue, "99")
    assert order(venue, other, "sell", "1", None).filled == 1
    assert size_of(venue, account) == 1


def test_the_taker_goes_on_to_the_next_maker() -> None:
    venue, account, other = quoted("dydx-v4", "6")
    third = funded(venue, PLENTY)
    order(venue, third, "buy", "5", "96")
    mark(venue, "97")
    assert order(venue, other, "sell", "2", None).average_price == 96
    assert size_of(venue, account) == 0


def test_a_maker_may_be_filled_into_liquidation_where_the_venue_does_so() -> None:
    """Binance: 6 of cash, filled at 100 with the mark at 94.5: 0.48 is left, maintenance is 0.4725."""
    venue, account, other = quoted("binance-2025", "6")
    mark(venue, "94.5")
    assert order(venue, other, "sell", "1", "100").filled == 1
    assert equity(venue, account) == Decimal("0.48")
    assert venue.account(account).maintenance_margin == Decimal("0.4725")


def test_no_maker_is_filled_below_zero() -> None:
    """Binance, mark 93.99: the bid at 100 would cost 6.01 and a fee of 0.02 of 6."""
    venue, account, other = quoted("binance-2025", "6")
    mark(venue, "93.99")
    assert order(venue, other, "sell", "1", "100").filled == 0
    assert equity(venue, account) == 6
    assert venue.account(account).orders == ()


def test_a_maker_who_reduces_is_filled_though_short_of_margin() -> None:
    """dYdX, long 1 with 4 left at a mark of 98: an offer at 98 is filled, one that would lose all is not."""
    venue, account, other = quoted("dydx-v4", "6")
    assert order(venue, other, "sell", "1", "100").filled == 1
    mark(venue, "98")
    assert order(venue, account, "sell", "1", "98.5").accepted
    assert order(venue, other, "buy", "1", None).filled == 1
    assert size_of(venue, account) == 0


def test_whole_or_nothing_counts_only_makers_who_can_carry_it() -> None:
    venue, _account, other = quoted("dydx-v4", "6")
    third = funded(venue, PLENTY)
    order(venue, third, "buy", "1", "96")
    mark(venue, "97")
    assert order(venue, other, "sell", "2", "96", time_in_force="fill-or-kill").code == "fok-not-fillable"
    assert order(venue, other, "sell", "1", "96", time_in_force="fill-or-kill").average_price == 96


# ---- open profit


def test_open_profit_leaves_where_the_venue_lets_it() -> None:
    """dYdX: long 1 at 100 with 20, mark 150: equity 70, 7.50 stays; Hyperliquid keeps a tenth, 15."""
    for preset, kept in (("dydx-v4", "7.5"), ("hyperliquid-2025", "15")):
        venue = venue_of(preset, "100", fees__taker_ppm=0, fees__maker_ppm=0)
        account, other = funded(venue, "20"), funded(venue, PLENTY)
        trade(venue, account, other, "1", "100")
        mark(venue, "150")
        free = 70 - Decimal(kept)
        assert venue.account(account).withdrawable == free
        assert venue.withdraw(account, "USDC", str(free + Decimal("0.01"))).code == "insufficient-margin"
        assert venue.withdraw(account, "USDC", str(free)).accepted
        assert venue.account(account).cash == 20 - free
        assert not venue.account(account).liquidatable


def test_open_profit_stays_elsewhere() -> None:
    venue = venue_of("binance-2025", "100", fees__taker_ppm=0, fees__maker_ppm=0)
    account, other = funded(venue, "20"), funded(venue, PLENTY)
    trade(venue, account, other, "1", "100")
    mark(venue, "150")
    assert venue.account(account).withdrawable == 20


def test_a_market_bid_that_meets_a_maker_the_walk_left_out_keeps_its_row() -> None:
    """The seller can carry one coin of the hundred it offers; the buyer's own offer gives way."""
    venue = spot_venue("100")
    buyer = funded(venue, "1000", "spot-margin")
    assert order(venue, buyer, "sell", "1", "100", COIN).accepted
    seller = funded(venue, "7000", "spot-margin")
    venue.deposit(seller, COIN, "1")
    assert order(venue, seller, "sell", "50", "101", COIN).accepted
    venue.set_index(COIN, "140")
    venue.step(seconds=1)
    answer = order(venue, buyer, "buy", "1", None, COIN)
    assert (answer.code, answer.filled) == ("none", 1)
    venue.audit()
    assert equity(venue, buyer) >= 0


def test_a_reduce_only_order_at_market_is_admitted_at_the_price_it_needs() -> None:
    """Long 10 with thin equity: of bids for 10 at 100 and 90 at 50 only the first is met."""
    venue = venue_of("dydx-v4", "100")
    account, other = funded(venue, "60"), funded(venue, PLENTY)
    assert order(venue, other, "sell", "10", "100").accepted
    assert order(venue, account, "buy", "10", "100").filled == 10
    assert order(venue, other, "buy", "10", "100").accepted
    assert order(venue, other, "buy", "90", "50").accepted
    answer = order(venue, account, "sell", "100", None, time_in_force="fill-or-kill", reduce_only=True)
    assert (answer.code, answer.filled) == ("none", 10)


@pytest.mark.parametrize(("cash", "price", "cost"), [("12", "93", 0), ("12", "90", 0), ("120", "97", "3.88")])
def test_who_may_trade_with_himself_pays_both_fees_from_what_he_has(cash: str, price: str, cost: str) -> None:
    """Long 1 at 100, equity 10 after the fee, an own bid at 97; at 93 equity is 3, at 90 it is nothing.

    To sell that bid to himself changes nothing and costs 2 % of 97 twice, 3.88; the sale was let through
    because it closes a long at more than the mark. Now the bid is taken off instead, unless there is plenty.
    """
    fees = {"fees__taker_ppm": 20_000, "fees__maker_ppm": 20_000}
    venue = venue_of("binance-2025", "100", orders__self_trade="allow", **fees)
    account, other = funded(venue, cash), funded(venue, PLENTY)
    trade(venue, account, other, "1", "100")
    assert order(venue, account, "buy", "1", "97").accepted
    mark(venue, price)
    before = equity(venue, account)
    order(venue, account, "sell", "1", "97")
    assert before - equity(venue, account) == Decimal(cost)
    assert size_of(venue, account) == 1
    venue.audit()
