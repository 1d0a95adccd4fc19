"""Whatever is refused changes nothing: every kind of command, every refusal, under every rule about orders.

A command is refused when its code is not NONE and it filled nothing. The whole state is compared: its hash
(accounts, holdings, orders, markets, sums), what was logged, the free lists and the queues of every book.
One thing is not a refusal: an order that self-trade prevention stops after it traded keeps its fills.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.books import FastBooks, command
from support.desk import INVERSE, LINEAR, SPOT, START, Answer, Desk
from undertow.errors import Rejection
from undertow.units import AMOUNT_LIMIT
from undertow.venue.audit import state_hash
from undertow.venue.records import CommandKind, EventKind, OrderFlag, SelfTrade, TimeInForce
from undertow.venue.state import (
    BAND_RULE,
    COUNT_EVENTS,
    COUNT_FILLS,
    COUNT_ORDERS,
    COUNT_POSTINGS,
    FREE_HOLDING,
    FREE_ORDER,
    FREEZE_RULE,
    MAXIMUM_ORDERS,
    POST_ONLY_AMEND_RULE,
    REDUCE_EACH,
    REDUCE_ONLY_RULE,
    REDUCE_UNOFFERED,
    SELF_TRADE_RULE,
    STAGE_FREE,
    STAGE_LIQUIDATING,
    TRADE_COUNT,
    WITHDRAWALS_CLOSED,
    State,
)

CUSTOMERS = 3
LOGS = (COUNT_FILLS, COUNT_POSTINGS, TRADE_COUNT, FREE_HOLDING, FREE_ORDER)
# A switch is (what, which customer or contract): halts, gates, freezes and closed withdrawals come and go.
SWITCHES = ["halted", "reduce_only", "listed", "stage", "withdrawals"]

Step = tuple[int, ...]

STEPS = st.lists(
    st.tuples(
        st.sampled_from([CommandKind.NEW] * 10 + [CommandKind.AMEND] * 6 + list(CommandKind) + [-1, 9]),
        st.integers(0, CUSTOMERS),  # who; the last is nobody
        st.sampled_from([LINEAR, LINEAR, SPOT, INVERSE, -1, 3]),
        st.sampled_from([-1, 1] * 6 + [0]),
        st.sampled_from([*range(-4, 5), -START, 900, 5, -30]),  # ticks from the start price
        st.sampled_from([1, 2, 3, 5, 40, 3_000, 12_000, 0, -1, 2_000_000, AMOUNT_LIMIT + 1]),
        st.integers(-1, 4),  # flags
        st.sampled_from([*TimeInForce, *TimeInForce, *TimeInForce, 4]),
        st.sampled_from([-1, -1, *SelfTrade, 3]),
        st.integers(0, 30),  # which earlier order; which switch
    ),
    max_size=40,
)


def told(state: State) -> tuple[object, ...]:
    """Everything that a refused command must leave as it was."""
    links = ("next", "previous", "own_next", "own_previous", "holding", "account", "level")
    orders = state.orders[: state.counters[COUNT_ORDERS]]
    queues = [np.where(orders["size"] > 0, orders[name], 0).tobytes() for name in links]
    counters = [int(state.counters[place]) for place in LOGS]
    others = state.events[: state.counters[COUNT_EVENTS]]
    others = others[others["kind"] != EventKind.REJECTION]  # the one thing that a refusal leaves
    return (
        state_hash(state),
        others.tobytes(),
        *counters,
        *queues,
        state.page_table.tobytes(),
        state.bits.tobytes(),
    )


def is_refused(answer: Answer) -> bool:
    """Whether a command was refused rather than stopped on its way."""
    return answer.code != Rejection.NONE and answer.filled == 0


def switch(desk: Desk, pick: int, person: int, instrument: int) -> None:
    """Something closes, or opens again."""
    what = SWITCHES[pick % len(SWITCHES)]
    if what == "stage":
        owner = desk.state.accounts[desk.wallets[person % CUSTOMERS]]
        owner["stage"] = STAGE_FREE if owner["stage"] else STAGE_LIQUIDATING
    elif what == "withdrawals":
        desk.state.counters[WITHDRAWALS_CLOSED] ^= 1
    else:
        desk.state.markets[what][max(instrument, 0) % 3] ^= 1


@st.composite
def desks(draw: st.DrawFn) -> Desk:
    """A desk under drawn rules, with fees, bands and a smallest order or without."""
    figures = {
        "taker_fee_ppm": draw(st.sampled_from([0, 501])),
        "maker_fee_ppm": draw(st.sampled_from([0, -149])),
        "price_band_ppm": draw(st.sampled_from([0, 0, 30_000])),
        "market_band_ppm": draw(st.sampled_from([0, 20_000])),
        "minimum_notional": draw(st.sampled_from([0, 1_500])),
    }
    desk = Desk(CUSTOMERS, cash=draw(st.sampled_from([10_000, 1_000_000])), **figures)
    counters = desk.state.counters
    counters[SELF_TRADE_RULE] = draw(st.sampled_from(list(SelfTrade)))
    counters[REDUCE_ONLY_RULE] = draw(st.integers(REDUCE_EACH, REDUCE_UNOFFERED))
    counters[BAND_RULE] = draw(st.integers(0, 2))
    counters[FREEZE_RULE] = draw(st.integers(0, 1))
    counters[MAXIMUM_ORDERS] = draw(st.sampled_from([2, 200]))
    counters[POST_ONLY_AMEND_RULE] = 0  # where it is 1 that amendment is not refused: it withdraws
    desk.state.profiles[0]["borrowing"] = draw(st.integers(0, 1))
    for wallet in desk.wallets:
        desk.do(CommandKind.DEPOSIT_ASSET, account=wallet, instrument=SPOT, size=5)
    return desk


def play(desk: Desk, steps: list[Step], seen: Counter[tuple[int, int]]) -> None:
    """Carry out the steps; every refusal is compared and counted by (kind, code)."""
    orders, owner = [0], {0: desk.wallets[0]}
    for kind, person, instrument, side, offset, size, flags, force, rule, pick in steps:
        if pick == 30:
            switch(desk, person + size, person, instrument)
            continue
        astray = pick % 9 == 8  # now and then with the wallet of another settlement asset
        wallets = desk.coins if (instrument == INVERSE) != astray else desk.wallets
        order = orders[-1 - pick % len(orders)]
        account = wallets[person] if person < CUSTOMERS else 999
        if kind in (CommandKind.AMEND, CommandKind.CANCEL) and pick % 5:
            account = owner[order]
        before = told(desk.state)
        answer = desk.do(
            kind,
            account=account,
            counterparty=desk.coins[0] if pick % 3 == 0 else wallets[pick % CUSTOMERS],
            instrument=instrument,
            side=side,
            price=START + offset,
            size=size,
            flags=flags,
            time_in_force=force,
            self_trade=rule,
            order=order,
        )
        assert (answer.order >= 0) <= (answer.code in (Rejection.NONE, Rejection.SELF_TRADE))
        if is_refused(answer):
            seen[kind, answer.code] += 1
            assert (answer.order, answer.resting, answer.value) == (-1, 0, 0)
            assert told(desk.state) == before, f"refused with {Rejection(answer.code).name}, and changed it"
        if answer.order >= 0:
            orders.append(answer.order)
            owner[answer.order] = account


@given(desk=desks(), steps=STEPS)
def test_whatever_is_refused_changes_nothing(desk: Desk, steps: list[Step]) -> None:
    play(desk, steps, Counter())


@pytest.mark.nightly
@settings(max_examples=20_000)
@given(desk=desks(), steps=STEPS)
def test_whatever_is_refused_changes_nothing_for_long(desk: Desk, steps: list[Step]) -> None:
    play(desk, steps, Counter())


def random_steps(generator: np.random.Generator, count: int) -> list[Step]:
    """Steps as `STEPS` draws them, many at once."""
    kinds = [int(kind) for kind in [CommandKind.NEW] * 14 + [CommandKind.AMEND] * 7 + list(CommandKind)]
    often = [0] * 12
    columns = [
        generator.choice([*kinds, 9], count),
        generator.choice([0, 1, 2] * 5 + [CUSTOMERS], count),
        generator.choice([LINEAR] * 4 + [SPOT] * 2 + [INVERSE, 3], count),
        generator.choice([-1, 1] * 8 + [0], count),
        generator.choice([*range(-3, 4)] * 3 + [-START, 900, 30], count),
        generator.choice([1, 2, 3, 5, 40] * 3 + [3_000, 12_000, 0, 2_000_000], count),
        generator.choice([*often, 1, 1, 1, 2, 2, 3, 4], count),
        generator.choice([*often, 1, 1, 2, 2, 3, 3, 3, 4], count),
        generator.choice([-1] * 8 + [0, 1, 1, 1, 1, 2, 3], count),
        generator.choice([*range(30)] * 2 + [30], count),
    ]
    return [tuple(int(value) for value in row) for row in zip(*columns, strict=True)]


# Refusals that a new or an amended order, and the movements of funds, are met with in the test below.
EXPECTED = {
    CommandKind.NEW: {code for code in Rejection}
    - {
        Rejection.NONE,
        Rejection.UNKNOWN_ORDER,
        Rejection.NOT_OWNER,
        Rejection.WITHDRAWALS_CLOSED,
        Rejection.BORROWING_CLOSED,
        Rejection.POSITION_LIMIT,  # these three: tests/rules/test_limits_at_the_door.py
        Rejection.AMOUNT_LIMIT,
        Rejection.CLEARING_ACCOUNT,
    },
    CommandKind.AMEND: {
        Rejection.UNKNOWN_ORDER,
        Rejection.BAD_COMMAND,
        Rejection.BAD_SIZE,
        Rejection.BAD_PRICE,
        Rejection.PRICE_BAND,
        Rejection.POST_ONLY_WOULD_TAKE,
        Rejection.SELF_TRADE,
        Rejection.INSUFFICIENT_MARGIN,
        Rejection.POSITION_LIMIT,
        Rejection.INSTRUMENT_HALTED,
        Rejection.REDUCE_ONLY_GATE,
    },
    CommandKind.CANCEL: {Rejection.UNKNOWN_ORDER},
    CommandKind.CANCEL_ALL: {Rejection.UNKNOWN_ACCOUNT, Rejection.UNKNOWN_INSTRUMENT},
    CommandKind.DEPOSIT: {Rejection.UNKNOWN_ACCOUNT, Rejection.BAD_SIZE},
    CommandKind.WITHDRAW: {
        Rejection.UNKNOWN_ACCOUNT,
        Rejection.BAD_SIZE,
        Rejection.INSUFFICIENT_MARGIN,
        Rejection.ACCOUNT_FROZEN,
        Rejection.WITHDRAWALS_CLOSED,
    },
    CommandKind.TRANSFER: {Rejection.UNKNOWN_ACCOUNT, Rejection.NOT_OWNER, Rejection.WRONG_SETTLEMENT},
    CommandKind.DEPOSIT_ASSET: {Rejection.UNKNOWN_INSTRUMENT, Rejection.WRONG_SETTLEMENT},
    CommandKind.WITHDRAW_ASSET: {Rejection.UNKNOWN_INSTRUMENT, Rejection.INSUFFICIENT_BALANCE},
}


# Chance alone seldom leads an amended order into one of its own, or a post-only one to the other side.
INTO_ITS_OWN: list[Step] = [
    (CommandKind.NEW, 0, LINEAR, -1, 0, 3, 0, 0, -1, 0),
    (CommandKind.NEW, 0, LINEAR, 1, -3, 3, 0, 0, -1, 0),
    (CommandKind.AMEND, 0, LINEAR, 1, 0, 3, 0, 0, SelfTrade.CANCEL_TAKER, 0),
    (CommandKind.NEW, 0, LINEAR, 1, -3, 3, 0, TimeInForce.POST_ONLY, -1, 0),
    (CommandKind.AMEND, 0, LINEAR, 1, 0, 3, 0, 0, SelfTrade.ALLOW, 0),
]


def test_every_refusal_is_reached_and_changes_nothing() -> None:
    """Without this the property above could hold because nothing is ever refused."""
    seen: Counter[tuple[int, int]] = Counter()
    for seed in range(60):
        generator = np.random.default_rng(seed)
        bands = {"price_band_ppm": 30_000, "market_band_ppm": 20_000} if seed % 2 else {}
        desk = Desk(CUSTOMERS, cash=1_000_000, minimum_notional=1_500 * (seed % 3), **bands)
        counters = desk.state.counters
        counters[SELF_TRADE_RULE] = seed % 3
        counters[REDUCE_ONLY_RULE] = seed // 3 % 3
        counters[FREEZE_RULE] = 1
        counters[MAXIMUM_ORDERS] = 1 if seed % 4 == 0 else 200
        desk.state.profiles[0]["borrowing"] = seed % 2
        desk.state.instruments[LINEAR]["largest_notional"] = 2_000_000 if seed % 5 == 0 else 0
        for wallet in desk.wallets:
            desk.do(CommandKind.DEPOSIT_ASSET, account=wallet, instrument=SPOT, size=5)
        play(desk, [*INTO_ITS_OWN, *random_steps(generator, 60)], seen)
    for kind, codes in EXPECTED.items():
        missing = {code.name for code in codes if not seen[kind, code]}
        assert not missing, f"{kind.name} was never refused with {sorted(missing)}"


def book_commands(steps: list[Step]) -> NDArray[np.void]:
    """The steps as commands to one book, without accounts."""
    return np.concatenate(
        [
            command(
                kind,
                account=person,
                side=side,
                price=START + offset,
                size=min(size, 40),
                flags=flags & OrderFlag.MARKET,
                time_in_force=force,
                self_trade=rule,
                order=pick,
            )
            for kind, person, _instrument, side, offset, size, flags, force, rule, pick in steps
        ]
    )


def test_the_books_alone_refuse_without_a_trace() -> None:
    """The same loop without accounts: the slots, generations and queues are as before."""
    refused: Counter[int] = Counter()
    for seed in range(6):
        books = FastBooks([1000], seed % 3)
        for record in book_commands(random_steps(np.random.default_rng(seed), 300)):
            before = told(books.state)
            (outcome,) = books.execute(np.array([record]))
            if outcome.code != Rejection.NONE and outcome.filled == 0:
                refused[outcome.code] += 1
                assert told(books.state) == before, Rejection(outcome.code).name
    wanted = [Rejection.POST_ONLY_WOULD_TAKE, Rejection.FOK_NOT_FILLABLE, Rejection.SELF_TRADE]
    assert all(refused[code] for code in (*wanted, Rejection.NO_LIQUIDITY, Rejection.UNKNOWN_ORDER))
