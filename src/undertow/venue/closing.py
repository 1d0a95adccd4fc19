"""Stage 4 of the waterfall: positions that nobody took are closed against winners, or paid for by them.

Holds the gathering of losers, the call of an allocation policy, and the closes and payments it asks for.
Holds no winners (`holders`, `ranking`) and no policy (`allocation`): any object with `name` and `allocate`
will do.

A policy that closes positions does so at the rulebook's price, and the loser pays its loss by it. One that
takes money pays what the loser is short of into its wallet, and positions are closed at the mark; where it
closes none, the loser's fund takes the wallet over. Under `fund-exhausted` the fund pays in first. So a loss
is asked for once: fund, winners and bad debt add up to it.

Units: lots, ticks, settlement units. Invariants: a loser's position and a winner's shrink by the same lots at
the same price; losers and winners are taken in a total order (account, then the policy's rank); nobody's
money leaves its own settlement asset; neither a close nor a payment leaves a winner below zero.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel
from undertow.venue.allocation.policy import RankedQueue
from undertow.venue.allocation.prorata import sum_of
from undertow.venue.allocation.report import Report, report
from undertow.venue.allocation.winners import (
    Allocation,
    Int64s,
    Need,
    Policy,
    Winners,
    scope_of,
    takes_money,
    untouched,
)
from undertow.venue.arenas import STAGE_LIST, check_list
from undertow.venue.holders import NO_LIMIT, Offer, Side, chosen, means_lots, whole_offers
from undertow.venue.integers import NOTHING, wide
from undertow.venue.ledger import free_if_empty, pay, tell
from undertow.venue.liquidation import fund_of, largest_position
from undertow.venue.margin import SPOT, maintenance_parts, position_value
from undertow.venue.matching import withdraw_orders
from undertow.venue.ranking import Ranking
from undertow.venue.records import Cause, EventKind
from undertow.venue.state import COUNT_BANKRUPT, COUNT_HOLDINGS, State
from undertow.venue.takeover import (
    absorb,
    close_between,
    cover,
    fund_means,
    has_positions,
    sweep_flat,
    zero_price,
)

INSURANCE_OUT = int(Cause.INSURANCE_OUT)
SOCIALISED_LOSS = int(Cause.SOCIALISED_LOSS)
CLAWBACK = int(Cause.CLAWBACK)
EVENT_ADL = int(EventKind.ADL_CLOSE)
EVENT_SOCIALISED = int(EventKind.SOCIALISED_LOSS)
EVENT_CLAWBACK = int(EventKind.CLAWBACK)
EVENT_EXHAUSTED = int(EventKind.FUND_EXHAUSTED)
EVENT_FUND_OUT = int(EventKind.FUND_OUT)

LOSER = np.dtype(
    [
        ("account", np.int64),
        ("holding", np.int64),
        ("instrument", np.int64),
        ("size", np.int64),
        ("zero", np.int64),  # zero price
        ("price", np.int64),  # of the close
        ("deficit", np.int64),  # of the whole wallet, on the row whose fund stands behind it
    ]
)


class BadDebt:
    """Ask nobody: the house keeps the wallet as it is, and the hole shows in its equity."""

    name = "bad-debt"

    def allocate(self, winners: Winners, need: Need) -> Allocation:
        """Touch no row."""
        return untouched(len(winners.account))


class Giving(NamedTuple):
    """The positions that give way, in rank order."""

    account: Int64s
    holding: Int64s
    lots: Int64s


class ClosingRule(NamedTuple):
    """How stage 4 works at this venue."""

    policy: Policy
    price: str  # bankruptcy, previous-mark, zero-mix
    cancels_orders: bool  # the winner's open orders in the contract are withdrawn
    whole_or_nothing: int
    fund_first: bool  # policies that take money: the fund pays what it can before anybody is asked


@kernel
def collect_losers(state: State, out: NDArray[np.void]) -> int:
    """Every contract position of every wallet listed as bankrupt, in list order, with its zero price."""
    count = 0
    for position in range(state.counters[COUNT_BANKRUPT]):
        count = collect_positions(state, wide(state.bankrupt[position]), out, count)
    return count


@kernel
def collect_positions(state: State, account: int, out: NDArray[np.void], count: int) -> int:
    """Add every contract position of a wallet, with its zero price. Returns how many there are now."""
    equity, maintenance, _gross = maintenance_parts(state, account)
    bearer = largest_position(state, account)
    state.behind[account] = fund_of(state, account)  # whatever is closed first, this one stands behind it
    holding = state.accounts[account].first_holding
    while holding >= 0:
        row = state.holdings[holding]
        if row.size != 0 and state.instruments[row.instrument].kind != SPOT:
            check_list(count, len(out), STAGE_LIST)
            loser = out[count]
            loser.account = account
            loser.holding = holding
            loser.instrument = row.instrument
            loser.size = row.size
            loser.zero = zero_price(state, holding, equity, maintenance)
            loser.deficit = max(-equity, 0) if holding == bearer else 0
            count += 1
        holding = row.next
    return count


@kernel
def settle_closes(state: State, losers: NDArray[np.void], giving: Giving, cancels: int) -> int:
    """Close losers, in order, against winners in rank order. Returns the lots closed.

    A winner gives no more than leaves it at nothing; what then is left of a loser waits for the next step.
    """
    turn = 0
    given = 0
    closed = 0
    for position in range(len(losers)):
        loser = losers[position]
        while state.holdings[loser.holding].size != 0 and turn < len(giving.account):
            account = giving.account[turn]
            holding = giving.holding[turn]
            left = giving.lots[turn] - given
            if left <= 0 or state.holdings[holding].size == 0:
                turn += 1
                given = 0
                continue
            record = state.instruments[loser.instrument]
            mark = state.markets[loser.instrument].mark
            side = 1 if loser.size > 0 else -1
            equity, _maintenance, _gross = maintenance_parts(state, account)
            lots = min(abs(state.holdings[loser.holding].size), left)
            lots = means_lots(record, -side * lots, equity, mark, loser.price)
            if lots == 0:
                turn += 1
                given = 0
                continue
            if given == 0 and cancels == 1:
                withdraw_orders(state, account, loser.instrument)
            forgone = position_value(record.kind, record.unit, -side * lots, mark) - position_value(
                record.kind, record.unit, -side * lots, loser.price
            )
            close_between(state, (loser.account, loser.holding), (account, holding), lots, loser.price)
            who = (account, loser.account)
            tell(state, EVENT_ADL, who, (loser.instrument, -side, lots, loser.price), forgone, mark)
            given += lots
            closed += lots
    for position in range(len(giving.holding)):
        free_if_empty(state, giving.holding[position])
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
            absorb(state, account, fund, 1, whole_or_nothing)
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


def close_prices(rule: str, zeros: Int64s, mark: int, previous_mark: int) -> Int64s:
    """Prices of closes: the zero prices, the previous mark, or two thirds zero price and a third mark."""
    if rule == "previous-mark":
        return np.full_like(zeros, previous_mark)
    if rule == "zero-mix":
        return (2 * zeros + mark) // 3
    return zeros


@kernel
def hand_over(state: State, fund_pays: int, whole_or_nothing: int) -> None:
    """Give every listed wallet to its fund as it is; `fund_pays` 0: whatever it is short of is bad debt."""
    for position in range(state.counters[COUNT_BANKRUPT]):
        account = wide(state.bankrupt[position])
        absorb(state, account, wide(fund_of(state, account)), fund_pays, whole_or_nothing)
    state.counters[COUNT_BANKRUPT] = 0


@kernel
def pay_from_funds(state: State, losers: NDArray[np.void], whole_or_nothing: int) -> None:
    """Pay into each loser's wallet what its fund can of the deficit, in order, and take it off the row."""
    for position in range(len(losers)):
        loser = losers[position]
        if loser.deficit <= 0:
            continue
        fund = wide(fund_of(state, wide(loser.account)))
        paid = min(wide(loser.deficit), wide(fund_means(state, fund)))
        if whole_or_nothing == 1 and paid < loser.deficit:
            paid = 0
        who = (wide(loser.account), fund)
        if paid > 0:
            pay(state, fund, loser.account, paid, INSURANCE_OUT, -1)
            tell(state, EVENT_FUND_OUT, who, NOTHING, paid, 0)
            loser.deficit -= paid
        if loser.deficit > 0:
            tell(state, EVENT_EXHAUSTED, who, NOTHING, loser.deficit, 0)


@kernel
def pay_losers(state: State, givers: Int64s, amounts: Int64s, losers: NDArray[np.void], cause: int) -> None:
    """Winners pay into the losers' wallets what each is asked for, in order, until no deficit is left.

    Nobody gives more than he is worth by now: an earlier contract may have asked him too.
    """
    turn = 0
    kind = EVENT_CLAWBACK if cause == CLAWBACK else EVENT_SOCIALISED
    for row in range(len(givers)):
        giver = givers[row]
        if amounts[row] <= 0:
            continue
        equity, _maintenance, _gross = maintenance_parts(state, giver)
        left = min(amounts[row], max(equity, 0))
        while left > 0 and turn < len(losers):
            loser = losers[turn]
            part = min(left, wide(loser.deficit))
            if part <= 0:
                turn += 1
                continue
            instrument = wide(loser.instrument)
            pay(state, giver, loser.account, part, cause, instrument)
            tell(state, kind, (wide(giver), wide(loser.account)), (instrument, 0, 0, 0), part, 0)
            loser.deficit -= part
            left -= part


def close_bankrupt(
    state: State, rule: ClosingRule, draw: tuple[int, int], ranking: Ranking | None
) -> list[Report]:
    """Run stage 4 for the wallets listed this step. `draw`: (seed, step), for policies that draw lots.

    With a `ranking`, policies that only rank are offered those who rank high; without, and for the others,
    everybody is gathered. Returns a report for each contract and side for which everybody was.
    """
    count = int(state.counters[COUNT_BANKRUPT])
    if count == 0:
        return []
    losers = np.zeros(min(int(state.counters[COUNT_HOLDINGS]), count * len(state.instruments)), LOSER)
    losers = losers[: collect_losers(state, losers)]
    if isinstance(rule.policy, BadDebt):
        hand_over(state, 0, 0)
        return []
    if takes_money(rule.policy) and rule.fund_first:
        pay_from_funds(state, losers, rule.whole_or_nothing)
    measured = _close_groups(state, rule, losers, draw, ranking)
    if scope_of(rule.policy) != "opposing":
        hand_over(state, 1, rule.whole_or_nothing)
    else:
        finish_bankrupt(state, rule.whole_or_nothing)
    return measured


def close_inventory(
    state: State, rule: ClosingRule, account: int, draw: tuple[int, int], ranking: Ranking | None
) -> list[Report]:
    """Close what a house account holds against winners, at the mark where the rulebook says zero price.

    Its money stays its own, and so does what nobody takes; a policy that closes no positions does nothing.
    """
    if isinstance(rule.policy, BadDebt) or scope_of(rule.policy) != "opposing":
        return []
    losers = np.zeros(len(state.instruments), LOSER)
    losers = losers[: collect_positions(state, account, losers, 0)]
    losers["zero"] = state.markets["mark"][losers["instrument"]]
    losers["deficit"] = 0
    measured = _close_groups(state, rule, losers, draw, ranking)
    sweep_flat(state, account)
    return measured


def _close_groups(
    state: State,
    rule: ClosingRule,
    losers: NDArray[np.void],
    draw: tuple[int, int],
    ranking: Ranking | None,
) -> list[Report]:
    """Close every contract and side. Winners are gathered once, as they stand before the first close."""
    if len(losers) == 0:
        return []
    groups = [priced(state, rule, losers[group]) for group in _groups(losers)]
    needs = [need_of(rule, group) for group in groups]
    sides = [side_of(rule, group, need) for group, need in zip(groups, needs, strict=True)]
    offered = offers(state, rule, sides, needs, (draw, ranking))
    measured: list[Report] = []
    for group, need, offer in zip(groups, needs, offered, strict=True):
        measured += _close_group(state, rule, group, need, offer)
    return measured


def _groups(losers: NDArray[np.void]) -> list[NDArray[np.int64]]:
    """Rows of each (instrument, side), longs first, in instrument order; account order inside."""
    key = losers["instrument"] * 2 + (losers["size"] < 0)
    return [np.flatnonzero(key == value) for value in np.unique(key)]


def offers(
    state: State,
    rule: ClosingRule,
    sides: list[Side],
    needs: list[Need],
    ways: tuple[tuple[int, int], Ranking | None],
) -> list[Offer]:
    """What the policy chooses from, for every side; `ways`: a draw, and a ranking if it may be used."""
    draw, ranking = ways
    if ranking is not None and isinstance(rule.policy, RankedQueue) and rule.policy.bounded:
        return ranking.offers(state, rule.policy.score, sides, needs)
    return whole_offers(state, sides, draw)


def priced(state: State, rule: ClosingRule, losers: NDArray[np.void]) -> NDArray[np.void]:
    """Losers of one contract and side with the price that each closes at: the mark where money is paid."""
    market = state.markets[int(losers["instrument"][0])]
    losers = losers.copy()
    mark, before = int(market["mark"]), int(market["previous_mark"])
    at_mark = takes_money(rule.policy)
    losers["price"] = mark if at_mark else close_prices(rule.price, losers["zero"], mark, before)
    return losers


def need_of(rule: ClosingRule, losers: NDArray[np.void]) -> Need:
    """What one contract and side asks of the other; a policy of a wider scope is asked for money only."""
    lots = int(np.abs(losers["size"]).sum()) if scope_of(rule.policy) == "opposing" else 0
    return Need(lots, sum_of(np.ascontiguousarray(losers["deficit"])), int(np.median(losers["price"])))


def side_of(rule: ClosingRule, losers: NDArray[np.void], need: Need) -> Side:
    """Whose positions are asked for. Nobody closes more than leaves him at nothing."""
    instrument = int(losers["instrument"][0])
    if scope_of(rule.policy) != "opposing":
        return Side(instrument, 0, NO_LIMIT)
    return Side(instrument, -1 if losers["size"][0] > 0 else 1, need.price_ticks)


def _within_means(winners: Winners) -> Winners:
    """The same winners with no more profit than they are worth: losses elsewhere have used up the rest."""
    return winners._replace(profit_micros=np.minimum(winners.profit_micros, winners.equity_micros))


def _close_group(
    state: State, rule: ClosingRule, losers: NDArray[np.void], need: Need, offer: Offer
) -> list[Report]:
    if len(offer.account) == 0:
        return []
    if takes_money(rule.policy) and offer.winners is not None:
        offer = offer._replace(winners=_within_means(offer.winners))
    allocation = chosen(rule.policy, offer, need)
    order = allocation.order
    giving = Giving(offer.account[order], offer.holding[order], allocation.close_lots[order])
    settle_closes(state, losers, giving, int(rule.cancels_orders))
    cause = CLAWBACK if scope_of(rule.policy) == "session" else SOCIALISED_LOSS
    pay_losers(state, offer.account, allocation.take_micros, losers, cause)
    if offer.winners is None:
        return []
    return [report(rule.policy.name, offer.winners, need, allocation)]
