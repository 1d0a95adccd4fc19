"""A small case, whole: played, recorded, scored, reported; the same to the byte however it is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tidy_rules import ROOT
from undertow.errors import CaseError, DataError
from undertow.lab import venues
from undertow.lab.build import Built, build
from undertow.lab.compare import compare
from undertow.lab.outcomes import read_summary
from undertow.lab.progress import Silent
from undertow.lab.run import RunResult, run_case
from undertow.lab.score import read_score
from undertow.tape import RunFolder, Tape
from undertow.venue.records import Role
from undertow.venue.state import COUNT_ACCOUNTS, COUNT_HOLDINGS
from undertow.views.report import write_report
from undertow.views.report.money import fund_statement, shortfalls, who_paid

SMALL = ROOT / "docs/how-to/small-crash.toml"
SHORT = {"end": "2025-01-01T12:02:10Z"}  # the fall, without what follows it

# One thread wherever there may be several; prints the hashes.
ONE_THREAD = """
import json, os, sys
from pathlib import Path
import duckdb
connect = duckdb.connect
duckdb.connect = lambda path: connect(path, config={"threads": 1})
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from undertow.lab.run import run_case
folder = run_case(sys.argv[1], out=Path(sys.argv[2])).folder
sys.stdout.write(json.dumps(json.loads((folder / "run.json").read_text())["hashes"]))
"""


class Watched:
    """A run and the venue it ended with."""

    def __init__(self, result: RunResult, built: Built) -> None:
        self.result, self.built = result, built
        self.folder = RunFolder.open(result.folder)
        self.hashes: dict[str, str] = self.folder.read()["hashes"]


class Interrupting(Silent):
    """Presses Ctrl-C after some steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, steps: int = 1) -> None:
        """Count down."""
        self.left -= steps
        if self.left == 0:
            raise KeyboardInterrupt


def watched(out: Path, *, oracle: bool = False, **options: Any) -> Watched:
    """Run the small case and keep hold of its venue."""
    kept: list[Built] = []

    def keep(*arguments: Any) -> Built:
        kept.append(build(*arguments))
        kept[0].engine.oracle = oracle
        return kept[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(venues, "build", keep)
        result = run_case(SMALL, out=out, **options)
    return Watched(result, kept[0])


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def whole(out: Path) -> Watched:
    return watched(out)


@pytest.fixture(scope="module")
def short(out: Path) -> Watched:
    return watched(out, settings=SHORT)


def test_a_run_is_complete_and_says_what_it_was(whole: Watched) -> None:
    assert whole.result.status == "complete"
    record = whole.folder.read()
    assert whole.folder.name == "small-crash-1"
    assert (record["status"], record["steps_done"], record["steps_total"]) == ("complete", 180, 180)
    assert (record["case"], record["rulebook"], record["seed"], record["accounts"]) == (
        "small-crash", "binance-2025", 1, 300,
    )  # fmt: skip
    assert all(len(value) >= 16 for value in whole.hashes.values())
    assert sorted(whole.hashes) == ["crowd", "tape", "venue"]
    with Tape(whole.folder) as tape:
        assert tape.content_hash() == whole.hashes["tape"]
        assert tape.value("select count(*) from series") == 180 * 3
        assert tape.value("select max(time_ms) from series") == 180_000


def test_the_crash_happened(whole: Watched) -> None:
    """Otherwise nothing below proves anything."""
    with Tape(whole.folder) as tape:
        assert tape.value("select count(*) from fills") > 1_000
        assert tape.value("select sum(liquidated) from accounts") > 5
        assert tape.value("select count(distinct kind) from events") >= 5
        low, start = tape.rows(
            "select min(last_ticks), arg_min(outside_ticks, time_ms) from series where instrument = 0"
        )[0]
    assert 0.7 < low / start < 0.85


def test_the_books_balance(whole: Watched) -> None:
    state = whole.built.engine.state
    whole.built.engine.audit()
    accounts = state.accounts[: state.counters[COUNT_ACCOUNTS]]
    assert sum(accounts["cash"].tolist()) == int(state.net_deposits[0])
    holdings = state.holdings[: state.counters[COUNT_HOLDINGS]]
    for instrument in (0, 1):
        rows = holdings[holdings["instrument"] == instrument]
        assert len(rows) > 100
        assert sum(rows["size"].tolist()) == 0
        assert sum(rows["quote"].tolist()) == 0
    customers = accounts["role"] == int(Role.CUSTOMER)
    assert not (customers & (accounts["cash"] < 0) & (accounts["first_holding"] < 0)).any()


def test_what_is_won_is_lost(whole: Watched) -> None:
    """Over all accounts, results are what the spot assets held gained or lost by their mark."""
    state = whole.built.engine.state
    spot = state.holdings[: state.counters[COUNT_HOLDINGS]]
    held = sum(spot["size"][spot["instrument"] == 2].tolist())
    with Tape(whole.folder) as tape:
        result = tape.value("select sum(equity_end - equity_start - deposits + withdrawals) from accounts")
        last = tape.value("select arg_max(mark_ticks, time_ms) from series where instrument = 2")
        stock = tape.value(
            "select sum(value - lots * unit * mark_ticks) from held join instruments using (instrument) "
            "join series using (time_ms, instrument) join accounts using (account) "
            "where instrument = 2 and role >= 8 and time_ms = (select max(time_ms) from house)"
        )
        start = tape.value("select outside_start_ticks from instruments where instrument = 2")
        unit = tape.value("select unit from instruments where instrument = 2")
        paid = who_paid(tape)
    assert held > 0
    assert result == held * unit * (last - start) + (stock or 0)  # what the house holds has its own price
    assert (paid.total, paid.revalued, paid.difference) == (result, result, 0)


def test_the_house_s_stock_has_one_price(whole: Watched) -> None:
    """Its assets are worth the median of five minutes' marks in every table, and its equity is one."""
    with Tape(whole.folder) as tape:
        held = tape.rows(
            "select h.account, h.instrument, h.lots * i.unit, h.value from held h join instruments i "
            "using (instrument) join accounts a using (account) where i.kind = 'spot' and a.role >= 8 "
            "and h.time_ms = (select max(time_ms) from house)"
        )
        for _account, instrument, units, value in held:
            marks = tape.rows(
                f"select mark_ticks from series where instrument = {instrument} "
                "and time_ms > (select max(time_ms) from series) - 300000 order by 1"
            )
            start = tape.value(f"select outside_start_ticks from instruments where instrument = {instrument}")
            seen = sorted(
                [int(start), *(int(mark) for (mark,) in marks)]
            )  # the run is shorter than the window
            assert value == units * seen[(len(seen) - 1) // 2]
        assert held
        at_the_end = "select account, equity from house where time_ms = (select max(time_ms) from house)"
        assert tape.rows(f"{at_the_end} order by 1") == tape.rows(
            f"select account, equity_end from accounts where account in (select account from ({at_the_end})) "
            "order by 1"
        )


def test_what_the_fund_paid_is_said_once(whole: Watched) -> None:
    """Its statement and the table of shortfalls have the same payments."""
    with Tape(whole.folder) as tape:
        lines = {line.label: line.amount for line in fund_statement(tape)}
        covered = shortfalls(tape)
    assert sum(one.by_fund for one in covered) == -lines.get("Paid by the insurance fund", 0)


def test_the_inventory_of_leverage_leaves_nobody_out(whole: Watched) -> None:
    """Own money by layers, at the start and at the end, is what all customers' accounts are worth."""
    with Tape(whole.folder) as tape:
        listed = tape.rows(
            "select sum(accounts), sum(equity) from leverage group by time_ms order by time_ms"
        )
        worth = tape.rows("select count(*), sum(equity_start), sum(equity_end) from accounts where role = 0")[
            0
        ]
    assert listed == [(worth[0], worth[1]), (worth[0], worth[2])]


def test_the_run_is_scored_and_summarised(whole: Watched) -> None:
    score = read_score(whole.folder)
    assert score is not None and whole.result.score is not None
    assert [row.id for row in score.rows] == ["btc-low", "btc-low-time"]
    assert score.passed
    summary = {row.name: row.value for row in read_summary(whole.folder) or [] if not row.instrument}
    with Tape(whole.folder) as tape:
        assert summary["liquidated_accounts"] == tape.value("select sum(liquidated) from accounts")


def test_a_summary_of_other_code_is_not_taken(whole: Watched, tmp_path: Path) -> None:
    kept = whole.folder.read_json("summary.json")
    older = RunFolder(tmp_path)
    older.write_json("summary.json", {**kept, "code_hash": "0123456789abcdef"})
    assert read_summary(older) is None
    older.write_json("summary.json", kept)
    assert read_summary(older) == read_summary(whole.folder)


def test_the_run_is_reported(whole: Watched) -> None:
    page = write_report(whole.folder).read_text()
    assert "Three minutes on a small venue" in page
    assert "BTC, time of the lowest trade" in page
    assert "The books do not balance" not in page and "Partial run" not in page


def test_a_second_run_is_the_same_to_the_byte(whole: Watched, out: Path) -> None:
    again = watched(out)
    assert again.folder.name == "small-crash-1-2"
    assert again.hashes == whole.hashes
    names = sorted(path.name for path in whole.folder.path.iterdir() if path.suffix != ".html")
    for name in names:
        if name != "timing.json":  # wall time
            assert (again.folder.path / name).read_bytes() == (whole.folder.path / name).read_bytes(), name
    assert "case.toml" in names and "fills.parquet" in names
    assert not any(row.differs for row in compare(whole.folder.path, again.folder.path).rows)


def test_threads_and_processes_change_nothing(whole: Watched, out: Path, tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", ONE_THREAD, str(SMALL), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "NUMBA_NUM_THREADS": "1", "PYTHONHASHSEED": "7"},
    )
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout) == whole.hashes


def test_the_run_folder_holds_its_own_case(short: Watched, tmp_path: Path) -> None:
    """Playing the copy beside the tape gives the same run, overrides and all."""
    again = run_case(short.folder.path / "case.toml", out=tmp_path)
    assert RunFolder.open(again.folder).read()["hashes"] == short.hashes


def test_danger_by_full_scan_gives_the_same_venue(short: Watched, out: Path) -> None:
    scanned = watched(out, settings=SHORT, oracle=True)
    assert scanned.hashes == short.hashes


def test_another_seed_is_another_crowd(short: Watched, out: Path) -> None:
    other = watched(out, settings=SHORT, seed=2)
    assert other.hashes["venue"] != short.hashes["venue"]
    assert other.hashes["tape"] != short.hashes["tape"]


def test_a_change_of_one_rule_leaves_the_outside_as_it_was(short: Watched, out: Path) -> None:
    other = watched(out, settings={**SHORT, "rulebook.allocation.policy": "bad-debt"})
    assert other.hashes["venue"] != short.hashes["venue"]
    np.testing.assert_array_equal(other.built.outside_ticks, short.built.outside_ticks)


def test_an_interrupted_run_can_be_read(whole: Watched, out: Path) -> None:
    cut = watched(out, progress=Interrupting(100))
    assert cut.result.status == "partial" and cut.result.score is None
    record = cut.folder.read()
    assert (record["status"], record["steps_done"], record["steps_total"]) == ("partial", 100, 180)
    with Tape(cut.folder) as tape, Tape(whole.folder) as full:
        assert tape.content_hash() == record["hashes"]["tape"]
        question = "select * from series where time_ms <= 100000 order by time_ms, instrument"
        assert tape.rows(question) == full.rows(question)
        assert tape.value("select max(time_ms) from fills") <= 100_000
    cut.built.engine.audit()
    assert "Partial run" in write_report(cut.folder).read_text()


def test_facts_that_cannot_be_measured_are_refused_before_the_run(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(SMALL.read_text().replace('"time_of_low"', '"time_of_lows"'))
    with pytest.raises(CaseError, match="no measure is called 'time_of_lows'; did you mean 'time_of_low'"):
        run_case(path, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_damaged_tape_is_noticed(out: Path) -> None:
    cut = watched(out, progress=Interrupting(20))
    (cut.folder.path / "fills.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"fills\.parquet"):
        Tape(cut.folder)
