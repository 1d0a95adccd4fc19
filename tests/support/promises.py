"""What every step of every rulebook must keep, as checks that name what they found.

What "nobody is left below maintenance" means depends on how fast a rulebook acts:

* one-shot: whoever was found is healthy, taken over, or closed out in the same step; only a halt, or a
  contract without any free customer on the other side, may leave a wallet behind.
* random-slices: a wallet may wait any number of seconds above zero. Below zero it waits only without
  auto-close, without a provider the fund can pay, or without anybody to close against.
* staged: a wallet above its share of maintenance keeps what the book did not take, and may rest in between.
  Below the share it waits only for a vault that takes no more; below zero for nobody on the other side.
* fillable-price: a wallet above zero waits for its turn; below zero only for nobody on the other side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from undertow.rulebook.model import Rulebook
from undertow.venue import danger_reference
from undertow.venue.audit import clearing_balance
from undertow.venue.engine import Drained, Engine
from undertow.venue.look import values_of
from undertow.venue.margin import worth
from undertow.venue.paced import StagedStage
from undertow.venue.records import EventKind, InstrumentKind, Role
from undertow.venue.state import (
    COUNT_ACCOUNTS,
    COUNT_BANKRUPT,
    COUNT_EVENTS,
    COUNT_FILLS,
    COUNT_HOLDINGS,
    COUNT_ORDERS,
    COUNT_POSTINGS,
    EXEMPT_BAD_DEBT,
    EXEMPT_NOT,
    EXEMPT_PRIVILEGE,
    LIQUIDATION_HALTED,
    STAGE_LIQUIDATING,
    State,
)
from undertow.venue.vault import within_limit

START = EventKind.LIQUIDATION_START
ORDER = EventKind.LIQUIDATION_ORDER
TAKEOVER = EventKind.TAKEOVER
AUTO_CLOSE = EventKind.AUTO_CLOSE
ADL = EventKind.ADL_CLOSE
EXHAUSTED = EventKind.FUND_EXHAUSTED
SPENT = 1_000  # settlement units: who has less cannot close anything at a price worse than the mark
MONEY = ("socialised", "clawback", "bad-debt")
TAKING = ("wealth-pro-rata", "water-filling", "leverage-pro-rata", "risk-aware-pro-rata", *MONEY[:2])
PAID_BY_WINNERS = (EventKind.SOCIALISED_LOSS, EventKind.CLAWBACK)


def check_books(engine: Engine) -> None:
    """Every sum is exact, clearing is empty, and no arena was written beyond its end."""
    engine.audit()
    for settlement in range(engine.settlements):
        assert clearing_balance(engine.state, settlement) == 0
    state = engine.state
    ends = {
        "fills": COUNT_FILLS,
        "postings": COUNT_POSTINGS,
        "events": COUNT_EVENTS,
        "holdings": COUNT_HOLDINGS,
        "orders": COUNT_ORDERS,
        "bankrupt": COUNT_BANKRUPT,
    }
    full = {name: int(state.counters[place]) for name, place in ends.items()}
    assert all(count <= len(getattr(state, name)) for name, count in full.items()), full


def losers_of(events: np.ndarray[Any, Any]) -> list[tuple[int, int]]:
    """(kind, account) of everything that was done to somebody by force, in order."""
    done = []
    for event in events:
        kind = int(event["kind"])
        if kind in (START, ORDER, TAKEOVER, AUTO_CLOSE, EXHAUSTED):
            done.append((kind, int(event["account"])))
        elif kind == ADL:
            done.append((kind, int(event["counterparty"])))
    return done


def check_only_candidates(log: Drained, below: list[int], state: State, halted: bool) -> None:
    """Nobody at or above maintenance was touched, and who is under liquidation was found in this step.

    `halted`: liquidation was, so those that it froze before stay frozen.
    """
    for event in log.events[log.events["kind"] == START]:
        equality = state.profiles["trigger_at_equality"][state.accounts["profile"][event["account"]]]
        assert event["amount"] - event["detail"] < equality, event
        assert state.accounts["order_count"][event["account"]] == 0, f"orders of {event['account']} rest on"
    customers = state.accounts["role"] < Role.HOUSE  # the vault may lose what it holds to winners too
    touched = {account for _kind, account in losers_of(log.events) if customers[account]}
    assert touched <= set(below), f"touched {sorted(touched - set(below))}, who were healthy"
    if not halted:
        exempt = state.accounts["exempt"] != EXEMPT_NOT  # bad debt, or a favour it was granted on the way
        frozen = np.flatnonzero((state.accounts["stage"] == STAGE_LIQUIDATING) & ~exempt).tolist()
        assert set(frozen) <= set(below), f"{sorted(set(frozen) - set(below))} are healthy and frozen"


def check_order_of_stages(log: Drained, rulebook: Rulebook, could_order: dict[int, bool]) -> None:
    """Orders were tried before a wallet passed on; a fund that comes first was asked before the winners.

    `could_order` says who held a contract in a market that was open when the step began. A position in its
    lowest tier is not sold under "tier-down".
    """
    liquidation, allocation = rulebook.liquidation, rulebook.allocation
    sold = liquidation.slicing != "tier-down"
    tried: set[int] = set()
    exhausted: set[int] = set()
    unlimited = rulebook.backstop.net_position_limit_ppm == 0
    for kind, account in losers_of(log.events):
        if kind == ORDER:
            tried.add(account)
        elif kind == EXHAUSTED:
            exhausted.add(account)
        elif kind in (TAKEOVER, ADL) and liquidation.pacing == "one-shot":
            assert account in tried or not could_order[account] or not sold, (
                f"{account} passed on without an order"
            )
            if kind == ADL and rulebook.backstop.kind == "fund" and unlimited:
                assert account in exhausted, f"{account} was closed against winners before the fund was asked"
    if allocation.policy in MONEY:
        assert not (log.events["kind"] == ADL).any()


def check_winners_survive(log: Drained, engine: Engine, below: list[int]) -> None:
    """Nobody who was healthy is left below zero by a close against him."""
    closed = {int(event["account"]) for event in log.events[log.events["kind"] == ADL]} - set(below)
    for account in sorted(closed):
        equity = int(values_of(engine.state, np.array([account], np.int64))[0, 0])
        assert equity >= 0, f"{account} is {equity} after it was closed against"


def check_halted_wait(log: Drained, rulebook: Rulebook, halted: set[int]) -> None:
    """Under one-shot a wallet with a contract in a halted market is neither taken over nor closed."""
    if rulebook.liquidation.pacing == "one-shot":
        passed = {account for kind, account in losers_of(log.events) if kind in (TAKEOVER, ADL)}
        assert not passed & halted, f"{sorted(passed & halted)} passed on though their market was halted"


def halted_holders(state: State) -> set[int]:
    """Customers who hold a contract in a market that is halted."""
    accounts = np.flatnonzero(state.accounts["role"][: state.counters[COUNT_ACCOUNTS]] == Role.CUSTOMER)
    return {
        account
        for account in accounts.tolist()
        if has_contracts(state, account) and not open_contracts(state, account)
    }


def check_fund_first(log: Drained, rulebook: Rulebook) -> None:
    """Under "fund-exhausted" nobody pays money for a wallet before its fund said that it cannot."""
    exhausted: set[int] = set()
    for event in log.events:
        kind = int(event["kind"])
        if kind == EXHAUSTED:
            exhausted.add(int(event["account"]))
        elif kind in PAID_BY_WINNERS and rulebook.allocation.trigger == "fund-exhausted":
            loser = int(event["counterparty"])
            assert loser in exhausted, f"winners paid for {loser} before its fund was asked"
    if rulebook.allocation.policy not in TAKING:
        assert not np.isin(log.events["kind"], PAID_BY_WINNERS).any()


def funds_of(engine: Engine) -> list[int]:
    """The insurance funds of everything listed."""
    return sorted({int(fund) for fund in engine.state.instruments["fund"][: len(engine.listings)]})


def check_funds_pay_what_they_can(log: Drained, engine: Engine) -> None:
    """No fund is worth less than nothing by what it paid: a hole it carries was told as bad debt."""
    state = engine.state
    for fund in funds_of(engine):
        mine = log.events[log.events["counterparty"] == fund]
        paid = mine[mine["kind"] == EventKind.FUND_OUT]["amount"].sum()
        if paid and not (mine["kind"] == EventKind.BAD_DEBT).any():
            assert worth(state, fund) >= 0, f"fund {fund} paid {paid} and is worth {worth(state, fund)}"


def check_nobody_below_zero(engine: Engine) -> None:
    """After a step a customer is worth nothing or more, or is favoured, marked, or still under liquidation.

    `check_nobody_left` says when the last may be.
    """
    state = engine.state
    customers = np.flatnonzero(state.accounts["role"][: state.counters[COUNT_ACCOUNTS]] == Role.CUSTOMER)
    equities = values_of(state, customers.astype(np.int64))[:, 0]
    for account in customers[equities < 0].tolist():
        owner = state.accounts[account]
        if owner["exempt"] == EXEMPT_BAD_DEBT:
            assert not has_contracts(state, account), f"{account} holds contracts and is marked"
        elif owner["cash"] + owner["credit_limit"] >= 0 and not has_contracts(state, account):
            continue
        elif owner["exempt"] != EXEMPT_PRIVILEGE and not state.counters[LIQUIDATION_HALTED]:
            assert owner["stage"] == STAGE_LIQUIDATING, f"{account} is below zero, unmarked and free"


def open_contracts(state: State, account: int) -> bool:
    """Whether a wallet holds a contract and none of those it holds is halted."""
    rows = danger_reference.holdings_of(state, account)
    halted = any(state.markets["halted"][row["instrument"]] for row in rows if row["size"] != 0)
    return has_contracts(state, account) and not halted


def has_contracts(state: State, account: int) -> bool:
    """Whether a wallet holds a contract."""
    rows = danger_reference.holdings_of(state, account)
    kinds = state.instruments["kind"]
    return any(row["size"] != 0 and kinds[row["instrument"]] != InstrumentKind.SPOT for row in rows)


def nobody_opposite(state: State, account: int) -> bool:
    """Whether some contract of the wallet has no free customer on the other side with anything to lose."""
    rows = state.holdings[: state.counters[COUNT_HOLDINGS]]
    rows = rows[(rows["account"] >= 0) & (rows["size"] != 0)]
    owners = state.accounts[rows["account"]]
    free = rows[(owners["role"] == Role.CUSTOMER) & (owners["stage"] != STAGE_LIQUIDATING)]
    for row in danger_reference.holdings_of(state, account):
        if row["size"] == 0 or state.instruments["kind"][row["instrument"]] == InstrumentKind.SPOT:
            continue
        others = free[free["instrument"] == row["instrument"]]
        others = others["account"][(others["size"] > 0) != (row["size"] > 0)].astype(np.int64)
        if len(others) == 0 or values_of(state, others)[:, 0].sum() < SPENT:
            return True
    return False


def may_wait(engine: Engine, rulebook: Rulebook, account: int, equity: int, maintenance: int) -> bool:
    """Whether the rulebook lets a wallet that was found stay below maintenance; see the top of this file."""
    state, pacing = engine.state, rulebook.liquidation.pacing
    if pacing != "one-shot" and equity >= 0:
        elsewhere = state.accounts["settlement"][account] != 0  # the vault is in the first settlement asset
        if pacing != "staged" or rulebook.backstop.kind != "vault" or elsewhere:
            return True
        below_share = 3 * equity < 2 * maintenance
        return not below_share or not takes_more(engine)
    if pacing == "random-slices" and not rulebook.backstop.overflow_to_allocation:
        return True
    return nobody_opposite(state, account)


def takes_more(engine: Engine) -> bool:
    """Whether the vault has not yet lost more than its limit."""
    stage = engine.liquidate
    return isinstance(stage, StagedStage) and bool(within_limit(engine.state, stage.vault))


def is_halted(state: State) -> bool:
    """Whether liquidation, or trading in some market, is halted."""
    return bool(state.counters[LIQUIDATION_HALTED] or state.markets["halted"].any())


def check_nobody_left(engine: Engine, rulebook: Rulebook, below: list[int]) -> None:
    """Whoever was found in a step without a halt and is still below maintenance may wait."""
    state = engine.state
    values = values_of(state, np.array(below, np.int64))
    for account, (equity, maintenance, _gross) in zip(below, values.tolist(), strict=True):
        owner = state.accounts[account]
        if owner["exempt"] or danger_reference.health(state, account) >= 0:
            continue
        if not has_contracts(state, account) and owner["cash"] + owner["credit_limit"] >= 0:
            continue
        assert owner["stage"] == STAGE_LIQUIDATING, f"{account} was left alone below maintenance"
        assert may_wait(engine, rulebook, account, equity, maintenance), (
            f"{account} was left below maintenance: equity {equity}, maintenance {maintenance}"
        )
