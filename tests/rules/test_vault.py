"""The liquidator vault: its trigger, its loss limit, and what it earns with a hedge elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.small_venue import (
    DOLLAR,
    PERPETUAL,
    cash_of,
    check_books,
    customer,
    open_position,
    set_mark,
    size_of,
    small_venue,
)
from undertow.rulebook.load import load_rulebook, with_overrides
from undertow.venue.backstop import exact_share
from undertow.venue.closing import ClosingRule, close_inventory
from undertow.venue.hedge import Hedge, HedgeRule, lay_off, open_hedge, profits
from undertow.venue.ledger import deposit
from undertow.venue.records import EventKind
from undertow.venue.stages import closing_rule
from undertow.venue.state import COUNT_BANKRUPT, HOUSE_VAULT, STAGE_TAKEN, State
from undertow.venue.vault import Vault, hand_over, is_below_share, vault_takes, within_limit, worth

CAPITAL = 10_000 * DOLLAR
VAULT = Vault(HOUSE_VAULT, 2, 3, CAPITAL, 1_000 * DOLLAR)
BTC = 10_000  # lots


def venue_with_vault() -> State:
    state = small_venue()
    deposit(state, HOUSE_VAULT, CAPITAL)
    return state


@pytest.mark.parametrize(("equity", "passes"), [(2_001, False), (2_000, False), (1_999, True)])
def test_below_two_thirds_of_maintenance(equity: int, passes: bool) -> None:
    # Hyperliquid docs, trading/liquidations: maintenance 3,000
    numerator, denominator = exact_share(666_667)
    assert is_below_share(equity * DOLLAR, 3_000 * DOLLAR, numerator, denominator) == passes


@given(
    st.integers(-(1 << 50), 1 << 50), st.integers(0, 1 << 50), st.integers(1, 1_000), st.integers(1, 1_000)
)
def test_the_trigger_is_exact(equity: int, maintenance: int, numerator: int, denominator: int) -> None:
    expected = equity * denominator < maintenance * numerator
    assert is_below_share(equity, maintenance, numerator, denominator) == expected


def test_the_whole_wallet_passes_and_nothing_comes_back() -> None:
    state = venue_with_vault()
    account = customer(state, 1_000)
    open_position(state, account, 2 * BTC, 1_000_000)
    set_mark(state, 970_000)  # equity 400, maintenance 582, two thirds of it 388
    assert not hand_over(state, VAULT, account)
    set_mark(state, 969_300)  # equity 386
    assert hand_over(state, VAULT, account)
    assert state.accounts["stage"][account] == STAGE_TAKEN
    assert cash_of(state, account) == size_of(state, account) == 0
    assert size_of(state, HOUSE_VAULT) == 2 * BTC
    assert worth(state, HOUSE_VAULT) == CAPITAL + 386 * DOLLAR
    check_books(state)


def test_below_zero_it_is_not_the_vaults_affair() -> None:
    state = venue_with_vault()
    account = customer(state, 1_000)
    open_position(state, account, 2 * BTC, 1_000_000)
    set_mark(state, 949_999)
    assert hand_over(state, VAULT, account)
    assert list(state.bankrupt[: state.counters[COUNT_BANKRUPT]]) == [account]
    assert size_of(state, HOUSE_VAULT) == 0


def test_a_vault_that_lost_too_much_takes_nothing_more() -> None:
    state = venue_with_vault()
    first, second = customer(state, 1_000), customer(state, 1_000)
    open_position(state, first, 2 * BTC, 1_000_000)
    open_position(state, second, 2 * BTC, 1_000_000)
    set_mark(state, 951_000)  # equity 20
    assert hand_over(state, VAULT, first)
    set_mark(state, 900_000)  # the vault's 2 coins have lost 1,020 since
    assert worth(state, HOUSE_VAULT) == CAPITAL - 1_000 * DOLLAR
    assert vault_takes(state, VAULT)
    deposit(state, second, 1_001 * DOLLAR)
    set_mark(state, 899_999)
    assert not vault_takes(state, VAULT)
    assert not hand_over(state, VAULT, second)
    assert size_of(state, second) == 2 * BTC
    check_books(state)


def losing_vault() -> tuple[State, int]:
    """A vault that took 2 coins over and lost a dollar too much on them, and who sold them short."""
    state = venue_with_vault()
    account = customer(state, 1_000)
    winner = open_position(state, account, 2 * BTC, 1_000_000)
    set_mark(state, 951_000)
    assert hand_over(state, VAULT, account)
    set_mark(state, 899_950)
    assert not within_limit(state, VAULT)
    return state, winner


def rule_with(**changes: object) -> ClosingRule:
    return closing_rule(with_overrides(load_rulebook("hyperliquid-2025"), changes))


@pytest.mark.parametrize("price", ["previous-mark", "bankruptcy"])
def test_a_vault_that_lost_too_much_is_closed_against_winners_and_takes_again(price: str) -> None:
    state, winner = losing_vault()
    state.markets["previous_mark"][PERPETUAL] = 900_000
    before = worth(state, HOUSE_VAULT)
    close_inventory(state, rule_with(**{"allocation.price": price}), HOUSE_VAULT, (1, 1), None)
    assert size_of(state, HOUSE_VAULT) == size_of(state, winner) == 0
    # At the previous mark 2 coins bring a dollar more; a zero price would give its money away.
    assert worth(state, HOUSE_VAULT) - before == (DOLLAR if price == "previous-mark" else 0)
    assert vault_takes(state, VAULT)
    closes = state.events[state.events["kind"] == int(EventKind.ADL_CLOSE)]
    assert (closes["account"].tolist(), closes["counterparty"].tolist()) == ([winner], [HOUSE_VAULT])
    check_books(state)


def test_a_policy_that_closes_nobody_leaves_the_vault_what_it_holds() -> None:
    state, _winner = losing_vault()
    close_inventory(state, rule_with(**{"allocation.policy": "bad-debt"}), HOUSE_VAULT, (1, 1), None)
    assert size_of(state, HOUSE_VAULT) == 2 * BTC
    assert not vault_takes(state, VAULT)


def test_a_wallet_that_orders_left_below_zero_is_made_good() -> None:
    state = venue_with_vault()
    account = customer(state, 0)
    deposit(state, account, -50 * DOLLAR)
    assert hand_over(state, VAULT, account)
    assert cash_of(state, account) == 0
    assert worth(state, HOUSE_VAULT) == CAPITAL - 50 * DOLLAR
    check_books(state)


def outside(ticks: int) -> np.ndarray:
    return np.array([ticks, 0, 0, 0], np.int64)


def hedged(share_ppm: int = 1_000_000) -> tuple[State, Hedge, HedgeRule]:
    """A vault that took 2 coins over when they stood at 9,693, worth 386 more than they cost."""
    state = venue_with_vault()
    account = customer(state, 1_000)
    open_position(state, account, 2 * BTC, 1_000_000)
    set_mark(state, 969_300)
    assert hand_over(state, VAULT, account)
    return state, open_hedge(state, [HOUSE_VAULT], [CAPITAL]), HedgeRule(500, share_ppm)


def test_a_hedge_elsewhere_locks_the_discount_in() -> None:
    state, hedge, rule = hedged()
    assert profits(state, hedge, outside(969_300)) == [386 * DOLLAR]
    lay_off(state, rule, hedge, outside(970_000))  # elsewhere it is 7 dollars dearer
    assert hedge.size[0, PERPETUAL] == -2 * BTC
    assert hedge.cost[0] == 9_700_000  # 5 basis points of 19,400
    locked = (386 - 9.7) * DOLLAR
    assert profits(state, hedge, outside(970_000)) == [round(locked)]
    set_mark(state, 800_000)
    assert profits(state, hedge, outside(800_700)) == [round(locked)]
    assert worth(state, HOUSE_VAULT) < CAPITAL - 2_000 * DOLLAR  # here alone it looks like a loss


def test_a_slow_hedge_carries_the_fall_in_between() -> None:
    state, hedge, rule = hedged(share_ppm=500_000)
    lay_off(state, rule, hedge, outside(969_300))
    assert hedge.size[0, PERPETUAL] == -BTC
    set_mark(state, 960_000)
    lay_off(state, rule, hedge, outside(960_000))
    assert hedge.size[0, PERPETUAL] == -3 * BTC // 2
    costs = 4_846_500 + 2_400_000
    assert profits(state, hedge, outside(960_000)) == [(386 - 93) * DOLLAR - costs]


def test_the_hedge_follows_when_the_position_is_sold() -> None:
    state, hedge, rule = hedged()
    lay_off(state, rule, hedge, outside(969_300))
    open_position(state, HOUSE_VAULT, -2 * BTC, 969_000)  # sold here, 3 dollars lower
    lay_off(state, rule, hedge, outside(969_000))
    assert hedge.size[0, PERPETUAL] == 0
    assert profits(state, hedge, outside(0)) == [386 * DOLLAR - int(hedge.cost[0])]
    check_books(state)
