"""Who pays for a bankrupt wallet, once and in its own money: what the fund takes over and what it cannot."""

from __future__ import annotations

from decimal import Decimal

import pytest

from support.vectors import funded, plain_venue, trade
from undertow.rulebook.load import load_rulebook
from undertow.venue.facade import Venue


def bankrupt_short(preset: str, policy: dict[str, object], fund: str) -> tuple[Venue, int, int, int]:
    """Long, bankrupt short and fund: 200 coins sold at 100 with 1,000 dollars, then the price is 110."""
    venue = plain_venue(preset, policy)
    venue.list_perpetual("X-PERP", tick="1", lot="1", price="100")
    settlement = venue.rulebook.settlement
    house = venue.house("fund")
    if Decimal(fund):
        venue.deposit(house, settlement, fund)
    winner, loser = funded(venue, "100000"), funded(venue, "1000")
    trade(venue, "X-PERP", winner, loser, "200", "100")
    venue.set_index("X-PERP", "110")
    venue.step()
    return venue, winner, loser, house


@pytest.mark.parametrize("policy", ["socialised", "clawback"])
def test_a_loss_is_asked_for_once(policy: str) -> None:
    """Money is collected when the wallet fails; the fund has the position from then on."""
    chosen = {"allocation.policy": policy, "backstop.kind": "none"}
    venue, winner, loser, house = bankrupt_short("binance-2025", chosen, "0")
    for _ in range(3):
        assert venue.account(winner).cash == 99_000
        assert venue.account(loser).holdings == ()
        assert venue.account(house).equity == 0
        venue.step()
    venue.audit()


def test_bad_debt_stays_with_the_fund() -> None:
    venue, winner, loser, house = bankrupt_short(
        "binance-2025", {"allocation.policy": "bad-debt", "backstop.kind": "none"}, "0"
    )
    assert venue.account(winner).cash == 100_000
    assert (venue.account(loser).equity, venue.account(house).equity) == (0, -1000)
    owed = [event for event in venue.history().events if event.kind == "bad-debt"]
    assert [(event.account, event.amount) for event in owed] == [(loser, 1000)]
    venue.audit()


@pytest.mark.parametrize(("fund", "covered"), [("999.999999", False), ("1000", True)])
def test_a_fund_that_cannot_pay_takes_nothing_over(fund: str, covered: bool) -> None:
    """The hole is 1,000: a fund one millionth short leaves it to the winners, who close at 105."""
    no_limit = {"backstop.net_position_limit_ppm": 0}
    venue, winner, loser, house = bankrupt_short("binance-2025", no_limit, fund)
    kinds = {event.kind for event in venue.history().events}
    assert venue.account(loser).equity == 0
    if covered:
        assert venue.account(house).equity == 0
        assert venue.account(winner).equity == 102_000
        assert "adl-close" not in kinds and "fund-out" in kinds
    else:
        assert venue.fund() == Decimal(fund)
        assert venue.account(winner).cash == 101_000
        assert {"fund-exhausted", "adl-close"} <= kinds
    venue.audit()


def test_losers_of_two_settlement_assets_are_kept_apart() -> None:
    """A wallet in dollars and one in coins fail in the same step; each fund pays in its own asset."""
    venue = plain_venue("binance-2025", {"backstop.kind": "none"}, settlements={"USDT": 6, "BTC": 8})
    venue.list_perpetual("BTC-PERP", tick="1", lot="0.001", price="50000")
    venue.list_perpetual("BTC-COIN", tick="1", lot="100", price="50000", inverse=True, settlement="BTC")
    dollars = funded(venue, "1000")
    coins = funded(venue, "0.02", settlement="BTC")
    trade(venue, "BTC-PERP", dollars, funded(venue, "100000"), "1", "50000")
    trade(venue, "BTC-COIN", coins, funded(venue, "10", settlement="BTC"), "50000", "50000")
    before = venue.audit()
    for name in ("BTC-PERP", "BTC-COIN"):
        venue.set_index(name, "45000")
    venue.step()
    assert venue.audit() == before
    assert (venue.account(dollars).equity, venue.account(coins).equity) == (0, 0)
    assert venue.account(dollars).holdings == venue.account(coins).holdings == ()
    assert venue.fund("USDT") >= 0 and venue.fund("BTC") >= 0


def test_withdrawals_stop_after_a_negative_account() -> None:
    """Fifty-five seconds from the last time a wallet was below zero."""
    gate = {"gates.withdrawals": {"kind": "after-negative-account", "seconds": 55}}
    venue, winner, _loser, _house = bankrupt_short("binance-2025", gate, "0")
    assert venue.withdraw(winner, "USDT", "1").code == "withdrawals-closed"
    assert venue.account(winner).withdrawable == 0
    venue.step(54)
    assert venue.withdraw(winner, "USDT", "1").code == "withdrawals-closed"
    venue.step()
    assert venue.withdraw(winner, "USDT", "1").accepted


def test_a_bad_debtor_who_pays_up_is_a_customer_like_any_other() -> None:
    """Closed at 106 with a zero price of 105, 200 short; after a deposit it is liquidated when it must be."""
    at_mix = {"allocation.price": "zero-mix", "backstop.kind": "none"}
    venue, winner, loser, _house = bankrupt_short("binance-2025", at_mix, "0")
    venue.step()
    view = venue.account(loser)
    assert (view.holdings, view.exempt, view.stage) == ((), True, "liquidating")
    debt = -view.cash
    assert debt == 200
    venue.deposit(loser, "USDT", debt / 2)
    venue.step()
    assert venue.account(loser).exempt
    venue.deposit(loser, "USDT", debt / 2 + 1000)
    venue.step()
    view = venue.account(loser)
    assert (view.cash, view.exempt, view.stage) == (1000, False, "free")
    trade(venue, "X-PERP", winner, loser, "200", "110")
    venue.set_index("X-PERP", "121")
    venue.step(2)
    assert venue.account(loser).holdings == ()
    venue.audit()


@pytest.mark.parametrize("preset", ["ftx-2022", "hyperliquid-2025", "dydx-v4"])
def test_a_backstop_acts_in_its_own_settlement_asset_only(preset: str) -> None:
    """Coin wallets that fail have no provider and no dollar vault behind them, but their own fund."""
    venue = plain_venue(preset, paced=True, settlements={load_rulebook(preset).settlement: 6, "BTC": 8})
    venue.list_perpetual("BTC-COIN", tick="1", lot="100", price="50000", inverse=True, settlement="BTC")
    if venue.rulebook.backstop.kind != "none":
        venue.open_backstop("300000000")
    venue.deposit(venue.house("fund", "BTC"), "BTC", "1")
    accounts = [funded(venue, cash, settlement="BTC") for cash in ("0.1", "0.11", "0.13")]
    maker = funded(venue, "100", settlement="BTC")
    for account in accounts:
        trade(venue, "BTC-COIN", account, maker, "50000", "50000")
    before = venue.audit()
    for price in ("48000", "46500", "45500", "44500", "43000"):
        venue.place(maker, "BTC-COIN", side="buy", size="20000", price=price)
        venue.set_index("BTC-COIN", price)
        venue.step(3)
        assert venue.audit() == before
    assert all(venue.account(account).equity <= Decimal("0.13") for account in accounts)
    assert any(event.kind == "liquidation-start" for event in venue.history().events)


def test_who_is_healthy_again_at_its_turn_is_let_be() -> None:
    """The first account's forced sale closes the second one's short, which then needs less than it has."""
    venue = plain_venue("binance-2025")
    for name in ("X-PERP", "Y-PERP"):
        venue.list_perpetual(name, tick="0.1", lot="1", margin_class="BTC", price="100")
    first, second, other = funded(venue, "510"), funded(venue, "560"), funded(venue, "1000000")
    trade(venue, "X-PERP", first, second, "100", "100")
    trade(venue, "Y-PERP", second, other, "100", "100")
    venue.place(second, "X-PERP", side="buy", size="100", price="95", reduce_only=True)
    venue.place(second, "Y-PERP", side="sell", size="1", price="150")
    venue.set_index("X-PERP", "95")
    venue.set_index("Y-PERP", "90")
    assert venue.account(second).equity == 560
    venue.step()
    started = [event.account for event in venue.history().events if event.kind == "liquidation-start"]
    assert started == [first]
    view = venue.account(second)
    assert (view.stage, view.equity, view.maintenance_margin) == ("free", 60, 36)
    assert len(view.orders) == 1


def test_bad_debt_policy_leaves_what_providers_cannot_take() -> None:
    """Providers with hardly any room, and nobody else to be asked: the rest waits, and the books balance."""
    policy = {"allocation.policy": "bad-debt", "backstop.per_minute_usd": 100, "backstop.per_hour_usd": 100}
    venue = plain_venue("ftx-2022", policy, paced=True)
    venue.list_perpetual("BTC-PERP", tick="0.1", lot="0.001", price="10000")
    venue.open_backstop("100000")
    loser, winner = funded(venue, "1000"), funded(venue, "100000")
    trade(venue, "BTC-PERP", winner, loser, "1", "10000")
    for price in ("10400", "10700", "10900", "11500"):
        venue.set_index("BTC-PERP", price)
        venue.step()
        venue.audit()
    assert venue.account(winner).holdings[0].size == 1
    assert "adl-close" not in {event.kind for event in venue.history().events}


def test_an_emptied_wallet_is_let_go() -> None:
    """Sold to the last cent: where equality with maintenance triggers, nothing against nothing is safe."""
    slices = {
        "liquidation.pacing": "random-slices",
        "liquidation.probability_ppm": 1_000_000,
        "liquidation.slice_ppm": 1_000_000,
        "liquidation.floor_usd": 1_000,
        "liquidation.volume_cap_ppm": 1_000_000,
        "liquidation.jitter_low_ppm": 1_000_000,
        "liquidation.jitter_high_ppm": 1_000_000,
        "liquidation.cross_low_ppm": 100,
        "liquidation.cross_high_ppm": 100,
        "backstop.kind": "none",
    }
    venue = plain_venue("binance-2025", slices, paced=True)
    venue.list_perpetual("BTC-PERP", tick="0.1", lot="1", price="100")
    venue.set_daily_volume("BTC-PERP", "1000")
    account, other = funded(venue, "1"), funded(venue, "1000")
    trade(venue, "BTC-PERP", account, other, "1", "100")
    venue.place(other, "BTC-PERP", side="buy", size="1", price="99")
    venue.set_index("BTC-PERP", "99.2")
    venue.step(2)
    view = venue.account(account)
    assert (view.cash, view.holdings, view.stage, view.standing) == (0, (), "free", "free")


def test_a_close_leaves_no_winner_below_zero() -> None:
    """Two winners against a wallet whose zero price is far from the mark: who has little gives little.

    The loser is 2,500 short on one contract and holds another, whose zero price is drawn along to 0.1.
    """
    changes = {
        "backstop.kind": "none",
        "allocation.policy": "contract-pro-rata",
        "allocation.price": "bankruptcy",
    }
    venue = plain_venue("binance-2025", changes)
    for name in ("X-PERP", "Y-PERP"):
        venue.list_perpetual(name, tick="0.1", lot="1", margin_class="BTC", price="100")
    poor, rich, loser = funded(venue, "100"), funded(venue, "100000"), funded(venue, "500")
    trade(venue, "Y-PERP", loser, rich, "100", "100")
    trade(venue, "X-PERP", poor, loser, "50", "100")
    trade(venue, "X-PERP", rich, loser, "100", "100")
    trade(venue, "X-PERP", rich, funded(venue, "100000"), "50", "100")
    venue.set_index("Y-PERP", "70")
    venue.step()
    closed = [event for event in venue.history().events if event.kind == "adl-close"]
    worst = min(event.price for event in closed if event.instrument == "X-PERP")
    assert worst < 95
    assert venue.account(poor).equity >= 0
    assert {event.account for event in closed if event.instrument == "X-PERP"} == {poor, rich}
    venue.step(5)
    assert venue.account(loser).holdings == ()
    assert venue.account(poor).equity >= 0
    venue.audit()
