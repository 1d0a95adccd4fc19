"""Two venues side by side: each a whole run, in one world, and nothing depends on which moves first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tidy_rules import ROOT
from undertow.case.load import load_case
from undertow.errors import CaseError
from undertow.lab.compare import compare
from undertow.lab.progress import Silent
from undertow.lab.run import RunResult, run_case
from undertow.lab.stopwatch import Stopwatch
from undertow.lab.venues import Running, Venues, build_venues, play_second, view_of
from undertow.tape import RunFolder, Tape
from undertow.views.report import write_report

SMALL = ROOT / "docs/how-to/small-crash.toml"
# The fall, without what follows it; nobody else ties the first venue to the outside, so a gap opens.
SHORT = {
    "end": "2025-01-01T12:02:10Z",
    "crowd.arbitrage.active": "false",
    "beside.crowd.arbitrage.active": "true",
}


class Interrupting(Silent):
    """Presses Ctrl-C after forty steps."""

    left = 40

    def advance(self, steps: int = 1) -> None:
        """Count down."""
        self.left -= steps
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run_case(SMALL, SHORT, out=tmp_path_factory.mktemp("runs"), beside=True)


def second(result: RunResult) -> RunResult:
    assert result.beside is not None
    return result.beside


def test_both_venues_are_whole_runs(pair: RunResult) -> None:
    assert second(pair).folder == pair.folder / "beside"
    expected = (("small-crash", "binance-2025", 300, ["btc-low", "btc-low-time"]),
                ("small-crash-beside", "hyperliquid-2025", 150, ["beside-btc-low"]))  # fmt: skip
    for result, (name, rulebook, accounts, facts) in zip((pair, second(pair)), expected, strict=True):
        folder = RunFolder.open(result.folder)
        record = folder.read()
        assert (record["status"], record["steps_done"], record["case"]) == ("complete", 130, name)
        assert (record["rulebook"], record["accounts"]) == (rulebook, accounts)
        assert result.score is not None and [row.id for row in result.score.rows] == facts
        assert load_case(folder.path / "case.toml").name == name
        page = write_report(folder).read_text()
        assert "The books do not balance" not in page
        assert "Both waterfalls, minute by minute" in page and f'{record["other_venue"]}/report.html"' in page
        own = "../case.toml" if folder.path.name == "beside" else "case.toml"
        assert f"<pre>undertow run {own} --seed 1 --beside</pre>" in page
        assert (folder.path / record["other_venue"] / "run.json").is_file()
        with Tape(folder) as tape:
            assert tape.content_hash() == record["hashes"]["tape"]
            assert tape.value("select sum(liquidated) from accounts") > 0


def test_both_see_the_same_outside(pair: RunResult) -> None:
    question = "select outside_ticks from series join instruments using (instrument) where name = 'BTC-PERP'"
    with Tape(pair.folder) as first, Tape(second(pair).folder) as other:
        assert first.rows(f"{question} order by time_ms") == other.rows(f"{question} order by time_ms")
    assert any(row.differs for row in compare(pair.folder, second(pair).folder).rows)


def test_firms_trade_between_them_and_carry_no_more_than_they_took(pair: RunResult) -> None:
    moved = []
    for result in (pair, second(pair)):
        with Tape(result.folder) as tape:
            group = tape.record["groups"].index("two-venue firm")
            moved.append(
                tape.rows(
                    f'select count(*), sum(deposits), sum(withdrawals) from accounts where "group" = {group}'
                )[0]
            )
            traded = tape.value(
                "select count(*) from fills where taker in "
                f'(select account from accounts where "group" = {group})'
            )
            assert traded > 0
    assert moved[0][0] == moved[1][0] == 6
    assert moved[0][1] <= moved[1][2] and moved[1][1] <= moved[0][2]


def test_a_second_run_is_the_same_to_the_byte(pair: RunResult, tmp_path: Path) -> None:
    again = run_case(SMALL, SHORT, out=tmp_path, beside=True)
    for before, after in ((pair, again), (second(pair), second(again))):
        hashes = [RunFolder.open(result.folder).read()["hashes"] for result in (before, after)]
        assert hashes[0] == hashes[1]


def stepped(venues: Venues, out: Path, steps: int, backwards: bool) -> list[str]:
    """Both venues' hashes after some steps, the second venue moving first or last."""
    running = tuple(
        Running(built, RunFolder.create(out / str(number), {})) for number, built in enumerate(venues.built)
    )
    between, watch = venues.between, Stopwatch()
    assert between is not None
    for step in range(1, steps + 1):
        if not backwards:
            play_second(running, between, step, watch)
            continue
        views = (view_of(running[0].built, step), view_of(running[1].built, step))
        between.look(views)
        spoken = [venue.built.crowd.act(view) for venue, view in zip(running, views, strict=True)]
        for side in (1, 0):
            between.heard(side, spoken[side], running[side].act(views[side], spoken[side], watch))
    return [venue.built.engine.state_hash() for venue in running]


def test_the_order_within_a_second_changes_nothing(tmp_path: Path) -> None:
    case = load_case(SMALL, SHORT)
    hashes = [
        stepped(build_venues(case, None, 1, True), tmp_path / str(backwards), 90, backwards)
        for backwards in (False, True)
    ]
    assert hashes[0] == hashes[1]


def test_without_firms_between_them_the_first_venue_is_as_if_alone(tmp_path: Path) -> None:
    case = load_case(SMALL, {**SHORT, "beside.between.active": False})
    alone = build_venues(case, None, 1, False)
    both = build_venues(case, None, 1, True)
    np.testing.assert_array_equal(alone.built[0].outside_usd, both.built[0].outside_usd)
    prices = []
    for venues in (alone, both):
        running = tuple(
            Running(built, RunFolder.create(tmp_path / f"{len(venues.built)}-{number}", {}))
            for number, built in enumerate(venues.built)
        )
        for step in range(1, 71):
            play_second(running, venues.between, step, Stopwatch())
        markets = running[0].built.engine.state.markets
        prices.append(markets[["last", "mark", "best_bid", "best_ask", "open_interest"]].tolist())
    assert prices[0] == prices[1]


def test_an_interrupted_pair_can_be_read(tmp_path: Path) -> None:
    cut = run_case(SMALL, out=tmp_path, progress=Interrupting(), beside=True)
    for result in (cut, second(cut)):
        record = RunFolder.open(result.folder).read()
        assert (result.status, record["status"], record["steps_done"]) == ("partial", "partial", 40)
        with Tape(result.folder) as tape:
            assert tape.content_hash() == record["hashes"]["tape"]


def test_a_case_without_a_second_venue_says_so(tmp_path: Path) -> None:
    path = tmp_path / "alone.toml"
    path.write_text(SMALL.read_text().partition("[beside]")[0])
    with pytest.raises(CaseError, match=r"small-crash: has no second venue; give it a table \[beside\]"):
        run_case(path, out=tmp_path / "runs", beside=True)
    assert not (tmp_path / "runs").exists()
