"""Stage 4 of the waterfall: positions that nobody took are closed against winners, or paid for by them.

Holds the gathering of losers and winners into arrays, the call of an allocation policy, and the closes and
payments it asks for. Holds no ranking (`allocation`): any object with `name` and `allocate` will do.

A policy that closes positions leaves the loser with nothing. One that takes money collects what the loser is
short of, and the loser's fund takes the wallet over with it, so a loss is asked for once.

Units: lots, ticks, settlement units. Invariants: a loser's position and a winner's shrink by the same lots at
the same price; losers and winners are taken in a total order (account, then the policy's rank); nobody's
money leaves its own settlement asset; a close leaves no winner below zero.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.units import mul_div_floor
from undertow.venue.allocation.report import Report, report
from undertow.venue.allocation.winners import (
    Allocation,
    Need,
    Policy,
    Winners,
    allocate,
    scope_of,
    untouched,
)
from undertow.venue.integers import NOTHING, wide
from undertow.venue.ledger import free_if_empty, pay, tell
from undertow.venue.liquidation import fund_of
from undertow.venue.margin import SPOT, maintenance_parts, notional, position_value
from undertow.venue.matching import cancel_all
from undertow.venue.records import Cause, EventKind
from undertow.venue.state import COUNT_BANKRUPT, COUNT_HOLDINGS, STAGE_LIQUIDATING, State
from undertow.venue.takeover import close_between, cover, has_positions, sweep_flat, take_over, zero_price

ADL = int(Cause.ADL)
SOCIALISED_LOSS = int(Cause.SOCIALISED_LOSS)
EVENT_ADL = int(EventKind.ADL_CLOSE)
EVENT_SOCIALISED = int(EventKind.SOCIALISED_LOSS)
EVENT_BAD_DEBT = int(EventKind.BAD_DEBT)
EVENT_FUND_IN = int(EventKind.FUND_IN)
EVENT_FUND_OUT = int(EventKind.FUND_OUT)

LOSER = np.dtype(
    [
        ("account", np.int64),
        ("holding", np.int64),
        ("instrument", np.int64),
        ("size", np.int64),
        ("zero", np.int64),  # zero price
        ("price", np.int64),  # of the close
        ("deficit", np.int64),  # of the whole wallet, on its first row only
    ]
)

HOLDER = np.dtype(
    [
        ("account", np.int64),
        ("holding", np.int64),
        ("instrument", np.int64),
        ("size", np.int64),
        ("notional", np.int64),
        ("entry", np.int64),
        ("profit", np.int64),
        ("wallet", np.int64),
        ("equity", np.int64),
        ("maintenance", np.int64),
    ]
)


class BadDebt:
    """Ask nobody: the house keeps the wallet as it is, and the hole shows in its equity."""

    name = "bad-debt"

    def allocate(self, winners: Winners, need: Need) -> Allocation:
        """Touch no row."""
        return untouched(len(winners.account))


class ClosingRule(NamedTuple):
    """How stage 4 works at this venue."""

    policy: Policy
    price: str  # bankruptcy, previous-mark, zero-mix
    cancels_orders: bool  # the winner's open orders in the contract are withdrawn
    whole_or_nothing: int
    fund_first: bool  # money policies: the fund pays what it can before anybody is asked


@kernel
def collect_losers(state: State, out: NDArray[np.void]) -> int:
    """Every contract position of every wallet listed as bankrupt, in list order, with its zero price."""
    count = 0
    for position in range(state.counters[COUNT_BANKRUPT]):
        account = state.bankrupt[position]
        equity, maintenance, _gross = maintenance_parts(state, account)
        deficit = max(-equity, 0)
        holding = state.accounts[account].first_holding
        while holding >= 0:
            row = state.holdings[holding]
            if row.size != 0 and state.instruments[row.instrument].kind != SPOT:
                loser = out[count]
                loser.account = account
                loser.holding = holding
                loser.instrument = row.instrument
                loser.size = row.size
                loser.zero = zero_price(state, holding, equity, maintenance)
                loser.deficit = deficit
                deficit = 0
                count += 1
            holding = row.next
    return count


@kernel
def collect_holders(state: State, wanted: NDArray[np.int64], out: NDArray[np.void]) -> int:
    """Customers' positions on the wanted sides (bit 0 longs, bit 1 shorts, per instrument), in holding order.

    Wallets under liquidation are left out: they are losers themselves.
    """
    count = 0
    for holding in range(state.counters[COUNT_HOLDINGS]):
        row = state.holdings[holding]
        if row.account < 0 or row.size == 0:
            continue
        side_bit = 1 if row.size > 0 else 2
        if wanted[row.instrument] & side_bit == 0:
            continue
        owner = state.accounts[row.account]
        if owner.role != 0 or owner.stage == STAGE_LIQUIDATING:
            continue
        record = state.instruments[row.instrument]
        mark = state.markets[row.instrument].mark
        equity, maintenance, _gross = maintenance_parts(state, row.account)
        holder = out[count]
        holder.account = row.account
        holder.holding = holding
        holder.instrument = row.instrument
        holder.size = row.size
        holder.notional = notional(record.kind, record.unit, row.size, mark)
        holder.entry = abs(row.quote)
        holder.profit = position_value(record.kind, record.unit, row.size, mark) + row.quote
        holder.wallet = owner.cash
        holder.equity = equity
        holder.maintenance = maintenance
        count += 1
    return count


@kernel
def means_lots(record: Any, size: int, equity: int, mark: int, price: int) -> int:
    """Lots of a position of `size` that its holder can close at `price` and still be worth nothing or more.

    Two units are kept back, since an inverse position's value is rounded.
    """
    forgone = position_value(record.kind, record.unit, size, mark)
    forgone -= position_value(record.kind, record.unit, size, price)
    if forgone <= 0 or forgone <= equity - 2:
        return abs(size)
    return mul_div_floor(abs(size), max(equity - 2, 0), forgone)


@kernel
def limit_to_means(state: State, holders: NDArray[np.void], price: int) -> None:
    """Take each holder's size down to what it can close at `price`; sizes keep their sign, some become 0."""
    for position in range(len(holders)):
        holder = holders[position]
        record = state.instruments[holder.instrument]
        mark = state.markets[holder.instrument].mark
        lots = means_lots(record, holder.size, holder.equity, mark, price)
        holder.size = lots if holder.size > 0 else -lots


@kernel
def settle_closes(
    state: State, losers: NDArray[np.void], winners: NDArray[np.void], order: NDArray[np.int64],
    closes: NDArray[np.int64], cancels: int,
) -> int:  # fmt: skip
    """Close losers, in order, against winners in rank order. Returns the lots closed.

    A winner gives no more than leaves it at nothing; what then is left of a loser waits for the next step.
    """
    turn = 0
    given = 0
    closed = 0
    for position in range(len(losers)):
        loser = losers[position]
        while state.holdings[loser.holding].size != 0 and turn < len(order):
            winner = winners[order[turn]]
            left = closes[order[turn]] - given
            if left <= 0 or state.holdings[winner.holding].size == 0:
                turn += 1
                given = 0
                continue
            record = state.instruments[loser.instrument]
            mark = state.markets[loser.instrument].mark
            side = 1 if loser.size > 0 else -1
            equity, _maintenance, _gross = maintenance_parts(state, winner.account)
            lots = min(abs(state.holdings[loser.holding].size), left)
            lots = means_lots(record, -side * lots, equity, mark, loser.price)
            if lots == 0:
                turn += 1
                given = 0
                continue
            if given == 0 and cancels == 1:
                cancel_all(state, winner.account, winner.instrument)
            forgone = position_value(record.kind, record.unit, -side * lots, mark) - position_value(
                record.kind, record.unit, -side * lots, loser.price
            )
            who = (winner.account, loser.account)
            close_between(
                state, (loser.account, loser.holding), (winner.account, winner.holding), lots, loser.price
            )
            tell(state, EVENT_ADL, who, (loser.instrument, -side, lots, loser.price), forgone, mark)
            given += lots
            closed += lots
    for position in range(len(order)):
        free_if_empty(state, winners[order[position]].holding)
    return closed


@kernel
def finish_bankrupt(state: State, whole_or_nothing: int) -> None:
    """After the closes: what a wallet has left goes to its fund, which pays what it lacks if it can."""
    for position in range(state.counters[COUNT_BANKRUPT]):
        account = wide(state.bankrupt[position])
        sweep_flat(state, account)
        fund = fund_of(state, account)
        if not has_positions(state, account):
            cover(state, account, fund, whole_or_nothing)
            if state.accounts[account].cash == 0:
                state.accounts[account].stage = 0
        elif only_assets(state, account):
            take_over(state, account, fund)
    state.counters[COUNT_BANKRUPT] = 0


@kernel
def only_assets(state: State, account: int) -> bool:
    """Whether everything the wallet still holds is spot assets."""
    holding = state.accounts[account].first_holding
    while holding >= 0:
        row = state.holdings[holding]
        if row.size != 0 and state.instruments[row.instrument].kind != SPOT:
            return False
        holding = row.next
    return True


def close_price(rule: str, loser_zero: int, mark: int, previous_mark: int) -> int:
    """Price of a close: the zero price, the previous mark, or two thirds zero price and a third mark."""
    if rule == "previous-mark":
        return previous_mark
    if rule == "zero-mix":
        return (2 * loser_zero + mark) // 3
    return loser_zero


@kernel
def hand_over(state: State, policy_pays: int) -> None:
    """Give every listed wallet to its fund as it is; unless a policy pays for it, the hole is bad debt."""
    for position in range(state.counters[COUNT_BANKRUPT]):
        account = wide(state.bankrupt[position])
        fund = fund_of(state, account)
        equity = take_over(state, account, fund)
        kind = EVENT_FUND_IN if equity >= 0 else EVENT_FUND_OUT
        if equity < 0 and policy_pays == 0:
            kind = EVENT_BAD_DEBT
        tell(state, kind, (account, fund), NOTHING, abs(equity), 1)
    state.counters[COUNT_BANKRUPT] = 0


def close_bankrupt(state: State, rule: ClosingRule, seed: int, step: int) -> list[Report]:
    """Run stage 4 for the wallets listed this step. Returns one report per contract and side closed."""
    count = int(state.counters[COUNT_BANKRUPT])
    if count == 0:
        return []
    rows = int(state.counters[COUNT_HOLDINGS])
    losers = np.zeros(min(rows, 64 * count + 64), LOSER)
    losers = losers[: collect_losers(state, losers)]
    reports: list[Report] = []
    if isinstance(rule.policy, BadDebt):
        hand_over(state, 0)
        return reports
    takes_money = scope_of(rule.policy) != "opposing"
    if takes_money and rule.fund_first:
        _spend_funds(state, losers)
    reports += _close_groups(state, rule, losers, (seed, step))
    if takes_money:
        hand_over(state, 1)
    else:
        finish_bankrupt(state, rule.whole_or_nothing)
    return reports


def _close_groups(
    state: State, rule: ClosingRule, losers: NDArray[np.void], draw: tuple[int, int]
) -> list[Report]:
    """Close every contract and side. Winners are gathered once, as they stand before the first close."""
    if len(losers) == 0:
        return []
    both = scope_of(rule.policy) != "opposing"
    wanted = np.zeros(len(state.instruments), np.int64)
    for loser in losers:
        wanted[loser["instrument"]] |= 3 if both else (2 if loser["size"] > 0 else 1)
    holders = np.zeros(int(state.counters[COUNT_HOLDINGS]), HOLDER)
    holders = holders[: collect_holders(state, wanted, holders)]
    holders = holders[np.argsort(holders["account"], kind="stable")]
    reports: list[Report] = []
    for group in _groups(losers):
        chosen = losers[group]
        mine = holders["instrument"] == chosen["instrument"][0]
        if not both:
            mine &= (holders["size"] < 0) == (chosen["size"][0] > 0)
        reports += _close_group(state, rule, chosen, holders[mine], draw)
    return reports


def _spend_funds(state: State, losers: NDArray[np.void]) -> None:
    """Take off each loser's deficit what its fund still has, in order."""
    left: dict[int, int] = {}
    for loser in losers:
        if loser["deficit"]:
            fund = int(fund_of(state, int(loser["account"])))
            room = left.setdefault(fund, max(int(state.accounts[fund]["cash"]), 0))
            paid = min(room, int(loser["deficit"]))
            left[fund] = room - paid
            loser["deficit"] -= paid


def _groups(losers: NDArray[np.void]) -> list[NDArray[np.int64]]:
    """Rows of each (instrument, side), longs first, in instrument order; account order inside."""
    key = losers["instrument"] * 2 + (losers["size"] < 0)
    return [np.flatnonzero(key == value) for value in np.unique(key)]


def _close_group(
    state: State,
    rule: ClosingRule,
    losers: NDArray[np.void],
    holders: NDArray[np.void],
    draw: tuple[int, int],
) -> list[Report]:
    if len(holders) == 0:
        return []
    instrument = int(losers["instrument"][0])
    side = 1 if losers["size"][0] > 0 else -1
    scope = scope_of(rule.policy)
    market = state.markets[instrument]
    losers = losers.copy()
    for loser in losers:
        loser["price"] = close_price(
            rule.price, int(loser["zero"]), int(market["mark"]), int(market["previous_mark"])
        )
    need = Need(
        int(np.abs(losers["size"]).sum()), int(losers["deficit"].sum()), int(np.median(losers["price"]))
    )
    if scope != "opposing":
        need = need._replace(need_lots=0)
    else:
        holders = with_means(state, holders, need.price_ticks)
    if len(holders) == 0:
        return []
    winners = winners_of(state, instrument, holders, 0 if scope != "opposing" else -side, draw)
    allocation = allocate(rule.policy, winners, need)
    order = np.ascontiguousarray(allocation.order)
    closes = np.ascontiguousarray(allocation.close_lots)
    settle_closes(state, losers, holders, order, closes, int(rule.cancels_orders))
    _take_money(state, holders, allocation.take_micros, instrument)
    return [report(rule.policy.name, winners, need, allocation)]


def with_means(state: State, holders: NDArray[np.void], price: int) -> NDArray[np.void]:
    """The holders that can close something at a price, with what they can. A close bankrupts nobody."""
    limited = holders.copy()
    limit_to_means(state, limited, price)
    able: NDArray[np.void] = limited[limited["size"] != 0]
    return able


def winners_of(
    state: State, instrument: int, holders: NDArray[np.void], side: int, draw: tuple[int, int]
) -> Winners:
    """Holder rows as the arrays an allocation policy takes."""
    column = {name: np.ascontiguousarray(holders[name]) for name in HOLDER.names or ()}
    return Winners(
        column["account"],
        np.abs(column["size"]),
        column["notional"],
        column["entry"],
        column["profit"],
        column["wallet"],
        column["equity"],
        column["maintenance"],
        side,
        int(state.markets[instrument]["mark"]),
        int(state.instruments[instrument]["unit"]),
        draw[0] + instrument,
        draw[1],
    )


def _take_money(state: State, holders: NDArray[np.void], take: NDArray[np.int64], instrument: int) -> None:
    """Collect what a money policy takes into the contract's fund, which then takes the losers over."""
    fund = int(state.instruments[instrument]["fund"])
    for row in np.flatnonzero(take > 0):
        account, amount = int(holders["account"][row]), int(take[row])
        pay(state, account, fund, amount, SOCIALISED_LOSS, instrument)
        tell(state, EVENT_SOCIALISED, (account, fund), (instrument, 0, 0, 0), amount, 0)
