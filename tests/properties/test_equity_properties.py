"""No command and no match takes an account below zero, nor leaves it below what the rulebook asks of it.

Streams of every kind of command under every preset: prices near the mark and far off it, contracts and
assets, borrowing and other profiles, several accounts that quote each other through the mark, and marks that
move between commands. After each command every account is valued again, in plain integers.

A failure names the preset, the seed and the last commands; the same seed repeats it.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertow.errors import Rejection
from undertow.rulebook.load import load_rulebook, preset_names
from undertow.venue.carry import _held_parts as held_parts
from undertow.venue.compile import Listing
from undertow.venue.engine import Engine
from undertow.venue.look import values_of
from undertow.venue.margin import initial_rows, with_cash
from undertow.venue.records import COMMAND, CommandKind, EventKind, InstrumentKind, OrderFlag, TimeInForce
from undertow.venue.state import (
    COUNT_EVENTS,
    COUNT_FILLS,
    MATCH_MARGIN,
    MATCH_RULE,
    WITHDRAWAL_NOTIONAL_PPM,
)

PRICES = [10_000, 700, 2_000, 300]  # ticks at the start
CUSTOMERS = 6
TAKEN_OFF = int(EventKind.TAKEN_OFF)
TRADES = (int(CommandKind.NEW), int(CommandKind.AMEND))
MOVES = (int(CommandKind.WITHDRAW), int(CommandKind.TRANSFER), int(CommandKind.WITHDRAW_ASSET))
KINDS = [CommandKind.NEW] * 24 + [
    CommandKind.AMEND,
    CommandKind.AMEND,
    CommandKind.CANCEL,
    CommandKind.CANCEL_ALL,
    CommandKind.WITHDRAW,
    CommandKind.WITHDRAW,
    CommandKind.TRANSFER,
    CommandKind.DEPOSIT_ASSET,
    CommandKind.WITHDRAW_ASSET,
]
FORCES = [TimeInForce.GOOD_TILL_CANCELLED] * 6 + list(TimeInForce)
FLAGS = [OrderFlag.NONE] * 9 + [OrderFlag.MARKET, OrderFlag.MARKET, OrderFlag.REDUCE_ONLY]
FLAGS += [OrderFlag.REDUCE_ONLY | OrderFlag.MARKET]


class Values(NamedTuple):
    """Equity and maintenance margin of every customer."""

    equity: list[int]
    maintenance: list[int]


class Stream:
    """A venue under a preset and a stream of commands to it."""

    def __init__(self, preset: str, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        rulebook = load_rulebook(preset)
        self.engine = Engine(rulebook, accounts=64, instruments=8)
        self.state = self.engine.state
        coin = rulebook.contract == "inverse"
        decimals = 8 if coin else 6
        assets = [name for name in ("BTC", "ETH", "SOL") if name in rulebook.collateral] or ["ETH"]
        listed = [("BTC", InstrumentKind.LINEAR), ("", InstrumentKind.LINEAR)]
        if coin:
            listed = [("BTC", InstrumentKind.INVERSE), ("BTC", InstrumentKind.LINEAR)]
        listed += [(assets[-1], InstrumentKind.SPOT), ("PUP", InstrumentKind.SPOT)]
        for number, (family, kind) in enumerate(listed):
            tick, lot = Decimal("0.01"), Decimal("1") if kind == InstrumentKind.INVERSE else Decimal("0.01")
            start = PRICES[number] * tick
            self.engine.list(Listing(f"I{number}", kind, family, tick, lot, start, 0, decimals, family))
        self.state.instruments["minimum_notional"] = 0
        if self.draw.random() < 0.7:
            self.state.instruments["price_band_ppm"] = 0
            self.state.instruments["market_band_ppm"] = 0
        profiles = list(self.engine.profiles)
        self.first = 0
        for number in range(CUSTOMERS):
            account = self.engine.open(1, 0, profiles[int(self.draw.integers(len(profiles)))])
            self.first = self.first or account
            self.state.accounts[account]["owner"] = self.first + number // 2 * 2
        self.unit = 10**decimals
        self.rich = (
            0 if coin else self.pick([0, 0, 3])
        )  # where brackets and size-dependent weights begin to count
        self.traded = self.draw.choice(len(PRICES), 2, replace=False)
        self.accounts = np.arange(self.first, self.first + CUSTOMERS, dtype=np.int64)
        self.live: deque[int] = deque(maxlen=24)
        self.last: deque[str] = deque(maxlen=12)
        self.seen: dict[str, int] = {}
        for account in self.accounts:
            self.send(CommandKind.DEPOSIT, int(account), size=self.cash())
            lots = int(self.draw.integers(1, 500)) * 10**self.rich
            self.send(CommandKind.DEPOSIT_ASSET, int(account), instrument=2, size=lots)

    def cash(self) -> int:
        """Cash in settlement units: a little, or thousands; in a rich venue a thousand times as much."""
        return int(self.unit * 10 ** (self.draw.choice([1, 1.5, 2, 4]) + self.rich))

    def pick(self, options: Any) -> int:
        """One of them."""
        return int(options[int(self.draw.integers(len(options)))])

    def send(self, kind: int, account: int, **fields: int) -> np.void:
        """One command, drained logs left out of account."""
        command = np.zeros(1, COMMAND)
        command["kind"], command["account"], command["self_trade"] = kind, account, -1
        for name, value in fields.items():
            command[name] = value
        words = " ".join(f"{name}={value}" for name, value in fields.items())
        self.last.append(f"{CommandKind(kind).name} {account} {words}")
        answer: np.void = self.engine.submit(command)[0]
        return answer

    def price(self, instrument: int, side: int) -> int:
        """At the other side's best, near the mark, or anywhere from a third of it to three times."""
        market = self.state.markets[instrument]
        best = int(market["best_ask"] if side > 0 else market["best_bid"])
        highest = int(self.state.instruments["maximum_ticks"][instrument]) - 1
        how = self.draw.random()
        if how < 0.4 and 0 < best <= highest:
            return best
        spread = 0.002 if how < 0.6 else 0.05 if how < 0.75 else 1.2
        return min(max(int(int(market["mark"]) * np.exp(spread * self.draw.uniform(-1, 1))), 1), highest)

    def lots(self, account: int, instrument: int) -> int:
        """What the account holds, or about what it can carry if margin and loss are so much of the value."""
        held = self.held(account, instrument)
        if held and self.draw.random() < 0.4:
            return max(1, int(abs(held) * self.draw.choice([0.5, 1, 1, 2])))
        record, mark = self.state.instruments[instrument], int(self.state.markets["mark"][instrument])
        inverse = record["kind"] == InstrumentKind.INVERSE
        worth = int(record["unit"]) / mark if inverse else int(record["unit"]) * mark
        equity, required = self.means(account)
        spare = max(equity - required, self.unit) * self.draw.choice([0.2, 0.7, 0.95, 1.05, 2])
        share = self.draw.choice([0.01, 0.05, 0.1, 0.25, 0.5, 1])
        return max(1, min(int(spare / (worth * share)), 10**8))

    def held(self, account: int, instrument: int) -> int:
        """Signed lots held."""
        holding = int(self.state.accounts["first_holding"][account])
        while holding >= 0:
            row = self.state.holdings[holding]
            if row["instrument"] == instrument:
                return int(row["size"])
            holding = int(row["next"])
        return 0

    def values(self) -> Values:
        """Everybody at the present marks; a credit limit is nobody's here."""
        table = values_of(self.state, self.accounts).tolist()
        return Values([row[0] for row in table], [row[1] for row in table])

    def means(self, account: int) -> tuple[int, int]:
        """Equity at initial weights, and initial margin with what resting orders for contracts would lose."""
        state = self.state
        equity, required, reserved, _count = initial_rows(state, account)
        equity, required, _reserved = with_cash(state, account, equity, required, reserved)
        slot = int(state.accounts["first_order"][account])
        while slot >= 0:
            order = state.orders[slot]
            record = state.instruments[order["instrument"]]
            lots, price = int(order["side"]) * int(order["size"]), int(order["price"])
            mark, unit = int(state.markets["mark"][order["instrument"]]), int(record["unit"])
            if record["kind"] == InstrumentKind.LINEAR:
                required += max(lots * (price - mark) * unit, 0)
            elif record["kind"] == InstrumentKind.INVERSE:
                required += max(lots * unit // mark - lots * unit // price - 1, 0)
            slot = int(order["own_next"])
        return int(equity), int(required)

    def one(self) -> None:
        """One command of any kind by anybody, and what must hold after it."""
        account = int(self.draw.integers(CUSTOMERS)) + self.first
        kind = self.pick(KINDS)
        instrument = self.pick(self.traded)
        fields = {"instrument": instrument, "size": self.lots(account, instrument)}
        if kind in TRADES:
            side = self.pick([1, -1])
            fields |= {"side": side, "price": self.price(instrument, side)}
            fields |= {"time_in_force": self.pick(FORCES), "flags": self.pick(FLAGS)}
        if kind in (CommandKind.AMEND, CommandKind.CANCEL) and self.live:
            fields["order"] = self.pick(self.live)
            order = self.state.orders[fields["order"] & 0xFFFFFFFF]
            account, fields["instrument"] = int(order["account"]), int(order["instrument"])
            fields["side"] = int(order["side"])
            fields["price"] = self.price(fields["instrument"], fields["side"])
        if kind in (CommandKind.WITHDRAW, CommandKind.TRANSFER):
            equity, required = self.means(account)
            share = self.draw.choice([0.3, 0.71, 0.9, 1.0, 1.1])
            fields["size"] = max(int(share * (equity - required)), 1)
            fields["counterparty"] = self.first + (account - self.first) // 2 * 2 + int(self.draw.integers(2))
        before, sizes = self.values(), self.sizes()
        answer = self.send(kind, account, **fields)
        if answer["order"] >= 0:
            self.live.append(int(answer["order"]))
        self.judge(kind, account, fields, answer, before, sizes)
        self.state.counters[[COUNT_FILLS, COUNT_EVENTS]] = 0

    def sizes(self) -> np.ndarray[Any, Any]:
        """What every customer holds of everything."""
        return np.array([[self.held(int(who), i) for i in range(len(PRICES))] for who in self.accounts])

    def judge(
        self,
        kind: int,
        account: int,
        fields: dict[str, int],
        answer: np.void,
        before: Values,
        sizes: np.ndarray[Any, Any],
    ) -> None:
        """The promise."""
        after = self.values()
        for number in range(CUSTOMERS):
            if before.equity[number] >= 0:
                assert after.equity[number] >= 0, f"{number + self.first} fell to {after.equity[number]}"
        me = account - self.first
        done = int(answer["code"]) == Rejection.NONE
        self.count(f"{CommandKind(kind).name} {Rejection(int(answer['code'])).name}")
        if kind in TRADES and (answer["filled"] > 0 or answer["order"] >= 0):
            equity, required = self.means(account)
            if equity < required:
                assert self.reduces(fields, sizes[me]), f"{account} keeps {equity} of {required}"
                calm = no_riskier(before, after, me) or self.closed(account, fields, sizes[me])
                assert calm, f"{account} keeps {equity} of {required} and is riskier"
            self.count("short of margin, no riskier" if equity < required else "with margin")
            if fields["time_in_force"] == TimeInForce.FILL_OR_KILL and kind == CommandKind.NEW:
                wanted = fields["size"]
                whole = fields["flags"] & OrderFlag.REDUCE_ONLY or answer["filled"] == wanted
                assert whole, f"{answer['filled']} of {wanted} filled"
        if kind in MOVES and done:
            equity, required = self.means(account)
            gross = int(values_of(self.state, np.array([account]))[0, 2])
            kept = gross * int(self.state.counters[WITHDRAWAL_NOTIONAL_PPM]) / 10**6
            assert equity >= max(required, kept), f"{account} keeps {equity} of {required} and {kept}"
        self.judge_makers(me, before, after, sizes)

    def reduces(self, fields: dict[str, int], sizes: np.ndarray[Any, Any]) -> bool:
        """Whether the order takes a holding down, at most to as much on the other side."""
        held = int(sizes[fields["instrument"]])
        spot = self.state.instruments["kind"][fields["instrument"]] == InstrumentKind.SPOT
        most = abs(held) if spot else 2 * abs(held)
        return held * fields["side"] < 0 and (fields["size"] <= most or bool(fields["flags"] & 1))

    def closed(self, account: int, fields: dict[str, int], sizes: np.ndarray[Any, Any]) -> bool:
        """Whether what is held shrank and has its margin, as what still rests of the order will have."""
        instrument = fields["instrument"]
        was, now = int(sizes[instrument]), self.held(account, instrument)
        equity, required = held_parts(self.state, account)
        return bool(abs(now) < abs(was) and equity >= required)

    def judge_makers(self, me: int, before: Values, after: Values, sizes: np.ndarray[Any, Any]) -> None:
        """Who was filled holds the margin of what he has, where the rulebook checks it at the match."""
        events = self.state.events[: self.state.counters[COUNT_EVENTS]]
        self.seen["taken off"] = self.seen.get("taken off", 0) + int((events["kind"] == TAKEN_OFF).sum())
        changed = np.flatnonzero((self.sizes() != sizes).any(axis=1)).tolist()
        for number in changed:
            if number != me:
                self.count("makers")
                if self.state.counters[MATCH_RULE] == MATCH_MARGIN:
                    equity, required = held_parts(self.state, number + self.first)
                    assert equity >= required or no_riskier(before, after, number), number + self.first

    def count(self, what: str) -> None:
        """Remember that it happened."""
        self.seen[what] = self.seen.get(what, 0) + 1

    def marks_move(self) -> None:
        """One mark moves, a little or much; who is below zero then gets new cash."""
        instrument = self.pick(self.traded)
        market = self.state.markets[instrument]
        factor = np.exp(self.draw.normal(0, self.draw.choice([0.003, 0.03, 0.1, 0.3])))
        highest = int(self.state.instruments["maximum_ticks"][instrument]) - 1
        ticks = min(max(int(market["mark"] * factor), 20), highest // 2)
        for name in ("mark", "index", "band_reference"):
            market[name] = ticks
        values = self.values()
        for number, account in enumerate(self.accounts):
            if values.equity[number] < 0 and self.draw.random() < 0.8:
                self.send(CommandKind.DEPOSIT, int(account), size=-values.equity[number] + self.cash())


def no_riskier(before: Values, after: Values, number: int) -> bool:
    """Maintenance has not grown and equity over maintenance has not fallen, in exact integers."""
    equity, maintenance = before.equity[number], before.maintenance[number]
    left, kept = after.equity[number], after.maintenance[number]
    if kept > maintenance:
        return False
    return left >= equity if maintenance == 0 else left * maintenance >= equity * kept


def play(preset: str, seed: int, steps: int) -> dict[str, int]:
    """A stream of that many commands; returns what was seen."""
    stream = Stream(preset, seed)
    try:
        for step in range(steps):
            if step % 5 == 4:
                stream.marks_move()
            stream.one()
            if step % 64 == 63:
                stream.engine.audit()
    except Exception as error:
        error.add_note(f"preset {preset}, seed {seed}; the last commands:\n" + "\n".join(stream.last))
        raise
    return stream.seen


@given(preset=st.sampled_from(preset_names()), seed=st.integers(0, 2**32))
def test_nobody_falls_below_zero_or_what_is_asked(preset: str, seed: int) -> None:
    play(preset, seed, 120)


@pytest.mark.nightly
@pytest.mark.parametrize("preset", preset_names())
def test_nobody_falls_below_zero_for_long(preset: str) -> None:
    """Two hundred thousand commands over all presets."""
    streams = 40
    each = 200_000 // streams // len(preset_names())
    seen: dict[str, int] = {}
    for seed in range(streams):
        for what, times in play(preset, seed, each).items():
            seen[what] = seen.get(what, 0) + times
    assert seen["makers"] > each
    assert seen["with margin"] > each
    assert seen["short of margin, no riskier"] > streams
    assert seen["taken off"] > streams
