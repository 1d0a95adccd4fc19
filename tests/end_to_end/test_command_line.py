"""The command line as people use it: every command in a process of its own, its output and its exit code."""

from __future__ import annotations

import html
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tidy_rules import ROOT
from undertow.tape import RunFolder

SMALL = ROOT / "docs/how-to/small-crash.toml"
SHORT = "end=2025-01-01T12:01:20Z"
PROGRAM = "import sys; from undertow.views.cli import main; sys.exit(main())"


def undertow(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("command-line")


@pytest.fixture(scope="module")
def first(folder: Path) -> subprocess.CompletedProcess[str]:
    """The small case, cut short, run quietly."""
    return undertow("run", SMALL, "--set", SHORT, "--quiet", folder=folder)


def test_a_quiet_run_prints_its_folder_alone(first: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert (first.returncode, first.stdout, first.stderr) == (0, "runs/small-crash-1\n", "")
    run = RunFolder.open(folder / "runs" / "small-crash-1")
    assert run.status == "complete"
    assert run.read()["settings"] == {"end": "2025-01-01T12:01:20Z"}
    assert (run.path / "report.html").stat().st_size > 100_000


def test_a_run_is_scored_reported_and_compared(first: subprocess.CompletedProcess[str], folder: Path) -> None:
    rule = "rulebook.allocation.policy=bad-debt"
    words = ["--set", SHORT, "--set", rule, "--seed", "2", "--accounts", "250"]
    second = undertow("run", SMALL, *words, "--out", "other", "--no-report", "--strict", folder=folder)
    assert second.returncode == 1, second.stderr  # strict: the run ends before the published low
    assert "Three minutes on a small venue" in second.stdout
    assert "Run folder: other/small-crash-2" in second.stdout
    assert "lie apart: undertow score other/small-crash-2/case.toml --draws 8" in second.stdout
    assert not (folder / "other/small-crash-2/report.html").exists()

    scored = undertow("score", "runs/small-crash-1", folder=folder)
    assert scored.returncode == 0, scored.stderr
    assert "btc-low-time" in scored.stdout and "predicted facts met: " in scored.stdout
    assert undertow("score", "runs/small-crash-1", "--strict", folder=folder).returncode == 1
    elsewhere = undertow("score", "runs/small-crash-1", "--case", SMALL, folder=folder)
    assert elsewhere.stdout == scored.stdout

    reported = undertow("report", "other/small-crash-2", folder=folder)
    assert (reported.returncode, reported.stdout) == (0, "other/small-crash-2/report.html\n")

    compared = undertow("compare", "runs/small-crash-1", "other/small-crash-2", folder=folder)
    assert compared.returncode == 0, compared.stderr
    for word in ("small-crash-1", "small-crash-2", "accounts", "250", "outcomes are equal"):
        assert word in compared.stdout


def command_of(run: Path) -> list[str]:
    """The words of the command with which a run's report says it can be made again."""
    found = re.search(r"<pre>undertow (run .*?)</pre>", (run / "report.html").read_text())
    assert found
    return shlex.split(html.unescape(found[1]))


def test_the_command_of_a_report_makes_the_run_again(folder: Path, tmp_path: Path) -> None:
    shutil.copy(SMALL, tmp_path / "my case.toml")
    words = [
        "--without",
        "slow-basis",
        "--set",
        "end=2025-01-01T12:00:30Z",
        "--set",
        "weather={ mode = 'none' }",
    ]
    made = undertow("run", "my case.toml", *words, "--accounts", "200", "--quiet", folder=tmp_path)
    assert (made.returncode, made.stdout) == (0, "runs/small-crash-1\n")
    first = RunFolder.open(tmp_path / "runs/small-crash-1")
    command = command_of(first.path)
    assert command == ["run", "case.toml", "--seed", "1"]  # the run's own copy: a path is the machine's
    made = undertow(*command, "--no-report", "--quiet", folder=first.path)
    again = RunFolder.open(first.path / made.stdout.strip())
    assert again.read()["hashes"] == first.read()["hashes"]

    words += ["--accounts", "200", "--no-report", "--quiet"]
    handed = undertow("run", tmp_path / "my case.toml", *words, folder=tmp_path)
    assert RunFolder.open(tmp_path / handed.stdout.strip()).read() == first.read()


def test_cases_and_show(folder: Path) -> None:
    listed = undertow("cases", folder=folder)
    assert listed.returncode == 0, listed.stderr
    assert "oct-2025" in listed.stdout and "binance-2025" in listed.stdout
    shown = undertow("show", "oct-2025", "--set", "accounts=1234", folder=folder)
    assert shown.returncode == 0, shown.stderr
    for word in ("1,234", "BTC-PERP", "own-book-collateral", "btc-gap-2120"):
        assert word in shown.stdout, word


def test_check(folder: Path) -> None:
    good = undertow("check", SMALL, folder=folder)
    assert (good.returncode, good.stderr) == (0, "")
    first, *amounts = good.stdout.splitlines()
    assert first == f"{SMALL}: a valid case (Three minutes on a small venue)"
    makers = "crowd.makers.capital_usd $3.00 million 1.2 % of a day's turnover in contracts stated"
    assert makers in [" ".join(line.split()) for line in amounts]
    text = SMALL.read_text().replace("fund_usd", "fund_us", 1).replace('"time_of_low"', '"time_of_lows"')
    (folder / "bad.toml").write_text(text)
    bad = undertow("check", "bad.toml", folder=folder)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == (
        "undertow: bad.toml: house.fund_usd: is missing; give a number of dollars, 0 or more\n"
        "bad.toml: house.fund_us: is not a key here; did you mean 'fund_usd'?\n"
        "bad.toml: facts.1 (btc-low-time): query: no measure is called 'time_of_lows'; "
        "did you mean 'time_of_low'?\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run", "oct-2025", "--set", "crowd.makers.trip_los=1"],
            "override: crowd.makers.trip_los: is not a key here; did you mean 'trip_loss'?",
        ),
        (["run", "oct-2024"], "oct-2024: there is no such case; did you mean 'oct-2025'?"),
        (
            ["run", "oct-2025", "--accounts", "20"],
            "override: accounts: is 20; must be a whole number from 100 to 50000000",
        ),
        (["score", "."], ".: not a run folder: it has no run.json"),
    ],
)
def test_what_is_wrong_is_one_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    refused = undertow(*arguments, folder=tmp_path)
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", f"undertow: {message}\n")
    assert list(tmp_path.iterdir()) == []
