"""Random rulebooks, commands and prices: after every step the books balance and every promise is kept.

A failure prints the calls that lead to it as a program. The nightly test runs ten thousand steps.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import wraps
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from support.calls import Calls, cash_by_postings
from support.promises import (
    check_books,
    check_fund_first,
    check_funds_pay_what_they_can,
    check_halted_wait,
    check_nobody_below_zero,
    check_nobody_left,
    check_only_candidates,
    check_order_of_stages,
    check_winners_survive,
    halted_holders,
    is_halted,
    open_contracts,
)
from support.rulebooks import rulebooks
from undertow.venue.state import COUNT_ACCOUNTS

# name, tick, lot, first price, lots that trade at a time
MARKETS = [
    ("BTC-PERP", "0.5", "0.01", "10000", 20),
    ("ALT-PERP", "0.001", "1", "2", 1500),
    ("ETH", "0.1", "0.01", "2000", 50),
    ("BTC-COIN", "0.5", "10", "10000", 200),
]
MOVES = [-250, -120, -60, -20, -9, -4, 4, 9, 20, 60, 120, 300]  # thousandths
CASH = ["500", "2000", "6000"]
LEVERAGES = [8, 20, 40]
Method = TypeVar("Method", bound=Callable[..., Any])


def told(method: Method) -> Method:
    """Have a failed assertion say which calls lead to it."""

    @wraps(method)
    def wrapped(self: VenueMachine, *args: Any, **keywords: Any) -> None:
        try:
            method(self, *args, **keywords)
        except Exception as error:
            if self.calls is not None:
                error.add_note(f"the calls that lead here:\n\n{self.calls.script()}\n")
            raise

    return wrapped  # type: ignore[return-value]


class VenueMachine(RuleBasedStateMachine):
    """Customers, a maker and a house under a random rulebook."""

    pacing = ""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Calls = None  # type: ignore[assignment]

    @initialize(fund=st.sampled_from(["0", "300", "100000"]), data=st.data())
    @told
    def open_venue(self, fund: str, data: st.DataObject) -> None:
        """List, open, fund, quote, and let everybody lever up."""
        preset, changes = data.draw(rulebooks(self.pacing))
        coin_settled = preset == "bitmex-2020"
        wallets = {"XBT": 8} if coin_settled else {"USD": 6, "COIN": 8}
        self.calls = Calls(preset, changes, settlements=wallets, instruments=4)
        self.markets = MARKETS[3:] if coin_settled else MARKETS
        self.cash, self.coin = next(iter(wallets)), list(wallets)[-1]
        for name, tick, lot, price, _size in self.markets:
            if name == "ETH":
                self.calls("list_asset", name, tick, lot, price=price)
            else:
                inverse = name == "BTC-COIN"
                settlement = self.coin if inverse else self.cash
                self.calls(
                    "list_perpetual", name, tick, lot, price=price, inverse=inverse, settlement=settlement
                )
        self.marks = {name: Decimal(price) for name, _tick, _lot, price, _size in self.markets}
        self.accounts: list[int] = []
        self.wallet: dict[int, str] = {}
        profiles = list(self.calls.rulebook.profiles)
        for number in range(4):
            self.open(self.cash, data.draw(st.sampled_from(profiles)), data.draw(st.sampled_from(CASH)))
            if number < 2 or coin_settled:
                self.open(self.coin, profiles[0], data.draw(st.sampled_from(CASH)))
        self.customers = tuple(self.accounts)
        self.maker = {self.cash: self.open(self.cash, profiles[0], "10000000")}
        self.maker.setdefault(self.coin, self.open(self.coin, profiles[0], "10000000"))
        self.give_means(fund)
        for name, *_rest in self.markets:
            self.quote(name)
        for number, account in enumerate(self.customers):
            where, leverage = data.draw(st.integers(0, 3)), data.draw(st.sampled_from(LEVERAGES))
            self.trade(account, where, number % 2 == 0, leverage)
            name = self.market(where, account)
            if name is not None and name != "ETH":
                lot = next(lot for market, _tick, lot, *_rest in self.markets if market == name)
                self.calls("place", account, name, side="buy", size=lot, price=self.price_at(name, -50))
        self.owed = self.balances()
        self.calls.venue.engine.drain()
        self.calls.twin.engine.drain()

    def open(self, settlement: str, profile: str, cash: str) -> int:
        """An account with cash; a coin counts for ten thousand dollars."""
        account = int(self.calls("open_account", profile, settlement))
        self.accounts.append(account)
        self.wallet[account] = settlement
        amount = str(Decimal(cash) / 10_000) if settlement in ("COIN", "XBT") else cash
        self.calls("deposit", account, settlement, amount)
        return account

    def give_means(self, fund: str) -> None:
        """Cash for the fund, and for the backstop if there is one."""
        settled = {self.cash, self.coin}
        if Decimal(fund):
            for settlement in sorted(settled):
                amount = str(Decimal(fund) / 10_000) if settlement in ("COIN", "XBT") else fund
                self.calls("deposit", self.calls.venue.house("fund", settlement), settlement, amount)
        kind = self.calls.rulebook.backstop.kind
        if kind == "providers":
            self.calls("open_backstop", "50000", providers=2)
            for name, *_rest, size in self.markets:
                if name != "ETH":
                    self.calls("set_daily_volume", name, str(size * 100))
        elif kind == "vault":
            self.calls("open_backstop")

    def balances(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Cash of every account."""
        state = self.calls.venue.engine.state
        return state.accounts["cash"][: state.counters[COUNT_ACCOUNTS]].copy()

    def price_at(self, name: str, thousandths: int) -> Decimal:
        """A price so far from the last index, on the grid."""
        tick = Decimal(next(tick for market, tick, *_rest in self.markets if market == name))
        ticks = int(self.marks[name] * (1000 + thousandths) / 1000 / tick)
        highest = int(4 * Decimal(next(row[3] for row in self.markets if row[0] == name)) / tick) - 1
        return max(min(ticks, highest), 1) * tick

    def size_of(self, name: str, parts: int) -> str:
        """So many times a tenth of what trades at a time."""
        _name, _tick, lot, _price, lots = next(row for row in self.markets if row[0] == name)
        return str(Decimal(lot) * max(1, lots * parts // 10))

    def quote(self, name: str) -> None:
        """The maker takes its quotes away and sets new ones around the index."""
        maker = self.maker[self.coin if name == "BTC-COIN" else self.cash]
        self.calls("cancel_all", maker, name)
        if name == "ETH":
            self.calls("deposit", maker, "ETH", "100")
        for side, away in (("buy", -5), ("buy", -40), ("sell", 5), ("sell", 40)):
            self.calls(
                "place", maker, name, side=side, size=self.size_of(name, 20), price=self.price_at(name, away)
            )

    def account(self, number: int) -> int:
        """One of the customers."""
        return self.customers[number % len(self.customers)]

    def market(self, number: int, account: int) -> str | None:
        """A market that the account's wallet settles, if there is one."""
        coin = self.wallet[account] in ("COIN", "XBT")
        names = [name for name, *_rest in self.markets if (name == "BTC-COIN") == coin]
        return names[number % len(names)] if names else None

    @rule(
        who=st.integers(0, 9),
        where=st.integers(0, 3),
        side=st.sampled_from(["buy", "sell"]),
        parts=st.integers(1, 40),
        away=st.sampled_from([None, -60, -10, 0, 10, 60]),
        how=st.sampled_from(["good-till-cancelled", "immediate-or-cancel", "fill-or-kill", "post-only"]),
        reduce_only=st.sampled_from([False, False, False, True]),
    )
    @told
    def order(
        self, who: int, where: int, side: str, parts: int, away: int | None, how: str, reduce_only: bool
    ) -> None:
        """An order of any kind, near the index or at market."""
        account = self.account(who)
        name = self.market(where, account)
        if name is None:
            return
        price = None if away is None else self.price_at(name, away)
        size = self.size_of(name, parts)
        self.calls(
            "place",
            account,
            name,
            side=side,
            size=size,
            price=price,
            time_in_force=how,
            reduce_only=reduce_only,
        )

    @rule(
        who=st.integers(0, 9),
        where=st.integers(0, 3),
        buy=st.booleans(),
        leverage=st.sampled_from(LEVERAGES),
    )
    @told
    def lever_up(self, who: int, where: int, buy: bool, leverage: int) -> None:
        """A trade with the maker at the index, as large as leverage and margin allow."""
        self.trade(self.account(who), where, buy, leverage)

    def trade(self, account: int, where: int, buy: bool, leverage: int) -> None:
        """The account trades with the maker; a size that is refused is halved."""
        name = self.market(where, account)
        if name is None:
            return
        _name, _tick, lot, _price, _lots = next(row for row in self.markets if row[0] == name)
        maker, price = self.maker[self.wallet[account]], self.price_at(name, 0)
        equity = max(self.calls.venue.account(account).equity, Decimal(0))
        worth = equity * leverage * (price if name == "BTC-COIN" else 1)
        lots = int(worth / (Decimal(lot) * (1 if name == "BTC-COIN" else price)))
        mine, theirs = ("buy", "sell") if buy else ("sell", "buy")
        while lots > 0:
            size = str(Decimal(lot) * lots)
            rests = self.calls("place", maker, name, side=theirs, size=size, price=price)
            taken = self.calls("place", account, name, side=mine, size=size, price=price)
            if rests.order is not None:
                self.calls("cancel", maker, rests.order)
            if taken.code != "insufficient-margin":
                return
            lots //= 2

    def holder(self, who: int) -> tuple[int, str, Decimal] | None:
        """Somebody with a contract, which, and how much of it."""
        for number in range(len(self.customers)):
            account = self.account(who + number)
            for row in self.calls.venue.account(account).holdings:
                if row.instrument != "ETH" and row.size:
                    return account, row.instrument, row.size
        return None

    @rule(who=st.integers(0, 9), at_market=st.booleans())
    @told
    def reduce(self, who: int, at_market: bool) -> None:
        """A reduce-only order over three times the position never leaves one on the other side."""
        found = self.holder(who)
        if found is None:
            return
        account, name, size = found
        self.calls(
            "place",
            account,
            name,
            side="sell" if size > 0 else "buy",
            size=str(3 * abs(size)),
            price=None if at_market else self.price_at(name, -50 if size > 0 else 50),
            reduce_only=True,
        )
        after = self.calls.venue.account(account).holding(name)
        assert after is None or (after.size * size >= 0 and abs(after.size) <= abs(size))

    @rule(which=st.integers(0, 9), where=st.integers(0, 3))
    @told
    def act_while_frozen(self, which: int, where: int) -> None:
        """An account under liquidation may act only where the rulebook does not freeze it."""
        frozen = [who for who in self.customers if self.calls.venue.account(who).stage == "liquidating"]
        if not frozen:
            return
        account = frozen[which % len(frozen)]
        name = self.market(where, account)
        if name is not None:
            size, price = self.size_of(name, 1), self.price_at(name, -30)
            answer = self.calls("place", account, name, side="buy", size=size, price=price)
            assert (answer.code == "account-frozen") == self.calls.rulebook.orders.freeze_on_liquidation
        assert self.calls("withdraw", account, self.wallet[account], "0.00001").code == "account-frozen"

    @rule(who=st.integers(0, 9), which=st.integers(0, 5), parts=st.integers(1, 30), away=st.integers(-20, 20))
    @told
    def change_an_order(self, who: int, which: int, parts: int, away: int) -> None:
        """Cancel or amend an order of the account, or of somebody else."""
        account = self.account(who)
        orders = self.calls.venue.account(self.account(which)).orders
        if not orders:
            self.calls("cancel_all", account)
            return
        order = orders[which % len(orders)]
        if parts % 3 == 0:
            self.calls("cancel", account, order.order)
        else:
            size, price = self.size_of(order.instrument, parts), self.price_at(order.instrument, away)
            self.calls("amend", account, order.order, size=size, price=price)

    @rule(who=st.integers(0, 9), amount=st.sampled_from(["1", "700", "5000"]), out=st.booleans())
    @told
    def move_cash(self, who: int, amount: str, out: bool) -> None:
        """A deposit or a withdrawal, which leaves nobody without favours in danger."""
        account = self.account(who)
        wallet = self.wallet[account]
        units = str(Decimal(amount) / 10_000) if wallet in ("COIN", "XBT") else amount
        done = self.calls("withdraw" if out else "deposit", account, wallet, units)
        favoured = self.calls.venue.engine.state.accounts["credit_limit"][account] > 0
        if out and done.accepted and not favoured:
            assert not self.calls.venue.account(account).liquidatable

    @precondition(lambda self: len(self.markets) > 1)
    @rule(who=st.integers(0, 9), amount=st.sampled_from(["0.01", "0.5", "3"]), out=st.booleans())
    @told
    def move_asset(self, who: int, amount: str, out: bool) -> None:
        """An asset comes or goes."""
        account = self.account(who)
        if self.wallet[account] == self.cash:
            self.calls("withdraw" if out else "deposit", account, "ETH", amount)

    @rule(who=st.integers(0, 9), exempt=st.booleans(), credit=st.sampled_from([None, "0", "0.05"]))
    @told
    def favour(self, who: int, exempt: bool, credit: str | None) -> None:
        """Favours come and go, mostly go."""
        self.calls("set_privileges", self.account(who), credit_limit=credit, exempt=exempt and who == 0)

    @rule(where=st.integers(0, 7), move=st.sampled_from(MOVES), quoted=st.booleans())
    @told
    def price_moves(self, where: int, move: int, quoted: bool) -> None:
        """One index moves, or all, the maker follows or does not, and a second passes."""
        names = [name for name, *_rest in self.markets]
        for name in names if where > 3 else names[where % len(names) :][:1]:
            self.marks[name] = self.price_at(name, move)
            self.calls("set_index", name, self.marks[name])
            if quoted:
                self.quote(name)
        self.step()

    @rule()
    @told
    def prices_come_back(self) -> None:
        """Every index is again where it began."""
        for name, _tick, _lot, price, _size in self.markets:
            self.marks[name] = Decimal(price)
            self.calls("set_index", name, price)
            self.quote(name)
        self.step()

    @rule(seconds=st.integers(1, 3))
    @told
    def wait(self, seconds: int) -> None:
        """Seconds pass."""
        for _ in range(seconds):
            self.step()

    @rule()
    @told
    def come_back(self) -> None:
        """A snapshot and the way back to it change nothing."""
        venue = self.calls.venue
        before = venue.state_hash()
        venue.restore(venue.snapshot())
        assert venue.state_hash() == before

    def step(self) -> None:
        """One second, and everything that must hold after it."""
        calls = self.calls
        engine, state = calls.venue.engine, calls.venue.engine.state
        halted, stuck = is_halted(state), halted_holders(state)
        count = int(state.counters[COUNT_ACCOUNTS])
        could_order = {account: open_contracts(state, account) for account in range(count)}
        log = calls.step()
        check_books(engine)
        self.owed += cash_by_postings(log, len(self.owed))
        assert (self.owed == self.balances()).all(), "cash moved without a posting"
        check_only_candidates(log, calls.below, state, halted)
        check_winners_survive(log, engine, calls.below)
        check_order_of_stages(log, calls.rulebook, could_order)
        check_halted_wait(log, calls.rulebook, stuck)
        check_fund_first(log, calls.rulebook)
        check_funds_pay_what_they_can(log, engine)
        check_nobody_below_zero(engine)
        if not halted:
            check_nobody_left(engine, calls.rulebook, calls.below)


class OneShotMachine(VenueMachine):
    """All at once."""

    pacing = "one-shot"


class SlicesMachine(VenueMachine):
    """A slice now and then."""

    pacing = "random-slices"


class StagedMachine(VenueMachine):
    """A part, a pause, the rest."""

    pacing = "staged"


class FillableMachine(VenueMachine):
    """The riskiest first, at a worsening price."""

    pacing = "fillable-price"


MACHINES = [OneShotMachine, SlicesMachine, StagedMachine, FillableMachine]
QUICK = settings(max_examples=8, stateful_step_count=25)
LONG = settings(max_examples=200, stateful_step_count=60)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_promise_is_kept(machine: type[VenueMachine]) -> None:
    run_state_machine_as_test(machine, settings=QUICK)


@pytest.mark.nightly
@pytest.mark.parametrize("machine", MACHINES)
def test_every_promise_is_kept_for_long(machine: type[VenueMachine]) -> None:
    """Forty-eight thousand rules under all pacings, more than ten thousand of them seconds."""
    run_state_machine_as_test(machine, settings=LONG)
