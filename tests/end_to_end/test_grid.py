"""A case whose coin rises: within a hundredfold it is played, beyond it the run stops and says which coin."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidy_rules import ROOT
from undertow.tape import RunFolder, Tape
from undertow.views.cli import main

SMALL = (ROOT / "docs/how-to/small-crash.toml").read_text().partition("[beside]")[0]
FALLING = """shape = "follower"
anchors = [
  { time = 2025-01-01T12:00:00Z, price = 0.2, source = "made up" },
  { time = 2025-01-01T12:02:00Z, fall = 0.3, source = "made up" },
]
"""


def rising(folder: Path, price: str) -> str:
    """The small case, thirty seconds long, with a coin that rises from 0.2 to `price`."""
    assert FALLING in SMALL
    anchors = f"""anchors = [
  {{ time = 2025-01-01T12:00:00Z, price = 0.2, source = "made up" }},
  {{ time = 2025-01-01T12:00:20Z, price = {price}, source = "made up" }},
]
"""
    case = folder / "rising.toml"
    case.write_text(SMALL.replace(FALLING, anchors))
    return str(case)


def run(folder: Path, price: str) -> int:
    """The exit code of the run, whose folder is in `out`."""
    short = ["--set", "end=2025-01-01T12:00:30Z", "--no-report", "--quiet", "--out", str(folder / "out")]
    return main(["run", rising(folder, price), *short])


def test_a_coin_that_rises_tenfold_is_played(tmp_path: Path) -> None:
    """Its mark stayed at four times the start, and the exit code was 0."""
    assert run(tmp_path, "2.0") == 0
    tape = Tape(RunFolder.open(next((tmp_path / "out").iterdir())))
    [(ticks,)] = tape.rows("SELECT max(mark_ticks) FROM series WHERE instrument = 1")
    assert ticks > 100_000  # a dollar, in ticks of 0.00001


def test_a_coin_that_rises_further_stops_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "80") == 1
    assert "DOGE-PERP: a price of " in capsys.readouterr().err
