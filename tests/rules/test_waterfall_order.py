"""The waterfall in the order of its rulebook: worked numbers of who is asked, when, and for how much."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from support.rulebooks import AUTO_CLOSES, PACINGS, dotted
from support.vectors import funded, plain_venue, trade
from undertow.rulebook.load import load_rulebook, with_overrides
from undertow.venue.facade import Venue
from undertow.venue.ledger import deposit

MICRO = Decimal("0.000001")
MONEY = ["wealth-pro-rata", "water-filling", "leverage-pro-rata", "risk-aware-pro-rata"]
STAYS = {"backstop.kind": "none"}


def told(venue: Venue, *kinds: str) -> list[tuple[str, int, Decimal]]:
    """(kind, account, amount) of the events since the last look."""
    events = [event for event in venue.history().events if event.kind in kinds]
    return [(event.kind, event.account, event.amount) for event in events]


# ---- who pays: deficit 5, fund 2


def five_short(policy: str, **changes: Any) -> tuple[Venue, int, int, int]:
    """A short of 5 coins at 100 with 20 dollars, the price 105, a fund of 2, and two longs of 1 and 4 coins.

    The first long bought at 101 and is 4 up, the second at 99.75 and is 21 up.
    """
    wanted = {**STAYS, "allocation.policy": policy, **changes}
    venue = plain_venue("binance-2025", wanted)
    venue.list_perpetual("X-PERP", tick="0.25", lot="1", price="100")
    venue.deposit(venue.house("fund"), "USDT", "2")
    small, large, loser = funded(venue, "1000"), funded(venue, "1000"), funded(venue, "20")
    trade(venue, "X-PERP", small, loser, "1", "101")
    trade(venue, "X-PERP", large, loser, "4", "99.75")
    venue.set_index("X-PERP", "105")
    venue.step()
    return venue, small, large, loser


@pytest.mark.parametrize(
    ("policy", "small_pays"),
    [
        ("wealth-pro-rata", Decimal("0.48")),  # 3 dollars over profits of 4 and 21
        ("water-filling", Decimal("1.5")),  # half each
        ("leverage-pro-rata", None),
        ("risk-aware-pro-rata", None),
    ],
)
def test_a_fund_that_comes_first_leaves_the_winners_the_rest(policy: str, small_pays: Decimal | None) -> None:
    """Deficit 5, fund 2: the winners pay 3, as money; their contracts are closed at the mark."""
    venue, small, large, loser = five_short(policy)
    paid = [1004 - venue.account(small).cash, 1021 - venue.account(large).cash]
    assert sum(paid) == 3 and min(paid) > 0
    if small_pays is not None:
        assert paid[0] == small_pays
    assert (venue.fund(), venue.account(loser).equity) == (0, 0)
    assert all(venue.account(account).holdings == () for account in (small, large, loser))
    found = told(venue, "fund-out", "fund-exhausted", "socialised-loss", "bad-debt", "adl-close")
    assert [row for row in found if row[0].startswith("fund")] == [
        ("fund-out", loser, Decimal(2)),
        ("fund-exhausted", loser, Decimal(3)),
    ]
    assert sum(row[2] for row in found if row[0] == "socialised-loss") == 3
    assert all(row[2] == 0 for row in found if row[0] == "adl-close")
    venue.audit()


@pytest.mark.parametrize("policy", MONEY)
@pytest.mark.parametrize(
    "changes", [{"allocation.trigger": "negative-equity"}, {"insurance.cover": "whole-or-nothing"}]
)
def test_a_fund_that_does_not_come_first_or_cannot_pay_all_keeps_its_money(
    policy: str, changes: dict[str, Any]
) -> None:
    """Winners first, or a fund that pays all or nothing: the winners pay 5 and the fund keeps 2."""
    venue, small, large, _loser = five_short(policy, **changes)
    assert 2025 - venue.account(small).cash - venue.account(large).cash == 5
    assert venue.fund() == 2


@pytest.mark.parametrize("policy", MONEY)
def test_winners_pay_no_more_than_their_profit_and_the_rest_is_bad_debt(policy: str) -> None:
    """Profits of 25 against a deficit of 30: the winners are left with what they brought, 3 stay unpaid."""
    venue, small, large, loser = five_short(policy)
    again, third = funded(venue, "6"), funded(venue, "1000")
    trade(venue, "X-PERP", third, again, "1", "105")
    deposit(venue.engine.state, again, -5_000_000)
    told(venue, "bad-debt")
    venue.set_index("X-PERP", "108")
    venue.step()
    assert venue.account(third).cash == 1001  # three up, less what the other was short of: 3 - 1
    assert venue.account(again).equity == 0
    assert told(venue, "bad-debt") == []
    venue.set_index("X-PERP", "109")
    venue.step()
    assert venue.account(small).cash + venue.account(large).cash == 2022
    assert venue.account(loser).equity == 0


def test_socialised_takes_nobody_below_zero() -> None:
    """Ten coins a side owe 5 of a deficit each by size; the poor one has 2, the rest is the others'."""
    venue = plain_venue("binance-2025", {**STAYS, "allocation.policy": "socialised"})
    venue.list_perpetual("X-PERP", tick="0.25", lot="1", price="100")
    poor, rich, loser = funded(venue, "1000"), funded(venue, "1000"), funded(venue, "100")
    trade(venue, "X-PERP", rich, loser, "10", "100")
    trade(venue, "X-PERP", poor, rich, "5", "100")
    venue.set_privileges(poor, exempt=True)
    deposit(venue.engine.state, poor, -1_050_000_000 + 2_000_000 - 5_000_000)
    venue.set_index("X-PERP", "111")
    venue.step()
    assert venue.account(loser).equity == 0
    assert venue.account(poor).equity == 0
    assert venue.account(rich).equity == 1000 + 55 - 8


def test_a_favoured_account_below_zero_is_no_winner() -> None:
    """It is closed against nobody, at the mark or elsewhere: the one who has something is."""
    venue = plain_venue("binance-2025", {**STAYS, "allocation.price": "previous-mark"})
    venue.list_perpetual("X-PERP", tick="0.25", lot="1", price="100")
    favoured, winner, loser = funded(venue, "1000"), funded(venue, "1000"), funded(venue, "20")
    trade(venue, "X-PERP", favoured, loser, "2", "100")
    trade(venue, "X-PERP", winner, loser, "3", "100")
    venue.set_privileges(favoured, exempt=True)
    deposit(venue.engine.state, favoured, -2_000_000_000)
    venue.set_index("X-PERP", "105")
    venue.step()
    closed = [event.account for event in venue.history().events if event.kind == "adl-close"]
    assert closed == [winner]
    assert venue.account(favoured).holding("X-PERP").size == 2  # type: ignore[union-attr]


# ---- fees leave no debt


def test_a_clearance_fee_takes_no_more_than_is_left() -> None:
    """500 coins sold for 49,500 with 220 left: 24.75 are trading fees; 742.50 are asked, 195.25 there."""
    fees = {"fees.taker_ppm": 500, "fees.liquidation_ppm": 15_000}
    venue = plain_venue("binance-2025", fees)
    venue.list_perpetual("X-PERP", tick="0.01", lot="1", price="100")
    account, other = funded(venue, "720"), funded(venue, "100000")
    venue.engine.state.instruments["taker_fee_ppm"][0] = 0
    trade(venue, "X-PERP", account, other, "500", "100")
    venue.engine.state.instruments["taker_fee_ppm"][0] = 500
    venue.place(other, "X-PERP", side="buy", size="500", price="99")
    venue.set_index("X-PERP", "99")
    venue.step()
    assert venue.account(account).cash == 0
    assert venue.fund() == Decimal("195.25")
    assert told(venue, "fund-out", "bad-debt", "takeover") == []
    venue.audit()


def test_a_trading_fee_on_a_forced_sale_leaves_no_debt() -> None:
    """Sold at its zero price to the last cent: the venue's own 24.79 are not asked of the fund."""
    venue = plain_venue("binance-2025", {"fees.taker_ppm": 500})
    venue.list_perpetual("X-PERP", tick="0.01", lot="1", price="100")
    account, other = funded(venue, "720"), funded(venue, "100000")
    venue.engine.state.instruments["taker_fee_ppm"][0] = 0
    trade(venue, "X-PERP", account, other, "500", "100")
    deposit(venue.engine.state, account, -500_000_000)
    venue.engine.state.instruments["taker_fee_ppm"][0] = 500
    venue.place(other, "X-PERP", side="buy", size="500", price="99.56")
    venue.set_index("X-PERP", "99.6")
    venue.step()
    assert venue.account(account).equity == 0
    assert venue.fund() == 0
    assert told(venue, "fund-out", "bad-debt", "takeover", "fund-exhausted") == []
    venue.audit()


# ---- halted markets


def test_nothing_passes_on_while_its_market_is_halted() -> None:
    """A wallet that would be sold waits for its market, and is sold when it opens; another's is sold now."""
    venue = plain_venue("binance-2025")
    for name in ("X-PERP", "Y-PERP"):
        venue.list_perpetual(name, tick="0.01", lot="1", price="100")
    venue.deposit(venue.house("fund"), "USDT", "100000")
    account, other = funded(venue, "1100"), funded(venue, "1000000")
    trade(venue, "X-PERP", account, other, "100", "100")
    trade(venue, "Y-PERP", account, other, "20", "100")
    for name in ("X-PERP", "Y-PERP"):
        venue.place(other, name, side="buy", size="100", price="91")
    venue.engine.state.markets["halted"][0] = 1
    venue.set_index("X-PERP", "91")
    venue.set_index("Y-PERP", "91")
    venue.step()
    view = venue.account(account)
    assert [row.instrument for row in view.holdings] == ["X-PERP"]
    assert view.stage == "liquidating"
    assert told(venue, "takeover", "adl-close", "fund-out") == []
    venue.engine.state.markets["halted"][0] = 0
    venue.step()
    assert venue.account(account).holdings == ()
    orders = [event for event in venue.history().events if event.kind == "liquidation-order"]
    assert [event.instrument for event in orders] == ["X-PERP"]


# ---- debts without a position


@pytest.mark.parametrize(("rule", "fund", "left"), [("covered", "5", 0), ("left", "10", -5)])
def test_a_debt_without_a_position_is_nothing_to_liquidate(rule: str, fund: str, left: int) -> None:
    """Five owed and nothing held: paid by the fund, or the owner's affair; told once either way."""
    venue = plain_venue("binance-2025", {"insurance.debt_without_position": rule})
    venue.list_perpetual("X-PERP", tick="0.01", lot="1", price="100")
    venue.deposit(venue.house("fund"), "USDT", "10")
    account = funded(venue, "10")
    deposit(venue.engine.state, account, -15_000_000)
    assert not venue.account(account).liquidatable
    venue.step(3)
    view = venue.account(account)
    assert (view.cash, view.stage, venue.fund()) == (left, "free", Decimal(fund))
    kind = "fund-out" if rule == "covered" else "bad-debt"
    assert told(venue, "fund-out", "bad-debt", "liquidation-start") == [(kind, account, Decimal(5))]
    venue.deposit(account, "USDT", "100")
    assert venue.account(account).exempt is False


def test_a_debt_within_a_credit_line_is_let_be() -> None:
    """Ten of credit, five used: the fund does not pay them back."""
    venue = plain_venue("ftx-2022", paced=True)
    venue.list_perpetual("X-PERP", tick="0.01", lot="1", price="100")
    venue.deposit(venue.house("fund"), "USD", "100")
    account = funded(venue, "10")
    venue.set_privileges(account, credit_limit="10")
    assert venue.withdraw(account, "USD", "15").accepted
    venue.step(2)
    assert (venue.account(account).cash, venue.account(account).stage, venue.fund()) == (-5, "free", 100)


def test_what_a_liquidation_leaves_the_fund_pays_under_either_rule() -> None:
    """Sold through its zero price down to the market band: the fund pays what is missing."""
    changes = {"insurance.debt_without_position": "left", "liquidation.limit": "market-band"}
    venue = plain_venue("binance-2025", changes)
    venue.list_perpetual("X-PERP", tick="0.01", lot="1", price="100")
    venue.deposit(venue.house("fund"), "USDT", "100")
    account, other = funded(venue, "100"), funded(venue, "10000")
    trade(venue, "X-PERP", account, other, "10", "100")
    venue.place(other, "X-PERP", side="buy", size="10", price="85")
    venue.set_index("X-PERP", "90.5")
    venue.step()
    assert (venue.account(account).cash, venue.fund()) == (0, 50)


@pytest.mark.parametrize(
    ("preset", "rule"),
    [
        ("binance-2025", "covered"),
        ("bitmex-2020", "covered"),
        ("ftx-2022", "covered"),
        ("dydx-v4", "left"),
        ("hyperliquid-2025", "left"),
    ],
)
def test_each_preset_says_who_pays_a_debt_without_a_position(preset: str, rule: str) -> None:
    assert load_rulebook(preset).insurance.debt_without_position == rule


# ---- risk limits stepped down


def stepped(entry_coins: str, margin_coins: str, bids: str, index: str) -> tuple[Venue, int]:
    """Inverse contracts bought at 10,000 under limits of 200 coins, 100 a step, half a per cent each."""
    venue = plain_venue(
        "bitmex-2020", {"liquidation.slicing": "tier-down", "liquidation.fill": "all-or-nothing"}
    )
    venue.list_perpetual("XBT-PERP", tick="0.5", lot="1", price="10000", margin_class="BTC")
    account, other = funded(venue, "1000"), funded(venue, "100000")
    size = str(int(Decimal(entry_coins) * 10_000))
    trade(venue, "XBT-PERP", account, other, size, "10000")
    deposit(venue.engine.state, account, -int((1000 - Decimal(margin_coins)) * 10**8))
    venue.deposit(venue.house("fund"), "XBT", "100")
    if bids:
        venue.place(other, "XBT-PERP", side="buy", size=bids, price=index)
    venue.set_index("XBT-PERP", index)
    venue.step(5)
    return venue, account


def test_a_position_is_brought_down_to_the_step_that_its_margin_carries() -> None:
    """450 coins need 2 %, 400 need 1.5 % and 300 need 1 %: with 5.2 coins left it goes down to 300.

    Source: mechanisms 3, BitMEX risk limits of 2020 (180, 230 and 450 coins: 0.5, 1 and 2 %).
    """
    venue, account = stepped("450", "5.2", "4000000", "10000")
    left = venue.account(account).holding("XBT-PERP")
    assert left is not None and left.size == 3_000_000
    orders = [event for event in venue.history().events if event.kind == "liquidation-order"]
    assert [(event.side, event.size) for event in orders] == [("sell", 1_500_000)]
    assert venue.account(account).stage == "free"


def test_in_the_lowest_step_there_is_no_order_but_the_takeover() -> None:
    venue, account = stepped("180", "0.8", "4000000", "10000")
    kinds = [event.kind for event in venue.history().events]
    assert "liquidation-order" not in kinds and "takeover" in kinds
    assert (venue.account(account).holdings, venue.account(account).equity) == ((), 0)


def test_without_the_bids_for_the_step_all_is_taken_over() -> None:
    """Fill or kill: nothing is sold, and the fund has 450 coins."""
    venue, account = stepped("450", "5.2", "1000000", "10000")
    fills = [fill for fill in venue.history().fills if fill.origin == "liquidation"]
    assert fills == []
    held = venue.account(venue.house("fund")).holding("XBT-PERP")
    assert held is not None
    assert venue.account(account).holdings == ()


def test_brackets_are_tiers_too() -> None:
    """A million needs 2 % less 8,380 = 11,620, 800,000 need 7,620: with 9,000 left, 200,000 go.

    In the bracket below that, 100,000, it would need 620 and ten times the sale.
    """
    changes = {"liquidation.slicing": "tier-down", "liquidation.fill": "all-or-nothing"}
    venue = plain_venue("binance-2025", changes)
    venue.list_perpetual("X-PERP", tick="0.01", lot="1", price="100", margin_class="SOL")
    account, other = funded(venue, "1000000"), funded(venue, "100000000")
    trade(venue, "X-PERP", account, other, "10000", "100")
    deposit(venue.engine.state, account, -991_000_000_000)
    venue.place(other, "X-PERP", side="buy", size="10000", price="100")
    venue.set_index("X-PERP", "100")
    venue.step()
    held = venue.account(account).holding("X-PERP")
    assert held is not None and held.size == 8_000
    assert venue.account(account).maintenance_margin == 7_620


# ---- a whole market in one liquidation


@pytest.mark.parametrize("pacing", ["one-shot", "random-slices", "staged", "fillable-price"])
@pytest.mark.parametrize("fund", ["0", "100", "100000"])
def test_a_whole_isolated_market_in_one_liquidation(pacing: str, fund: str) -> None:
    """All open interest of a market with its own fund in one isolated wallet that falls below zero.

    On 10 October 2025 a chain handed such a wallet's collateral back before its fund had paid and stopped,
    though the fund could pay. Here nobody is below zero, the fund is asked once, and the venue goes on.
    """
    figures = next(row for row in PACINGS if row["pacing"] == pacing)
    changes: dict[str, Any] = {
        **dotted("liquidation", {**figures, **AUTO_CLOSES[0]}),
        "backstop.kind": "fund" if pacing == "one-shot" else "none",
        "insurance.isolated_funds": ["isolated"],
    }
    if pacing == "one-shot":
        slow = {"rate_ppm_per_second": 0, "max_turnover_share_ppm": 0}
        changes |= {"backstop.net_position_limit_ppm": 0, "backstop.disposal": slow}
        changes["backstop.collateral_disposal"] = slow
    venue = Venue(with_overrides(load_rulebook("dydx-v4"), changes))
    venue.list_perpetual("ISO-PERP", tick="0.01", lot="1", price="100", margin_class="isolated")
    owner, others = funded(venue, "100000"), [funded(venue, "100000") for _ in range(3)]
    wallet = venue.open_isolated(owner, "2000")
    if int(Decimal(fund)):
        venue.deposit(int(venue.engine.state.instruments["fund"][0]), "USDC", fund)
    for other in others:
        venue.place(other, "ISO-PERP", side="sell", size="100", price="100")
    assert venue.place(wallet, "ISO-PERP", side="buy", size="300", price="100").filled == 300
    assert venue.market("ISO-PERP").open_interest == 300
    kept = venue.account(owner).cash
    before = venue.audit()
    venue.set_index("ISO-PERP", "90")  # 3,000 lost of 2,000 and some fees
    venue.step()
    venue.set_index("ISO-PERP", "91")
    venue.step(20)
    assert venue.audit() == before
    accounts = [owner, wallet, *others]
    assert all(venue.account(account).equity >= 0 for account in accounts)
    assert venue.account(owner).cash == kept
    assert venue.account(wallet).holdings == ()
    asked = told(venue, "fund-out", "fund-exhausted", "bad-debt")
    assert sum(1 for kind, account, _amount in asked if account == wallet and kind == "fund-out") <= 1
    assert venue.account(int(venue.engine.state.instruments["fund"][0])).equity >= 0
    assert venue.fund() == 0  # the common fund has nothing to do with it
    assert venue.place(others[0], "ISO-PERP", side="buy", size="1", price="91").accepted
