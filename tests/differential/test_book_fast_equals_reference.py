"""The compiled books and the plain reference, fed the same random commands, do the same thing throughout."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.books import FastBooks, command
from undertow.venue.book_reference import ReferenceBooks
from undertow.venue.records import COMMAND, CommandKind, OrderFlag, SelfTrade, TimeInForce

TICKS = (12, 200, 70_000)  # crowded, several pages, several bitmap levels

Step = tuple[int, int, int, int, int, int, int, int, int]

STEPS = st.lists(
    st.tuples(
        st.sampled_from([CommandKind.NEW] * 5 + [CommandKind.CANCEL] * 2 + [CommandKind.AMEND] * 2),
        st.sampled_from([-1, 1]),
        st.integers(-1, len(TICKS)),
        st.integers(0, 12),  # price, spread over the book's range
        st.integers(0, 6),  # lots
        st.integers(0, 3),  # account
        st.sampled_from(list(TimeInForce)),
        st.sampled_from([-1, *SelfTrade]),
        st.integers(0, 60),  # which earlier order; also the MARKET flag
    ),
    max_size=60,
)


def record_of(step: Step, known: list[int]) -> NDArray[np.void]:
    """The command a drawn step stands for, given the ids handed out so far."""
    kind, side, instrument, place, lots, account, force, self_trade, pick = step
    ticks = TICKS[instrument] if 0 <= instrument < len(TICKS) else 10
    return command(
        kind,
        side=side,
        instrument=instrument,
        price=place if ticks <= 12 else place * ticks // 12,
        size=lots,
        account=account,
        time_in_force=force,
        self_trade=self_trade,
        flags=OrderFlag.MARKET if pick % 7 == 0 else 0,
        order=known[-1 - pick % len(known)] if known else pick,
    )


def check_equal(fast: FastBooks, plain: ReferenceBooks) -> None:
    """Same fills, same queues on every side of every book, and pools without leaks."""
    assert fast.fills == plain.fills
    for instrument in range(len(TICKS)):
        for side in (1, -1):
            assert fast.resting(instrument, side) == plain.resting(instrument, side)
    fast.check_pools()


@given(steps=STEPS, rule=st.sampled_from(list(SelfTrade)))
@example(steps=[], rule=SelfTrade.ALLOW)
def test_any_stream_gives_the_same_books(steps: list[Step], rule: SelfTrade) -> None:
    fast, plain = FastBooks(TICKS, rule), ReferenceBooks(TICKS, rule)
    known: list[int] = []
    for step in steps:
        record = record_of(step, known)
        outcome = fast.execute(record)[0]
        assert outcome == plain.execute(record)[0]
        if outcome.order >= 0:
            known.append(outcome.order)
    check_equal(fast, plain)


def random_stream(seed: int, count: int) -> NDArray[np.void]:
    """A long stream around one price; cancels and amendments name slots, live or not, of any generation."""
    generator = np.random.default_rng(seed)
    records = np.zeros(count, COMMAND)
    draws: dict[str, Any] = {
        "kind": generator.choice([0, 0, 0, 0, 1, 1, 2], count),
        "side": generator.choice([-1, 1], count),
        "instrument": generator.integers(0, len(TICKS), count),
        "size": generator.integers(1, 50, count),
        "account": generator.integers(0, 20, count),
        "time_in_force": generator.choice([0, 0, 0, 0, 1, 2, 3], count),
        "self_trade": generator.integers(-1, 3, count),
        "order": generator.integers(0, 8, count) << 32 | generator.integers(0, 60, count),
    }
    for name, values in draws.items():
        records[name] = values
    ticks = np.array(TICKS)[records["instrument"]]
    offset = generator.normal(0.0, 0.08, count) - 0.06 * records["side"]
    records["price"] = np.clip((ticks * (0.5 + offset)).astype(np.int64), 1, ticks - 1)
    return records


@settings(max_examples=8)
@given(seed=st.integers(0, 1 << 30))
def test_long_streams_give_the_same_books(seed: int) -> None:
    fast, plain = FastBooks(TICKS), ReferenceBooks(TICKS)
    stream = random_stream(seed, 1_500)
    for start in range(0, len(stream), 500):
        batch = stream[start : start + 500]
        assert fast.execute(batch) == plain.execute(batch)
        check_equal(fast, plain)
