"""A small case at several seeds: the same bytes however many processes, and what a stop leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tidy_rules import ROOT
from undertow.lab.ensemble import Ensemble, read_ensemble, run_ensemble
from undertow.lab.progress import Silent
from undertow.lab.run import run_case
from undertow.tape import Tape
from undertow.views.cli import main

SMALL = ROOT / "docs/how-to/small-crash.toml"
SHORT = {"end": "2025-01-01T12:02:10Z", "accounts": 150}
SEEDS = range(3, 6)


class Interrupting(Silent):
    """Presses Ctrl-C after some steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, steps: int = 1) -> None:
        """Count down."""
        before, self.left = self.left, self.left - steps
        if before > 0 >= self.left:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("draws")


@pytest.fixture(scope="module")
def alone(out: Path) -> Ensemble:
    return run_ensemble(SMALL, SEEDS, SHORT, out=out / "alone")


def files_of(ensemble: Ensemble) -> dict[str, bytes]:
    assert ensemble.folder is not None
    return {
        str(path.relative_to(ensemble.folder)): path.read_bytes()
        for path in sorted(ensemble.folder.rglob("*"))
        if path.is_file() and path.name != "timing.json"
    }


def test_an_ensemble_says_what_it_was(alone: Ensemble) -> None:
    assert alone.folder is not None
    record = json.loads((alone.folder / "ensemble.json").read_text())
    assert (record["status"], record["accounts"], record["data"]) == ("complete", 150, "facts")
    assert [draw["seed"] for draw in record["draws"]] == [3, 4, 5]
    assert record["counts"]["predicted"]["total"] == len(record["facts"]) == 2
    assert (
        len({tuple(values) for values in zip(*(row["values"] for row in record["facts"]), strict=True)}) > 1
    )
    assert not list(alone.folder.rglob("*.parquet"))


def test_it_reads_back(alone: Ensemble) -> None:
    assert alone.folder is not None
    again = read_ensemble(alone.folder)
    assert again.spread == alone.spread
    assert again.draws == tuple(type(draw)(draw.seed, draw.folder, draw.score) for draw in alone.draws)


def test_two_processes_give_the_same_bytes(out: Path, alone: Ensemble) -> None:
    both = run_ensemble(SMALL, SEEDS, SHORT, out=out / "both", jobs=2)
    assert files_of(both) == files_of(alone)


def test_kept_tapes_are_those_of_single_runs(out: Path, alone: Ensemble) -> None:
    kept = run_ensemble(SMALL, [4], SHORT, out=out / "kept", keep_tapes=True)
    assert kept.folder is not None
    assert (kept.folder / "small-crash-4" / "fills.parquet").is_file()
    assert kept.draws[0].score == alone.draws[1].score


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_stopped_ensemble_keeps_what_is_done(out: Path, jobs: int) -> None:
    stop = Interrupting(300)
    found = run_ensemble(SMALL, range(6), SHORT, out=out / f"stopped-{jobs}", jobs=jobs, progress=stop)
    assert found.folder is not None
    assert found.status == "partial"
    assert 1 <= len(found.draws) < 6
    runs = sorted(path.name for path in found.folder.iterdir() if path.is_dir())
    assert runs == sorted(draw.folder for draw in found.draws)
    record = json.loads((found.folder / "ensemble.json").read_text())
    assert record["status"] == "partial"


def test_the_command_prints_the_facts_and_reads_the_folder_again(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [f"--set={key}={value}" for key, value in SHORT.items()]
    command = ["score", str(SMALL), "--draws", "2", "--jobs", "1", "--out", str(out / "command"), *settings]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "predicted facts met by the mean: " in printed
    assert "btc-low-time" in printed
    assert main(["score", str(out / "command" / "small-crash-draws")]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["oct-2025"], "oct-2025 is a case; say how many draws to score: --draws 8"),
        (["oct-2026", "--draws", "2"], "there is no such case"),
        (["runs/nothing"], "runs/nothing: no such run folder, and no case that ships; score takes"),
        (["oct-2025", "--draws", "0"], "--draws must be between 1 and 1000, not 0"),
        (["oct-2025", "--draws", "2", "--jobs", "0"], "--jobs must be between 1 and 64, not 0"),
        (["oct-2025", "--draws", "2", "--first-seed", "-1"], "--first-seed must be between 0 and"),
        (["oct-2025", "--draws", "2", "--case", "oct-2025"], "--case is for a run folder"),
        ([str(ROOT), "--draws", "2"], "--draws is for a case"),
        ([str(ROOT)], "not a run folder"),
    ],
)
def test_wrong_commands_are_one_message(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--out", str(tmp_path)] if "--draws" in arguments and arguments[0] != str(ROOT) else []
    assert main(["score", *arguments, *place]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def played(out: Path, **changes: object) -> tuple[Path, dict[str, str]]:
    folder = run_case(SMALL, {**SHORT, **changes}, seed=1, out=out).folder
    return folder, json.loads((folder / "run.json").read_text())["hashes"]


def holdings(folder: Path) -> list[tuple[object, ...]]:
    with Tape(folder) as tape:
        return tape.rows('select account, "group", equity_start from accounts order by account')


@pytest.fixture(scope="module")
def single(out: Path) -> tuple[Path, dict[str, str]]:
    """The short case at seed 1, with nothing changed."""
    return played(out)


def test_crowd_flow_and_order_are_redrawn_apart(out: Path, single: tuple[Path, dict[str, str]]) -> None:
    base, hashes = single
    for name in ("crowd", "flow", "order"):
        folder, other = played(out, **{f"draws.{name}": 1})
        assert other["venue"] != hashes["venue"]
        assert (holdings(folder) == holdings(base)) is (name != "crowd")
        with Tape(base) as one, Tape(folder) as two:
            outside = "select outside_ticks from series order by step, instrument"
            assert one.rows(outside) == two.rows(outside)
    assert played(out, **{"draws.crowd": 0, "draws.order": 0})[1] == hashes


def test_half_a_step_is_the_same_time(out: Path, single: tuple[Path, dict[str, str]]) -> None:
    folder, _ = played(out, step_seconds="0.5")
    record = json.loads((folder / "run.json").read_text())
    assert (record["step_seconds"], record["steps_done"], record["status"]) == (0.5, 260, "complete")
    with Tape(folder) as tape, Tape(single[0]) as whole:
        times = "select distinct time_ms from series order by 1"
        assert tape.rows(times) == whole.rows(times)


def test_half_a_step_trades_about_as_much(out: Path) -> None:
    """Over three draws, without what firms take off late quotes: how late a quote is depends on the step."""
    taken = (
        "select sum(size * price * unit) from fills join instruments using (instrument) "
        'join accounts on account = taker where "group" <> 5'
    )
    totals = []
    for step_seconds in ("0.5", "1"):
        volume = 0.0
        for seed in (1, 2, 3):
            folder = run_case(SMALL, {**SHORT, "step_seconds": step_seconds}, seed=seed, out=out).folder
            groups = json.loads((folder / "run.json").read_text())["groups"]
            assert groups[5] == "arbitrage"
            with Tape(folder) as tape:
                volume += float(tape.value(taken))
        totals.append(volume)
    assert 0.5 < totals[0] / totals[1] < 2
