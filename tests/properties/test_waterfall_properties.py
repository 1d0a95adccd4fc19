"""Every money flow of the waterfall under any rulebook: who pays what, in which order, and never too much.

A gap leaves wallets below zero in one step, in front of winners, a fund with some money and a book with few
bids. Each example is one rulebook: a preset, a pacing, a backstop, a policy, drawn as in the venue machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.calls import watch_danger
from support.promises import (
    PAID_BY_WINNERS,
    TAKING,
    check_books,
    check_fund_first,
    check_funds_pay_what_they_can,
    check_halted_wait,
    check_nobody_below_zero,
    check_only_candidates,
    check_order_of_stages,
    check_winners_survive,
    funds_of,
    halted_holders,
    is_halted,
    open_contracts,
)
from support.rulebooks import every_policy, rulebooks
from undertow.rulebook.load import load_rulebook, preset_names, with_overrides
from undertow.rulebook.model import Rulebook
from undertow.venue import engine as engine_module
from undertow.venue.engine import Drained
from undertow.venue.facade import Venue
from undertow.venue.ledger import deposit
from undertow.venue.liquidation import fund_of
from undertow.venue.look import values_of
from undertow.venue.records import EventKind
from undertow.venue.state import COUNT_ACCOUNTS, COUNT_BANKRUPT, COUNT_EVENTS, State
from undertow.venue.takeover import fund_means

PACINGS = ["one-shot", "random-slices", "staged", "fillable-price"]
PRICE = 100
SIZES = [3, 10, 40, 120]
GAPS = [-45, -30, -12, -7, -3, 4, 8, 14, 35, 60]  # per cent


def opened(preset: str, changes: dict[str, Any], fund: int, decimals: int) -> Venue:
    """A venue with two contracts, one behind a fund of its own, and the backstop's means."""
    rulebook = load_rulebook(preset)
    own = rulebook.margin.default
    wanted = {**changes, "insurance.isolated_funds": [own]}
    rulebook = with_overrides(rulebook, wanted)
    venue = Venue(rulebook, settlements={rulebook.settlement: decimals}, seed=3)
    classes = list(rulebook.margin.classes)
    other = next((name for name in classes if name != own), own)
    for name, family in (("OWN-PERP", own), ("SHARED-PERP", other)):
        venue.list_perpetual(name, tick="0.01", lot="1", price=str(PRICE), margin_class=family)
    kind = rulebook.backstop.kind
    if kind == "providers":
        venue.open_backstop("3000", providers=2)
        for name in ("OWN-PERP", "SHARED-PERP"):
            venue.set_daily_volume(name, "500")
    elif kind == "vault":
        venue.open_backstop()
    for account in funds_of(venue.engine):
        if fund:
            venue.deposit(account, rulebook.settlement, str(fund))
    return venue


Choose = Callable[[Sequence[Any]], Any]


class Crash:
    """Customers with positions at twenty times their money, and what happens to them."""

    def __init__(self, venue: Venue, choose: Choose) -> None:
        self.venue, self.choose = venue, choose
        self.inverse = venue.rulebook.contract == "inverse"
        self.below = watch_danger(venue.engine, value=False)
        names = ["OWN-PERP", "SHARED-PERP"]
        profile = next(iter(venue.rulebook.profiles))
        self.customers = [venue.open_account(profile) for _ in range(6)]
        maker = venue.open_account(profile)
        self.maker = maker
        venue.deposit(maker, venue.rulebook.settlement, "1000000")
        for account in self.customers:
            name = choose(names)
            size = choose(SIZES)
            side = choose(["buy", "sell"])
            against = choose([maker, *self.customers])
            self.trade(account, against if against != account else maker, name, size, side)
        for account in self.customers:
            self.level(account, choose(["0.011", "0.03", "0.11", "0.5"]))
        if choose([True, False]):
            account = choose(self.customers)
            venue.set_privileges(account, exempt=True)

    def trade(self, account: int, against: int, name: str, size: int, side: str) -> None:
        """A trade at the start price, with money enough for both while it is made."""
        venue = self.venue
        for who in (account, against):
            venue.deposit(who, venue.rulebook.settlement, "100000")
        other = "sell" if side == "buy" else "buy"
        assert venue.place(against, name, side=other, size=size, price=PRICE).accepted
        assert venue.place(account, name, side=side, size=size, price=PRICE).filled == size

    def level(self, account: int, share: str) -> None:
        """Leave the account with that share of its notional, and a little."""
        view = self.venue.account(account)
        wanted = view.notional * Decimal(share) + (0 if self.inverse else 1)
        spare = view.cash - wanted
        state = self.venue.engine.state
        if spare > 0:  # as if withdrawn long ago, when less was asked
            units = int(spare * int(state.unit_scale[0]))
            deposit(state, account, -units)

    def quote(self, price: Decimal, name: str) -> None:
        """A few bids and offers, or none."""
        for side, away in (("buy", -1), ("sell", 1)):
            size = self.choose([0, 5, 60])
            at = max(price * (100 + away * self.choose([0, 1, 8])) / 100, Decimal("0.01"))
            if size:
                self.venue.place(self.maker, name, side=side, size=size, price=at.quantize(Decimal("0.01")))

    def step(self) -> Drained:
        """A second, and everything that must hold after it."""
        venue, engine = self.venue, self.venue.engine
        state = engine.state
        count = int(state.counters[COUNT_ACCOUNTS])
        halted = is_halted(state)
        could_order = {account: open_contracts(state, account) for account in range(count)}
        stuck = halted_holders(state)
        engine.drain()
        with closings() as seen:
            venue.step()
        for closing in seen:
            check_adds_up(closing, self.inverse)
            check_winners_pay_the_rest(closing, venue.rulebook)
        log = engine.drain()
        check_books(engine)
        check_only_candidates(log, self.below, state, halted)
        check_winners_survive(log, engine, self.below)
        check_order_of_stages(log, venue.rulebook, could_order)
        check_halted_wait(log, venue.rulebook, stuck)
        check_fund_first(log, venue.rulebook)
        check_funds_pay_what_they_can(log, engine)
        check_nobody_below_zero(engine)
        return log


class Closing(NamedTuple):
    """What `close_bankrupt` found and left: equity and means of every account, and what it told."""

    losers: list[int]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    means: dict[int, int]
    funds: dict[int, int]
    events: NDArray[np.void]


def equities(state: State) -> NDArray[np.int64]:
    """Of every account, at the marks."""
    accounts = np.arange(int(state.counters[COUNT_ACCOUNTS]), dtype=np.int64)
    return values_of(state, accounts)[:, 0].copy()


@contextmanager
def closings() -> Iterator[list[Closing]]:
    """Everything that stage 4 does meanwhile."""
    seen: list[Closing] = []
    inner = engine_module.close_bankrupt

    def watched(state: State, *rest: Any) -> Any:
        losers = state.bankrupt[: state.counters[COUNT_BANKRUPT]].tolist()
        first = int(state.counters[COUNT_EVENTS])
        before = equities(state)
        funds = {loser: int(fund_of(state, loser)) for loser in losers}
        means = {loser: int(fund_means(state, fund)) for loser, fund in funds.items()}
        reports = inner(state, *rest)
        events = state.events[first : state.counters[COUNT_EVENTS]].copy()
        seen.append(Closing(losers, before, equities(state), means, funds, events))
        return reports

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_module, "close_bankrupt", watched)
        yield seen


def told(closing: Closing, kinds: tuple[EventKind, ...], column: str, account: int) -> int:
    """Sum of what events of these kinds say of an account."""
    events = closing.events
    return int(events["amount"][np.isin(events["kind"], kinds) & (events[column] == account)].sum())


def check_adds_up(closing: Closing, inverse: bool) -> None:
    """Of every loser: fund, winners, the closes and bad debt add up to what it was short of, to the unit."""
    assert len(set(closing.losers)) == len(closing.losers), "a wallet was listed twice"
    for loser in closing.losers:
        lost = -int(closing.before[loser])
        borne = told(closing, (EventKind.FUND_OUT,), "account", loser)
        borne -= told(closing, (EventKind.FUND_IN,), "account", loser)
        borne += told(closing, PAID_BY_WINNERS, "counterparty", loser)
        borne += told(closing, (EventKind.ADL_CLOSE,), "counterparty", loser)
        events = closing.events[closing.events["account"] == loser]
        asked = events[np.isin(events["kind"], (EventKind.FUND_OUT, EventKind.FUND_IN, EventKind.BAD_DEBT))]
        assert set(asked["counterparty"].tolist()) <= {closing.funds[loser]}, "another fund was asked"
        carried = events[(events["kind"] == EventKind.BAD_DEBT) & (events["detail"] == 1)]
        borne += int(carried["amount"].sum())
        still = -int(closing.after[loser])
        assert abs(lost - borne - still) <= (64 if inverse else 0), f"{loser}: {lost} = {borne} + {still}?"
    if not inverse:
        assert int(closing.before.sum()) == int(closing.after.sum())


def check_winners_pay_the_rest(closing: Closing, rulebook: Rulebook) -> None:
    """Where money is taken: nothing by the closes, and only the rest if the fund comes first."""
    policy, trigger = rulebook.allocation.policy, rulebook.allocation.trigger
    if policy not in TAKING:
        return
    for loser in closing.losers:
        lost = max(-int(closing.before[loser]), 0)
        taken = told(closing, PAID_BY_WINNERS, "counterparty", loser)
        assert taken <= lost
        if trigger == "fund-exhausted" and len(closing.losers) == 1:
            paid = min(lost, closing.means[loser])
            if rulebook.insurance.cover == "whole-or-nothing" and paid < lost:
                paid = 0
            assert taken <= lost - paid, (
                f"winners paid {taken} of {lost}, the fund had {closing.means[loser]}"
            )
    for account in range(len(closing.before)):
        given = told(closing, PAID_BY_WINNERS, "account", account)
        assert given <= max(int(closing.before[account]), 0)


def play(venue: Venue, choose: Choose) -> None:
    """Some seconds of gaps, up or down, of one contract or both."""
    crash = Crash(venue, choose)
    before = venue.audit()
    price = Decimal(PRICE)
    for _ in range(choose([1, 2, 3, 4])):
        names = choose([("OWN-PERP",), ("OWN-PERP", "SHARED-PERP")])
        price = (price * (100 + choose(GAPS)) / 100).quantize(Decimal("0.01"))
        price = min(max(price, Decimal(1)), Decimal(350))
        for name in names:
            crash.quote(price, name)
            venue.set_index(name, str(price))
        crash.step()
        if choose([True, False]):
            crash.step()
    assert venue.audit() == before


@pytest.mark.parametrize("pacing", PACINGS)
@given(data=st.data())
def test_who_pays_what_adds_up_and_nobody_pays_too_much(pacing: str, data: st.DataObject) -> None:
    preset, changes = data.draw(rulebooks(pacing))
    fund = data.draw(st.sampled_from([0, 1, 60, 2_000, 1_000_000]))
    venue = opened(preset, changes, fund, data.draw(st.sampled_from([6, 8])))
    play(venue, lambda options: data.draw(st.sampled_from(options)))


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_keeps_it_under_every_policy_and_pacing(preset: str) -> None:
    """The whole table, with one crash each."""
    draw = np.random.default_rng(5)
    for pacing in PACINGS:
        for changes in every_policy(pacing):
            venue = opened(preset, changes, int(draw.choice([0, 60, 2_000])), 6)
            play(venue, lambda options: options[int(draw.integers(len(options)))])
