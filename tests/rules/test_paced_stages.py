"""The paced stages inside an engine: a small crash under three rulebooks, audited, repeated, and resumed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from support.small_venue import DOLLAR, customer, events, open_position
from undertow.errors import RulebookError
from undertow.rulebook.load import load_rulebook, with_overrides
from undertow.venue.book import make_order_room, take_slot
from undertow.venue.compile import Listing
from undertow.venue.conversion import Conversion
from undertow.venue.engine import Engine
from undertow.venue.ledger import deposit, holding_of
from undertow.venue.look import sizes_of
from undertow.venue.margin import maintenance_parts
from undertow.venue.matching import Taker, cancel_all, reserve, rest
from undertow.venue.paced import (
    ConversionStage,
    FillableStage,
    SlicesStage,
    StagedStage,
)
from undertow.venue.records import EventKind, InstrumentKind
from undertow.venue.state import HOUSE_FUND, HOUSE_VAULT

BTC = 10_000  # lots
CENT = Decimal("0.01")
STAGES = {
    "ftx-2022": SlicesStage,
    "hyperliquid-2025": StagedStage,
    "dydx-v4": FillableStage,
}


def opened(preset: str, changes: dict[str, Any] | None = None) -> tuple[Engine, int]:
    """An engine with its stages, forty leveraged longs at 10,000 and a maker; returns the maker too."""
    rulebook = with_overrides(load_rulebook(preset), changes or {})
    engine = Engine(rulebook, instruments=1, accounts=512, seed=11)
    assert type(engine.liquidate) is STAGES[preset]
    name = rulebook.margin.default
    engine.list(Listing("X-PERP", InstrumentKind.LINEAR, name, CENT, Decimal("0.0001"), Decimal(10_000)))
    make_order_room(engine.state, 64)
    deposit(engine.state, HOUSE_FUND, 50_000 * DOLLAR)
    deposit(engine.state, HOUSE_VAULT, 300_000_000 * DOLLAR)
    if isinstance(engine.liquidate, SlicesStage):
        engine.liquidate.provide(engine.state, 2, 1_000_000 * DOLLAR)
        engine.liquidate.give_volumes(np.array([2_000 * BTC], np.int64))
    for number in range(40):
        account = customer(engine.state, 700 + 45 * number)
        open_position(engine.state, account, (1 + number % 3) * BTC, 1_000_000)
    maker = customer(engine.state, 100_000_000)
    return engine, maker


def step(engine: Engine, maker: int, second: int) -> None:
    """A second of a fall of 12 % in a minute, the maker quoting half a coin a level."""
    price = max(1_000_000 - 2_000 * second, 880_000)
    state = engine.state
    cancel_all(state, maker, -1)
    row = int(holding_of(state, maker, 0))
    for side, ticks in ((1, price - 100), (1, price - 2_000), (-1, price + 100)):
        reserve(state, row, side, BTC // 2, ticks)
        rest(state, Taker(maker, 0, side, ticks, BTC // 2, 0, 0, 0), BTC // 2, row, take_slot(state))
    state.markets["last"][0] = price
    engine.step(second * 1_000, np.array([price], np.int64))


def crash(engine: Engine, maker: int, first: int = 1, last: int = 90) -> Engine:
    for second in range(first, last + 1):
        step(engine, maker, second)
        if second % 10 == 0:
            engine.audit()
    return engine


@pytest.mark.parametrize(
    ("preset", "kinds"),
    [
        ("ftx-2022", {EventKind.LIQUIDATION_ORDER, EventKind.AUTO_CLOSE, EventKind.FUND_IN}),
        ("hyperliquid-2025", {EventKind.LIQUIDATION_ORDER, EventKind.TAKEOVER, EventKind.LIQUIDATION_END}),
        ("dydx-v4", {EventKind.LIQUIDATION_ORDER, EventKind.FUND_IN, EventKind.ADL_CLOSE}),
    ],
)
def test_a_crash_is_audited_repeated_and_resumed(preset: str, kinds: set[EventKind]) -> None:
    engine = crash(*opened(preset))
    assert kinds <= {EventKind(int(kind)) for kind in engine.drain().events["kind"]}
    again, maker = opened(preset)
    crash(again, maker, 1, 45)
    saved = again.snapshot()
    crash(again, maker, 46, 60)
    again.restore(saved)
    crash(again, maker, 46, 90)
    assert again.state_hash() == engine.state_hash()


@pytest.mark.parametrize("preset", ["ftx-2022", "hyperliquid-2025"])
def test_backstops_lay_off_what_they_hold_and_their_profit_is_known(preset: str) -> None:
    changes = {"backstop.hedge_cost_ppm": 500}
    engine = crash(*opened(preset, changes))
    hedge = engine.hedge.parts["hedge"]
    held = sizes_of(engine.state, hedge.account, np.zeros(len(hedge.account), np.int64))
    assert hedge.cost.sum() > 0
    assert list(hedge.size[:, 0]) == list(-held)
    found = engine.hedge.profits(engine)
    assert list(found) == list(hedge.account)
    again, maker = opened(preset, changes)
    crash(again, maker, 1, 45)
    saved = again.snapshot()
    crash(again, maker, 46, 60)
    again.restore(saved)
    crash(again, maker, 46, 90)
    assert again.hedge.profits(again) == found
    unhedged = crash(*opened(preset))
    assert unhedged.hedge.profits(unhedged) == {}
    assert unhedged.state_hash() == engine.state_hash()  # money elsewhere is not money here


def test_several_seconds_in_one_step_run_as_often() -> None:
    engine, maker = opened("ftx-2022")
    for second in (20, 40, 60, 61, 90):
        step(engine, maker, second)
        engine.audit()
    assert len(events(engine.state, EventKind.AUTO_CLOSE)) > 0
    listed = events(engine.state, EventKind.LIQUIDATION_START)["account"]
    assert len(listed) >= 10


@pytest.mark.parametrize("preset", STAGES)
def test_without_a_backstop_nobody_stays_below_zero(preset: str) -> None:
    engine, maker = opened(preset, {"backstop.kind": "none"})
    crash(engine, maker)
    engine.find_danger()
    equities = [maintenance_parts(engine.state, int(account))[0] for account in engine.candidates()]
    assert min(equities, default=0) >= 0
    assert len(events(engine.state, EventKind.LIQUIDATION_START)) > 20
    engine.audit()


def test_a_backstop_the_pacing_cannot_use_is_refused() -> None:
    rulebook = load_rulebook("ftx-2022")
    with pytest.raises(RulebookError, match=r"backstop.kind is 'providers', .* use 'none' or 'vault'"):
        StagedStage(rulebook)


def test_conversion_reads_the_rulebook() -> None:
    rulebook = load_rulebook("ftx-2022")
    numbers = {name: number for number, name in enumerate(rulebook.profiles)}
    converted = 1 << numbers["single"]
    expected = Conversion(30_000 * DOLLAR, 4, 2_000, 0, 1_000_000, 0, converted)
    assert ConversionStage(rulebook, numbers).rule == expected
    assert ConversionStage(load_rulebook("hyperliquid-2025"), {}).rule is None
