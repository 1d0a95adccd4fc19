"""A venue for people: names, decimal text and Decimals at the door, the engine's integers inside.

Holds `Venue`, which turns each call into the same command an array batch would carry, so both doors give the
same bytes. Holds no rule: what the rulebook refuses comes back as a `Result` with a code; what cannot be
meant at all (an unknown name, a float, a price off the grid) is an InputError.

Units: `Decimal` dollars (coins for coin-settled wallets), coins, seconds. Invariant: nothing here writes an
account's money or positions; every change goes through the engine's commands or its step.

Use it at a prompt, in tests, behind a server; millions of commands go in as arrays by `venue.engine.submit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow._jit import tell_of_compiling
from undertow.errors import InputError, InvariantError
from undertow.rulebook.model import Rulebook
from undertow.venue.account_view import AccountView, view_account
from undertow.venue.admission import check_withdrawal
from undertow.venue.allocation.winners import Policy
from undertow.venue.answers import Result, result
from undertow.venue.audit import clearing_balance
from undertow.venue.board import Board
from undertow.venue.danger import mark_dirty
from undertow.venue.door import (
    HOUSE,
    MOST_STEPS,
    ROLES,
    SIDES,
    TIMES_IN_FORCE,
    Instrument,
    Number,
    Settlement,
    flag,
    known,
    leverage_floor,
    number,
    order_number,
    own_settlement,
    rulebook_of,
    settlement_table,
    shown,
    table,
    text,
    whole_number,
    whole_seconds,
)
from undertow.venue.engine import Engine
from undertow.venue.extent import has_deposit_room
from undertow.venue.limits import MAXIMUM_CONSTITUENTS
from undertow.venue.market_view import (
    History,
    MarketView,
    event_records,
    fill_records,
    posting_records,
    view_market,
)
from undertow.venue.paced import SlicesStage
from undertow.venue.records import COMMAND, CommandKind, InstrumentKind, OrderFlag
from undertow.venue.setup import open_account
from undertow.venue.state import (
    COUNT_ACCOUNTS,
    EXEMPT_NOT,
    EXEMPT_PRIVILEGE,
    HOUSE_STRIDE,
    TIME,
)

MOST_INSTRUMENTS, MOST_PROVIDERS = 1_000, 1_000
MOST_SEED = (1 << 63) - 1
SNAPSHOT = {"engine", "board"}


class Venue:
    """A venue under a rulebook (or the name of one), at second 0 of its clock, with nothing listed.

    `settlements` are the assets wallets are kept in, each with its decimals; the rulebook's own by default.
    `constituents` is how many outside prices an index may have. `oracle` finds danger by the full scan.
    `policy` allocates losses instead of the rulebook's: a registered name, or an object.
    """

    def __init__(
        self,
        rulebook: Rulebook | str,
        *,
        settlements: Mapping[str, int] | None = None,
        constituents: int = 1,
        seed: int = 0,
        step_seconds: int = 1,
        instruments: int = 16,
        oracle: bool = False,
        policy: Policy | str | None = None,
    ) -> None:
        self.rulebook = rulebook_of(rulebook)
        wallets = own_settlement(self.rulebook) if settlements is None else settlement_table(settlements)
        whole_number(constituents, "constituents", MAXIMUM_CONSTITUENTS)
        whole_number(instruments, "instruments", MOST_INSTRUMENTS)
        whole_number(seed, "seed", MOST_SEED, 0)
        flag(oracle, "oracle")
        tell_of_compiling()
        self.step_seconds = whole_seconds(step_seconds, "step_seconds")
        self.engine = Engine(
            self.rulebook,
            settlements=len(wallets),
            decimals=list(wallets.values()),
            instruments=instruments,
            accounts=64,
            seed=seed,
            step_ms=1000 * self.step_seconds,
            constituents=constituents,
            oracle=oracle,
            policy=policy,
        )
        self._board = Board(self.engine, wallets, constituents)

    @property
    def now(self) -> int:
        """Seconds on the venue's clock."""
        return int(self.engine.state.counters[TIME]) // 1000

    # ---- listing

    def list_perpetual(
        self,
        name: str,
        tick: Number,
        lot: Number,
        *,
        margin_class: str | None = None,
        price: Number | None = None,
        inverse: bool | None = None,
        settlement: str | None = None,
    ) -> None:
        """List a perpetual before the first step. Without a `price` its first `set_index` gives it one.

        `tick` in dollars, `lot` in coins (inverse: in dollars, the contract). The margin class is the name's
        first part (`BTC-PERP`: `BTC`) unless given; an unknown one falls under the rulebook's default class.
        """
        coin = self.rulebook.contract == "inverse" if inverse is None else flag(inverse, "inverse")
        kind = InstrumentKind.INVERSE if coin else InstrumentKind.LINEAR
        name = text(name, "the name of an instrument")
        family = name.partition("-")[0] if margin_class is None else text(margin_class, "margin_class")
        self._board.add(name, kind, (family, ""), (tick, lot, price), settlement)

    def list_spot(
        self,
        name: str,
        asset: str,
        tick: Number,
        lot: Number,
        *,
        price: Number | None = None,
        settlement: str | None = None,
    ) -> None:
        """List the pair of `asset` against the settlement asset, under the rulebook's rule for that asset."""
        asset = text(asset, "asset")
        self._board.add(name, InstrumentKind.SPOT, (asset, asset), (tick, lot, price), settlement)

    def list_asset(
        self,
        name: str,
        tick: Number,
        lot: Number,
        *,
        price: Number | None = None,
        settlement: str | None = None,
    ) -> None:
        """List an asset and its pair under the asset's own name."""
        self.list_spot(name, name, tick, lot, price=price, settlement=settlement)

    # ---- accounts

    def open_account(
        self,
        profile: str | None = None,
        settlement: str | None = None,
        leverage: Number | None = None,
        *,
        owner: int | None = None,
        role: str = "customer",
    ) -> int:
        """Open a wallet and return its number. With an `owner` it is one more wallet of that account.

        A wallet is one margin account: an isolated position, or another settlement asset, is another wallet
        of the same owner; `transfer` moves cash between them. `leverage` is the user's (`set_leverage`).
        """
        profiles = self.engine.profiles
        place = 0 if profile is None else known(profiles, profile, "profile")
        parent = -1
        if owner is not None:
            parent = int(self.engine.state.accounts[self._account(owner)]["owner"])
        wallet = self._board.settlement(settlement)
        duty = int(known(ROLES, role, "role"))
        floor = 0 if leverage is None else leverage_floor(leverage)
        account = open_account(self.engine.state, wallet.number, place, duty, parent)
        self.engine.state.accounts[account]["leverage_floor_ppm"] = floor
        return account

    def open_isolated(self, owner: int, margin: Number, leverage: Number | None = None) -> int:
        """Open a wallet for one isolated position and move `margin` into it; returns its number."""
        wallet = self._wallet(self._account(owner))
        profile = self.rulebook.profile_name("isolated")
        units = wallet.units(margin, "margin")
        amount = wallet.amount(units)
        refused = check_withdrawal(self.engine.state, owner, units)
        if refused:  # before the wallet is there: what is refused leaves none behind
            why = result(refused, -1, Decimal(0), Decimal(0), None).sentence
            raise InputError(f"{amount} {wallet.name} cannot leave account {owner}: {why}")
        account = self.open_account(profile, wallet.name, leverage, owner=owner)
        self.transfer(owner, account, amount)
        return account

    def set_leverage(self, account: int, leverage: Number) -> None:
        """The user's leverage: initial margin is at least 1/leverage, rounded up to a millionth."""
        self.engine.state.accounts[self._account(account)]["leverage_floor_ppm"] = leverage_floor(leverage)

    def set_privileges(
        self, account: int, *, credit_limit: Number | None = None, exempt: bool | None = None
    ) -> None:
        """Favours some accounts had: cash may go `credit_limit` below zero; `exempt`: never liquidated."""
        state, place = self.engine.state, self._account(account)
        if credit_limit is not None:
            limit = number(credit_limit, "credit_limit")
            units = self._wallet(place).units(limit, "credit_limit") if limit != 0 else 0
            state.accounts[place]["credit_limit"] = units
        if exempt is not None:
            favoured = flag(exempt, "exempt")
            state.accounts[place]["exempt"] = EXEMPT_PRIVILEGE if favoured else EXEMPT_NOT
            mark_dirty(state, place)

    def house(self, name: str, settlement: str | None = None) -> int:
        """The number of a house account: fund, fees, clearing, vault, lending or treasury."""
        return self._board.settlement(settlement).number * HOUSE_STRIDE + known(HOUSE, name, "house account")

    def open_backstop(self, capital: Number | None = None, providers: int = 1) -> list[int]:
        """Give the rulebook's backstop its means; returns its accounts, in the first settlement asset.

        Providers are opened, each with `capital`; a vault (its rulebook's capital by default) and a fund
        receive it. InputError where the rulebook has no backstop.
        """
        kind, wallet = self.rulebook.backstop.kind, self._board.settlement(None)
        whole_number(providers, "providers", MOST_PROVIDERS)
        if capital is None and kind == "vault":
            capital = self.rulebook.backstop.capital_usd
        if kind == "none":
            raise InputError(f"rulebook {self.rulebook.name!r} has no backstop; choose another backstop.kind")
        if capital is None:
            raise InputError(
                f"capital is missing; the rulebook's backstop is {kind!r}, so say how much it has"
            )
        units = wallet.units(capital, "capital")
        count = providers if kind == "providers" else 1
        if not has_deposit_room(self.engine.state, wallet.number, count * units):
            raise InputError(f"capital of {count} x {capital} {wallet.name} is more than amounts may be")
        if isinstance(self.engine.liquidate, SlicesStage) and kind == "providers":
            opened = self.engine.liquidate.provide(self.engine.state, count, units)
            return [int(account) for account in opened.account]
        house = self.house("vault" if kind == "vault" else "fund")
        given = self.deposit(house, wallet.name, wallet.amount(units))
        if not given.accepted:
            raise InputError(f"capital of {capital} {wallet.name} cannot be given: {given.sentence}")
        return [house]

    def set_daily_volume(self, instrument: str, volume: Number) -> None:
        """Average daily volume, in coins (inverse: contracts), of which some rulebooks cap forced orders."""
        market, stage = self._board.instrument(instrument), self.engine.liquidate
        lots = market.lots(volume, "volume")
        if isinstance(stage, SlicesStage):
            volumes = np.zeros(len(self.engine.state.instruments), np.int64)
            if "slices" in stage.parts:
                volumes[:] = stage.parts["slices"].adv_lots
            volumes[market.number] = lots
            stage.give_volumes(volumes)

    # ---- commands

    def deposit(self, account: int, asset: str, amount: Number) -> Result:
        """Bring the wallet's settlement asset, or a listed asset, in from outside."""
        return self._move(account, asset, amount, (CommandKind.DEPOSIT, CommandKind.DEPOSIT_ASSET))

    def withdraw(self, account: int, asset: str, amount: Number) -> Result:
        """Take cash or a listed asset out, if the rulebook lets it go."""
        return self._move(account, asset, amount, (CommandKind.WITHDRAW, CommandKind.WITHDRAW_ASSET))

    def transfer(self, source: int, target: int, amount: Number) -> Result:
        """Move cash between two wallets of one owner."""
        wallet = self._wallet(self._account(source))
        units = wallet.units(amount, "amount")
        receiver = self._account(target)
        return self._send(None, kind=CommandKind.TRANSFER, account=source, counterparty=receiver, size=units)

    def place(
        self,
        account: int,
        instrument: str,
        *,
        side: str,
        size: Number,
        price: Number | None = None,
        time_in_force: str = "good-till-cancelled",
        reduce_only: bool = False,
    ) -> Result:
        """Send an order; without a price a market order, capped by the rulebook's band.

        A market order that is also post-only is refused.
        """
        market = self._board.instrument(instrument)
        flags = OrderFlag.REDUCE_ONLY if flag(reduce_only, "reduce_only") else OrderFlag.NONE
        if price is None:
            flags |= OrderFlag.MARKET
        return self._send(
            market,
            kind=CommandKind.NEW,
            account=self._account(account),
            instrument=market.number,
            side=known(SIDES, side, "side"),
            size=market.lots(size),
            price=0 if price is None else market.ticks(price),
            time_in_force=known(TIMES_IN_FORCE, time_in_force, "time_in_force"),
            flags=flags,
        )

    def cancel(self, account: int, order: int) -> Result:
        """Withdraw a resting order."""
        return self._send(
            None, kind=CommandKind.CANCEL, account=self._account(account), order=order_number(order)
        )

    def amend(
        self, account: int, order: int, *, size: Number | None = None, price: Number | None = None
    ) -> Result:
        """Change a resting order's remaining size or price; less at the same price keeps its place.

        The order keeps its number, stays reduce-only or post-only, and is unchanged if this is refused.
        """
        identifier = order_number(order)
        view = next((row for row in self.account(account).orders if row.order == identifier), None)
        market = self._board.instrument(view.instrument) if view else None
        lots, ticks = 1, 1  # an order that is not there is refused whatever it asks for
        if view and market:
            lots = market.lots(view.size if size is None else size)
            ticks = market.ticks(view.price if price is None else price)
        return self._send(
            market, kind=CommandKind.AMEND, account=account, order=identifier, size=lots, price=ticks
        )

    def cancel_all(self, account: int, instrument: str | None = None) -> int:
        """Withdraw every resting order of an account, in one instrument or in all; returns how many."""
        place = -1 if instrument is None else self._board.instrument(instrument).number
        commands = self._command(
            kind=CommandKind.CANCEL_ALL, account=self._account(account), instrument=place
        )
        return int(self.engine.submit(commands)[0]["filled"])

    def _move(
        self, account: int, asset: str, amount: Number, kinds: tuple[CommandKind, CommandKind]
    ) -> Result:
        place = self._account(account)
        wallet = self._wallet(place)
        if text(asset, "asset") == wallet.name:
            units = wallet.units(amount, f"{asset}: amount")
            return self._send(None, kind=kinds[0], account=place, size=units)
        market = self._board.asset(asset, place, wallet)
        lots = market.lots(amount, "amount")
        return self._send(market, kind=kinds[1], account=place, instrument=market.number, size=lots)

    def _command(self, **fields: int) -> NDArray[np.void]:
        commands = np.zeros(1, COMMAND)
        commands["self_trade"] = -1
        for name, value in fields.items():
            commands[name] = value
        return commands

    def _send(self, market: Instrument | None, **fields: int) -> Result:
        answer = self.engine.submit(self._command(**fields))[0]
        code, order, lots = int(answer["code"]), int(answer["order"]), int(answer["filled"])
        if market is None:
            return result(code, -1, Decimal(0), Decimal(0), None)
        resting = market.size(int(answer["resting"]))
        return result(
            code, order, market.size(lots), resting, market.average_price(int(answer["value"]), lots)
        )

    # ---- prices and time

    def set_index(
        self,
        instrument: str,
        price: Number | Mapping[str, Number],
        *,
        weights: Mapping[str, Number] | None = None,
        ages: Mapping[str, int] | None = None,
    ) -> None:
        """Say what the instrument costs elsewhere: one price, or a price per named constituent.

        It holds from the next step on, until it is set again; a constituent left out has no price. `weights`
        are shares such as '0.25' and stay; `ages` are seconds since a constituent last traded, 0 by default.
        """
        shares = {} if weights is None else weights
        self._board.set_index(instrument, price, shares, {} if ages is None else ages)

    def step(self, seconds: int | None = None) -> None:
        """Let time pass, step after step of `step_seconds`, at the outside prices as they are set.

        At most `MOST_STEPS` steps a call, and ten years in all.
        """
        passing = self.step_seconds if seconds is None else whole_seconds(seconds, "seconds")
        if passing % self.step_seconds:
            raise InputError(f"seconds is {seconds}, not a multiple of the step, {self.step_seconds}")
        whole_number(passing // self.step_seconds, "the number of steps", MOST_STEPS)
        whole_seconds(self.now + passing, "the venue's clock")
        self._board.require_prices()
        count = len(self._board.instruments)
        for _ in range(passing // self.step_seconds):
            prices, ages = self._board.prices[:count].copy(), self._board.ages[:count].copy()
            self.engine.step(1000 * (self.now + self.step_seconds), prices, ages)

    # ---- looking

    def account(self, account: int) -> AccountView:
        """Everything about an account at the present marks."""
        return view_account(
            self.engine.state, self._account(account), self._board.names(), self.rulebook.liquidation
        )

    def market(self, instrument: str) -> MarketView:
        """Prices, funding and open interest of an instrument."""
        return view_market(self.engine.state, self._board.instrument(instrument), self.engine.pricing)

    def fund(self, settlement: str | None = None) -> Decimal:
        """Cash of the insurance fund; `account(house("fund"))` shows what it holds besides."""
        wallet = self._board.settlement(settlement)
        return wallet.amount(self.engine.state.accounts[self.house("fund", wallet.name)]["cash"])

    def audit(self) -> dict[str, Decimal]:
        """Prove the books; returns what the venue holds of each settlement asset, deposits less withdrawals.

        InvariantError names every sum that is off, and by how much.
        """
        self.engine.audit()
        for wallet in self._board.settlements.values():
            left = clearing_balance(self.engine.state, wallet.number)
            if left:
                raise InvariantError(f"clearing in {wallet.name} keeps {wallet.amount(left)}, not nothing")
        return {
            name: wallet.amount(self.engine.state.net_deposits[wallet.number])
            for name, wallet in self._board.settlements.items()
        }

    def history(self) -> History:
        """Fills, postings and events since the last call, in order."""
        logged = self.engine.drain()
        instruments, settlements, _profiles = self._board.names()
        opened = int(self.engine.state.counters[COUNT_ACCOUNTS])  # a refused command may name any account
        accounts = np.where(logged.events["account"] < opened, np.maximum(logged.events["account"], 0), 0)
        wallets = [settlements[int(place)] for place in self.engine.state.accounts["settlement"][accounts]]
        return History(
            fill_records(logged.fills, instruments, settlements),
            posting_records(logged.postings, instruments, settlements),
            event_records(logged.events, instruments, wallets),
        )

    def state_hash(self) -> str:
        """Sixteen hex digits, equal for equal histories."""
        return self.engine.state_hash()

    def snapshot(self) -> dict[str, Any]:
        """Everything that decides what happens next; `restore` goes back to it."""
        return {"engine": self.engine.snapshot(), "board": self._board.snapshot()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go back to a snapshot of this same venue."""
        if table(saved, "a snapshot").keys() != SNAPSHOT:
            raise InputError(f"a snapshot is {shown(saved)}; give what `snapshot` gave")
        self.engine.restore(saved["engine"])
        self._board.restore(saved["board"])

    # ---- numbers behind names

    def _account(self, account: object) -> int:
        count = int(self.engine.state.counters[COUNT_ACCOUNTS])
        if isinstance(account, bool) or not isinstance(account, int) or not 0 <= account < count:
            raise InputError(
                f"account {shown(account)} is unknown; accounts are the numbers 0 to {count - 1}"
            )
        return account

    def _wallet(self, account: int) -> Settlement:
        number = int(self.engine.state.accounts[account]["settlement"])
        return list(self._board.settlements.values())[number]
