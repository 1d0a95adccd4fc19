"""Room in the arenas: who asks for it, what grows, what stops, and that no limit is met in silence."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from support.books import command
from support.desk import ACCEPTED, LINEAR, Desk
from support.small_venue import DOLLAR, customer, small_venue
from support.tiny import shrink
from tidy_rules import label, python_files, report, syntax
from undertow._jit import kernel
from undertow.errors import CapacityError, InputError, InvariantError, RulebookError, UndertowError
from undertow.rulebook.load import load_rulebook
from undertow.venue import state as state_module
from undertow.venue.arenas import HOLDINGS, ORDERS, PAGES, PENDING, STAGE_LIST, check_list, next_place
from undertow.venue.compile import Listing, write_profiles
from undertow.venue.engine import Engine
from undertow.venue.execution import execute
from undertow.venue.facade import Venue
from undertow.venue.ledger import deposit
from undertow.venue.limits import MAXIMUM_INSTRUMENTS, MAXIMUM_PROFILES
from undertow.venue.matching import Taker, _record, cancel_order
from undertow.venue.memory import aligned_zeros
from undertow.venue.records import COMMAND, RESULT, Cause, CommandKind, EventKind, InstrumentKind
from undertow.venue.state import (
    CAUSES,
    COUNT_HOLDINGS,
    COUNT_HOUSE,
    COUNT_ORDERS,
    COUNT_PAGES,
    COUNT_PENDING,
    COUNT_POSTINGS,
    COUNTERS,
    MAXIMUM_LINK,
    State,
    allocate,
)

APPENDED = {"FILLS", "POSTINGS", "EVENTS", "HOLDINGS", "ORDERS", "PAGES", "PENDING", "DIRTY", "BANKRUPT"}


@kernel
def deposit_often(state: State, account: int, times: int) -> int:
    """Many postings in one call of a kernel."""
    for amount in range(1, times + 1):
        deposit(state, account, amount)
    return int(state.counters[COUNT_POSTINGS])


def test_a_log_grows_in_the_middle_of_a_kernel() -> None:
    """Five hundred postings in one call, where there was room for one: all are there with their figures."""
    state = small_venue()
    account = customer(state)
    shrink(state)
    assert len(state.postings) == 1
    assert deposit_often(state, account, 500) == 500
    assert state.postings["amount"][:500].tolist() == list(range(1, 501))
    assert set(state.postings["target"][:500].tolist()) == {account}
    assert not state.postings[500:]["amount"].any()


def test_without_memory_a_log_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(self: State, name: str, capacity: int) -> None:
        raise MemoryError

    state = small_venue()
    account = customer(state)
    shrink(state)
    deposit(state, account, 1)
    monkeypatch.setattr(State, "grow", exhausted)
    with pytest.raises(CapacityError, match="postings: no memory is left for more; drain the log more often"):
        deposit(state, account, 1)


def test_an_interruption_while_a_log_grows_comes_when_the_batch_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine(load_rulebook("binance-2025"), instruments=1, accounts=64)
    account = engine.open(1)
    shrink(engine.state)
    grow, interruptions = State.grow, [KeyboardInterrupt()]

    def interrupted(self: State, name: str, capacity: int) -> None:
        if interruptions and name == "postings":
            raise interruptions.pop()
        grow(self, name, capacity)

    monkeypatch.setattr(State, "grow", interrupted)
    deposits = np.concatenate([command(CommandKind.DEPOSIT, account=account, size=5) for _ in range(3)])
    with pytest.raises(KeyboardInterrupt):
        engine.submit(deposits)
    assert engine.state.accounts["cash"][account] == 15  # nothing was lost on the way
    engine.submit(deposits)
    assert engine.state.accounts["cash"][account] == 30


@pytest.mark.parametrize(
    ("arena", "counter", "name"),
    [(HOLDINGS, COUNT_HOLDINGS, "holdings"), (ORDERS, COUNT_ORDERS, "orders"), (PAGES, COUNT_PAGES, "pages")],
)
def test_what_stays_in_its_place_is_named_when_it_is_full(arena: int, counter: int, name: str) -> None:
    state = allocate(1, 1, 1, 1)
    state.counters[counter] = length = len(state.page_next) if name == "pages" else 1
    with pytest.raises(CapacityError, match=f"^{name}: full in the middle of a command"):
        next_place(state, arena, counter)
    assert state.counters[counter] == length


def test_lists_stop_at_their_end() -> None:
    state = allocate(1, 1, 1, 1)
    assert next_place(state, PENDING, COUNT_PENDING) == 0
    with pytest.raises(CapacityError, match="longer than there are accounts"):
        next_place(state, PENDING, COUNT_PENDING)
    check_list(3, 4, STAGE_LIST)
    with pytest.raises(CapacityError, match="a list of a stage is full"):
        check_list(4, 4, STAGE_LIST)


def test_links_reach_as_far_as_an_arena_grows() -> None:
    state = allocate(1, 1, 1, 1)
    with pytest.raises(CapacityError, match=f"orders: {MAXIMUM_LINK + 1} records are more than"):
        state.grow("orders", MAXIMUM_LINK + 1)


def test_a_batch_goes_on_from_the_command_that_had_no_room() -> None:
    """Six hundred orders on three hundred prices, from arenas of one record, as from roomy ones."""
    commands = np.zeros(600, COMMAND)
    place = np.arange(600)
    commands["account"] = 16 + place % 4
    commands["side"] = np.where(place % 2, 1, -1)
    commands["price"] = np.where(place % 2, 100 - place % 90, 101 + place)
    commands["size"] = 1
    commands["self_trade"] = -1
    outcomes = []
    for tiny in (False, True):
        desk = Desk(cash=10_000_000)
        if tiny:
            shrink(desk.state)
        results = np.zeros(len(commands), RESULT)
        execute(desk.state, commands, results)
        desk.check()
        outcomes.append((results.tobytes(), desk.state.orders["price"][:600].tobytes()))
        assert (results["code"] == ACCEPTED).all()
    assert outcomes[0] == outcomes[1]


def test_only_one_function_takes_a_place() -> None:
    """Nobody else moves the length of an arena on, and nobody names an array before its place is taken."""
    offences = []
    for path in python_files("src"):
        for node in ast.walk(syntax(path)):
            targets = node.targets if isinstance(node, ast.Assign) else []
            targets = [node.target] if isinstance(node, ast.AugAssign) else targets
            for target in targets:
                counted = isinstance(target, ast.Subscript) and _counter(target) in APPENDED
                emptied = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
                given_back = isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub)
                if counted and not emptied and not given_back:
                    offences.append(f"{label(path)}:{node.lineno} moves the length of an arena on")
            if isinstance(node, ast.Subscript) and "next_place(" in ast.unparse(node.slice):
                offences.append(f"{label(path)}:{node.lineno} names an array before its place is taken")
    report(offences)


def _counter(target: ast.Subscript) -> str:
    name = target.slice.id if isinstance(target.slice, ast.Name) else ""
    return name.removeprefix("COUNT_") if name.startswith("COUNT_") else ""


PROGRAM = """
import sys
from undertow._jit import kernel
from undertow.venue.state import State, allocate


@kernel
def read(state: State, place: int) -> int:
    return int(state.postings[place].amount)


@kernel
def write(state: State, place: int) -> int:
    state.counters[place] = 7
    return 0


@kernel
def write_record(state: State, place: int) -> int:
    row = state.accounts[place]
    row.cash = 7
    return 0


@kernel
def add(state: State, place: int) -> int:
    state.cause_totals[place, 0] += 7
    return 0


state = allocate(1, 1, 1, 1)
for run, length in ((read, len(state.postings)), (write, len(state.counters)), (write_record, 1), (add, 16)):
    run(state, length - 1)
    for place in (length, 1 << 40, -length - 1):
        try:
            run(state, place)
        except IndexError:
            continue
        sys.exit(f"{run.__name__} at {place} of {length} went unnoticed")
"""


def test_under_the_switch_an_index_out_of_range_raises(tmp_path: Path, repository: Path) -> None:
    """Also on a warm cache: the kernels without checks, compiled first, are another folder's."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(repository / "src"), "UNDERTOW_CACHE_DIR": str(tmp_path)}
    environment.pop("NUMBA_DISABLE_JIT", None)
    warm = PROGRAM.replace("(length, 1 << 40, -length - 1)", "()")
    (tmp_path / "warm.py").write_text(warm)
    for file, switches in (("warm.py", {}), ("program.py", {"NUMBA_BOUNDSCHECK": "1"})):
        run = [sys.executable, str(tmp_path / file)]
        done = subprocess.run(
            run, capture_output=True, text=True, check=False, env={**environment, **switches}
        )
        assert (done.returncode, done.stderr) == (0, "")


# ---- limits are compared where they are declared


def test_more_settlement_assets_than_the_tables_have_rows_are_refused() -> None:
    names = {f"COIN{number}": 8 for number in range(17)}
    message = "settlements has 17 assets; give 1 to 16"
    with pytest.raises(InputError) as refused:
        Venue("binance-2025", settlements=names)
    assert str(refused.value) == message
    with pytest.raises(InputError, match="settlements has 0 assets; give 1 to 16"):
        Venue("binance-2025", settlements={})
    names.pop("COIN16")
    venue = Venue("binance-2025", settlements=names)
    account = venue.open_account(settlement="COIN15")
    assert venue.deposit(account, "COIN15", "3").accepted
    assert venue.audit()["COIN15"] == 3


@pytest.mark.parametrize("instruments", [0, MAXIMUM_INSTRUMENTS + 1])
def test_no_more_instruments_than_their_numbers_reach(instruments: int) -> None:
    with pytest.raises(InputError, match=f"lists 1 to {MAXIMUM_INSTRUMENTS} instruments, not {instruments}"):
        Engine(load_rulebook("binance-2025"), instruments=instruments)


def test_no_more_profiles_than_a_word_has_bits() -> None:
    rulebook = load_rulebook("binance-2025")
    profile = next(iter(rulebook.profiles.values()))
    many = rulebook.model_copy(
        update={"profiles": {f"p{number}": profile for number in range(MAXIMUM_PROFILES + 1)}}
    )
    with pytest.raises(RulebookError, match="there are 63; a venue has room for 62, so merge some"):
        write_profiles(allocate(1, 1, 1, 1), many)


def test_every_code_has_its_place() -> None:
    assert len(Cause) <= CAUSES
    assert max(EventKind) < 1 << 7


def test_every_counter_has_a_slot_of_its_own() -> None:
    """Two names for one slot count each other."""
    source = Path(state_module.__file__).read_text()
    block = source.partition("# Slots of State.counters.")[2].partition("COUNTERS =")[0]
    slots = {name: int(slot) for name, slot in re.findall(r"^([A-Z_]+) = (\d+)", block, re.MULTILINE)}
    assert slots["COUNT_HOUSE"] == COUNT_HOUSE
    assert len(set(slots.values())) == len(slots) > 25
    assert max(slots.values()) < COUNTERS


def listing(name: str, tick: str, margin_class: str = "BTC", lot: str = "0.001") -> Listing:
    return Listing(
        name, InstrumentKind.LINEAR, margin_class, Decimal(tick), Decimal(lot), Decimal(100), asset=""
    )


@pytest.mark.parametrize(
    ("tick", "lot"),
    [
        ("0.000001", "0.000001"),  # a tick of a lot is no whole unit
        ("0.000000001", "1000"),  # more ticks than a book holds
    ],
)
def test_a_refused_listing_leaves_nothing_for_the_next_in_its_place(tick: str, lot: str) -> None:
    """Neither figures nor tiers: the venue is as one that was never asked."""
    engines = [Engine(load_rulebook("binance-2025"), instruments=2, accounts=64) for _ in range(2)]
    with pytest.raises(UndertowError):
        engines[0].list(listing("X-PERP", tick, lot=lot))
    for engine in engines:
        assert engine.list(listing("FLAT-PERP", "0.01", "nobody knows this one")) == 0
    for name in ("instruments", "tiers", "markets", "books", "bits", "page_table"):
        assert getattr(engines[0].state, name).tobytes() == getattr(engines[1].state, name).tobytes()
    assert engines[0].state_hash() == engines[1].state_hash()


# ---- nothing goes on from the middle of a step


def test_a_venue_that_was_stopped_in_a_step_says_so_until_it_is_restored() -> None:
    engine = Engine(load_rulebook("binance-2025"), instruments=1, accounts=64)
    engine.list(listing("BTC-PERP", "0.01"))
    prices = np.array([[10_000]])
    engine.step(1_000, prices)
    saved, before = engine.snapshot(), engine.state_hash()

    def broken(_engine: Engine, _seconds: int) -> None:
        raise ZeroDivisionError

    engine.dispose, dispose = broken, engine.dispose  # type: ignore[assignment]
    with pytest.raises(ZeroDivisionError):
        engine.step(2_000, prices)
    engine.dispose = dispose
    for go_on in (lambda: engine.step(3_000, prices), lambda: engine.submit(np.zeros(1, COMMAND))):
        with pytest.raises(InvariantError, match="stopped in the middle of its work at step 2; restore a"):
            go_on()
    engine.restore(saved)
    assert engine.state_hash() == before
    engine.step(2_000, prices)


@pytest.mark.parametrize("shape", [(1, 1), (2, 0), (2, 2), (3,), (2, 1, 2)])
def test_prices_of_a_wrong_shape_change_nothing(shape: tuple[int, ...]) -> None:
    """An array wider than the venue has constituents was read beyond the end of their weights."""
    engine = Engine(load_rulebook("binance-2025"), instruments=2, accounts=64)
    for name in ("BTC-PERP", "ETH-PERP"):
        engine.list(listing(name, "0.01"))
    before = engine.state_hash()
    with pytest.raises(InputError, match=r"outside prices are an array of 2 instruments x 1 constituents"):
        engine.step(1_000, np.full(shape, 10_000))
    with pytest.raises(InputError, match="ages"):
        engine.step(1_000, np.full((2, 1), 10_000), np.zeros(shape, np.int64))
    assert engine.state_hash() == before
    engine.step(1_000, np.array([10_000, 10_000]))


def test_records_that_nobody_uses_are_zero_after_growing() -> None:
    state = small_venue()
    state.bind("events", aligned_zeros(3, State.LAYOUT["events"][0]))
    state.events["amount"] = DOLLAR  # left over from before a drain
    state.grow("events", 4)
    assert not state.events["amount"].any()


def test_a_broken_book_stops_the_venue() -> None:
    """A level's total that is not its orders', and a fill of nothing, are told where they happen."""
    desk = Desk()
    order = desk.buy(desk.wallets[0], 5, 90).order
    slot = order & 0xFFFFFFFF
    desk.state.pages["size"][desk.state.orders["level"][slot]] += 1
    with pytest.raises(InvariantError, match="a price level without orders has a size"):
        cancel_order(desk.state, slot)
    taker = Taker(desk.wallets[1], LINEAR, 1, 100, 5, 0, 0, 0)
    for lots in (0, -1, 6):
        with pytest.raises(InvariantError, match="a fill of nothing, or of more than rests"):
            _record(desk.state, taker, slot, lots, -1)
