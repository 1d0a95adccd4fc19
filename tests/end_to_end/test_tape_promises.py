"""What documents and enumerations promise of the tape, some run writes; what none writes is not promised.

A dozen small venues fall under different rulebooks. Every event kind and every cause that has a name must
stand in the log of one of them, and a small case must write every table that the page on tapes lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.small_venue import DOLLAR, customer, open_position
from tidy_rules import ROOT
from undertow.errors import InputError, Rejection
from undertow.lab.run import run_case
from undertow.rulebook.load import load_rulebook, with_overrides
from undertow.tape import RunFolder, Tape
from undertow.tape.schema import FULL, LAB, TABLES
from undertow.venue.compile import Listing
from undertow.venue.engine import Drained, Engine
from undertow.venue.facade import Venue
from undertow.venue.ledger import deposit, deposit_asset
from undertow.venue.records import (
    COMMAND,
    REFUSAL_CODES,
    Cause,
    CommandKind,
    EventKind,
    InstrumentKind,
    Role,
)
from undertow.venue.state import HOUSE_FUND, HOUSE_VAULT

CENT, LOT = Decimal("0.01"), Decimal("0.0001")
COIN = 10_000  # lots
DOCUMENT = ROOT / "docs" / "how-to" / "tape-and-facts.md"
SMALL = ROOT / "docs/how-to/small-crash.toml"

# Rulebook, changes, settlement units in the fund: between them they reach every stage.
CRASHES: list[tuple[str, dict[str, Any], int]] = [
    ("binance-2025", {}, 5_000 * DOLLAR),
    ("binance-2025", {"allocation.policy": "clawback"}, 0),
    ("binance-2025", {"allocation.policy": "socialised"}, 0),
    ("binance-2025", {"allocation.policy": "bad-debt"}, 0),
    ("hyperliquid-2025", {}, 0),
    ("ftx-2022", {}, 1_000 * DOLLAR),
    ("dydx-v4", {}, 20_000 * DOLLAR),
]
HALT = {
    "scope": "matching",
    "start": {"kind": "move", "ppm": 30_000, "seconds": 60},
    "end": {"kind": "elapsed", "seconds": 5},
}


def orders(account: int, quotes: Iterable[tuple[int, int, int]]) -> np.ndarray[Any, Any]:
    """All of an account's orders withdrawn, then one order for each (side, lots, ticks)."""
    quotes = list(quotes)
    commands = np.zeros(1 + len(quotes), COMMAND)
    commands["account"], commands["self_trade"] = account, -1
    commands["kind"][0], commands["instrument"][0] = CommandKind.CANCEL_ALL, -1
    for command, (side, lots, ticks) in zip(commands[1:], quotes, strict=True):
        command["side"], command["size"], command["price"] = side, lots, ticks
    return commands


def fallen(preset: str, changes: dict[str, Any], fund: int) -> Drained:
    """Forty leveraged longs of a contract at 10,000, an asset beside it, and a sudden fall of 20 %."""
    rulebook = with_overrides(load_rulebook(preset), changes)
    engine = Engine(rulebook, instruments=2, accounts=512, seed=11)
    kind = rulebook.margin.default
    engine.list(Listing("X-PERP", InstrumentKind.LINEAR, kind, CENT, LOT, Decimal(10_000)))
    asset = next(iter(rulebook.collateral), "COIN")
    engine.list(Listing("COIN", InstrumentKind.SPOT, asset, CENT, LOT, Decimal(10_000), asset=asset))
    engine.pricing.first_funding(30)
    engine.interest_ppb_per_hour, engine.next_interest_ms = 10_000, 45_000
    state = engine.state
    if fund:
        deposit(state, HOUSE_FUND, fund)
    if rulebook.backstop.kind == "vault":
        deposit(state, HOUSE_VAULT, 400_000 * DOLLAR)
    if rulebook.backstop.kind == "providers":
        engine.liquidate.provide(state, 2, 20_000 * DOLLAR)  # type: ignore[attr-defined]
        engine.liquidate.give_volumes(np.array([2_000 * COIN, 0], np.int64))  # type: ignore[attr-defined]
    for number in range(40):
        account = customer(state, 700 + 45 * number)
        open_position(state, account, (1 + number % 3) * COIN, 1_000_000)
        engine.submit(orders(account, [(1, 100, 500_000)]))
    debtor = customer(state, -31_000)
    deposit_asset(state, debtor, 1, 10 * COIN)
    buyer, maker = customer(state, 10_000_000), customer(state, 100_000_000)
    bid = orders(buyer, [(1, 20 * COIN, 990_000)])
    bid["instrument"][1:] = 1
    engine.submit(bid)
    for second in range(1, 91):
        price = 1_000_000 - 4_000 * second if second < 8 else 800_000
        engine.submit(
            orders(
                maker,
                [(1, COIN // 2, price - 100), (1, COIN // 2, price - 2_000), (-1, COIN // 2, price + 100)],
            )
        )
        engine.step(second * 1_000, np.array([[price], [1_000_000]], np.int64))
    engine.audit()
    return engine.drain()


def halted_and_back() -> Drained:
    """A venue that halts matching on a fall, and closes withdrawals for a while after a wallet below zero."""
    changes = {
        "gates.halts": [HALT],
        "gates.withdrawals": {"kind": "after-negative-account", "seconds": 10},
        "allocation.policy": "bad-debt",
    }
    return fallen("binance-2025", changes, 0)


def short_of_means() -> Drained:
    """A bid at 100 of an account with 6, met when the mark stands at 97: it is taken off."""
    venue = Venue("dydx-v4")
    venue.list_perpetual("SOL-PERP", tick="0.01", lot="0.01", price="100")
    account, other = venue.open_account(), venue.open_account()
    for wallet, money in ((account, "6"), (other, "1000000")):
        venue.deposit(wallet, venue.rulebook.settlement, money)
    venue.place(account, "SOL-PERP", side="buy", size="1", price="100")
    venue.set_index("SOL-PERP", "97")
    venue.step(seconds=1)
    venue.place(other, "SOL-PERP", side="sell", size="1", price="100")
    return venue.engine.drain()


def asked_for() -> Drained:
    """Money in, between two wallets of one owner and out, and a withdrawal of more than there is."""
    engine = Engine(load_rulebook("binance-2025"), instruments=1, accounts=16)
    first = engine.open(1)
    second = engine.open(1)
    engine.state.accounts["owner"][second] = engine.state.accounts["owner"][first]
    commands = np.zeros(4, COMMAND)
    commands["account"], commands["counterparty"] = first, second
    commands["kind"] = [
        CommandKind.DEPOSIT, CommandKind.TRANSFER, CommandKind.WITHDRAW, CommandKind.WITHDRAW,
    ]  # fmt: skip
    commands["size"] = [100, 40, 30, 31]
    engine.submit(commands)
    return engine.drain()


@pytest.fixture(scope="module")
def logs() -> list[Drained]:
    return [*(fallen(*crash) for crash in CRASHES), halted_and_back(), short_of_means(), asked_for()]


def test_every_event_kind_is_written(logs: list[Drained]) -> None:
    written = {EventKind(int(kind)) for log in logs for kind in np.unique(log.events["kind"])}
    assert sorted(set(EventKind) - written) == []


def test_every_cause_is_written(logs: list[Drained]) -> None:
    written = {Cause(int(cause)) for log in logs for cause in np.unique(log.postings["cause"])}
    assert sorted(set(Cause) - written) == []


def test_a_refusal_says_who_wanted_what_and_why_not() -> None:
    refused = asked_for().events
    (row,) = refused[refused["kind"] == EventKind.REJECTION]
    assert divmod(int(row["detail"]), REFUSAL_CODES) == (CommandKind.WITHDRAW, Rejection.INSUFFICIENT_MARGIN)
    assert (row["amount"], row["counterparty"], row["instrument"], row["size"]) == (31, -1, -1, 0)


def test_refusals_stand_in_the_order_of_the_commands() -> None:
    """One event for each command that has a code, for every kind of command, with what was sent."""
    engine = Engine(load_rulebook("binance-2025"), instruments=1, accounts=16)
    account = engine.open(1)
    commands = np.zeros(20, COMMAND)
    commands["account"] = np.where(np.arange(20) % 2, account, 9_999)
    commands["kind"] = np.arange(20) // 2
    commands["instrument"], commands["size"], commands["order"], commands["side"] = 40, 5, 77, 1
    commands["counterparty"] = account
    results = engine.submit(commands)
    refused = engine.drain().events
    rows = np.flatnonzero(results["code"])
    assert len(rows) >= 17
    assert (
        refused["detail"] == commands["kind"][rows].astype(np.int64) * REFUSAL_CODES + results["code"][rows]
    ).all()
    assert (refused["account"] == commands["account"][rows]).all()
    of_orders = np.isin(commands["kind"][rows], [CommandKind.CANCEL, CommandKind.AMEND])
    assert (refused["amount"][of_orders] == 77).all()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    out = tmp_path_factory.mktemp("levels")
    return {
        level: RunFolder.open(run_case(SMALL, out=out / level, tape=level).folder) for level in (LAB, FULL)
    }


def test_every_table_is_written(runs: dict[str, RunFolder]) -> None:
    listed = set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", DOCUMENT.read_text(), re.MULTILINE))
    assert listed == set(TABLES) == set(runs[FULL].read()["tables"])


def test_the_full_tape_holds_what_the_other_does_and_each_posting(runs: dict[str, RunFolder]) -> None:
    with Tape(runs[LAB]) as lab, Tape(runs[FULL]) as full:
        assert (lab.record["tape"], full.record["tape"]) == (LAB, FULL)
        assert lab.record["hashes"]["venue"] == full.record["hashes"]["venue"]
        for table in sorted(set(TABLES) - {"postings"}):
            query = f"select * from {table}"
            assert lab.rows(query) == full.rows(query), table
        singly = f"cause in ({Cause.TRADE:d}, {Cause.FEE:d})"
        others = f"select * from postings where not {singly}"
        assert lab.rows(others) == full.rows(others)
        assert lab.value(f"select count(*) from postings where {singly}") == 0
        of_cash = (
            f"select cause, sum(amount) from postings where {singly} and asset < 1000 group by 1 order by 1"
        )
        summed = f"select cause, sum(amount) from causes where {singly} group by 1 order by 1"
        assert full.rows(of_cash) == lab.rows(summed) != []


def test_fees_add_up_posting_by_posting(runs: dict[str, RunFolder]) -> None:
    """The fee account ends with what was posted to it on a full tape, to the last unit."""
    with Tape(runs[FULL]) as tape:
        moved = tape.rows(
            "select sum(case when target = a.account then amount else -amount end), any_value(cash_end), "
            "any_value(equity_start) from postings p join accounts a on a.account in (source, target) "
            f"where asset < 1000 and a.role = {Role.FEES:d} group by a.account"
        )
        assert moved
        assert all(start + change == cash for change, cash, start in moved)


def test_a_level_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tape: 'everything' is no level of detail; one of lab, full"):
        run_case(SMALL, out=tmp_path, tape="everything")


def test_refusals_can_be_counted(runs: dict[str, RunFolder]) -> None:
    from undertow.lab.measures.losses import rejected_commands

    with Tape(runs[LAB]) as tape:
        found = tape.value(f"select count(*) from events where kind = {EventKind.REJECTION:d}")
        assert rejected_commands(tape).value == found > 0
