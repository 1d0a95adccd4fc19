"""The command line: quick help, one message for each mistake, exit codes that mean something."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from support.synthetic_run import Sizes, make_synthetic_run
from tidy_rules import ROOT
from undertow.errors import CapacityError, InputError, InvariantError
from undertow.lab.compare import ComparedRow, Comparison, compare_runs
from undertow.lab.score import read_score
from undertow.tape import RunFolder
from undertow.views import cli, commands
from undertow.views.cli import BAD_INPUT, BROKEN, INCOMPLETE, INTERRUPTED, OK, main
from undertow.views.compared import comparison
from undertow.views.notes import start_note
from undertow.views.progress import Lines
from undertow.views.text import (
    distance_text,
    dollars,
    duration,
    exact_units,
    figures,
    in_unit,
    sections,
    span,
)

SMALL = ROOT / "docs/how-to/small-crash.toml"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two complete runs and a partial one."""
    folder = tmp_path_factory.mktemp("runs")
    make_synthetic_run(folder / "crash-1", Sizes(accounts=200, fills=500, steps=1200))
    make_synthetic_run(folder / "crash-2", Sizes(accounts=300, fills=700, steps=1200))
    make_synthetic_run(folder / "cut", Sizes(accounts=100, fills=100, steps=1200, status="partial"))
    return folder


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["compare", "--help"], ["--version"]])
def test_help_loads_no_compiler(arguments: list[str], repository: Path) -> None:
    code = (
        "import sys; from undertow.views.cli import main; code = main(sys.argv[1:]);"
        "heavy = {'numba', 'numpy', 'duckdb', 'bokeh', 'pydantic'} & set(sys.modules);"
        "sys.exit(code or ', '.join(sorted(heavy)) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(repository / "src")},
    )
    assert (result.returncode, result.stderr) == (OK, "")
    if arguments[0] != "--version":
        assert "Exit codes:" in result.stdout
        assert "interrupted; a run leaves a readable folder, marked partial" in result.stdout


HINT = " (try: undertow --help)"
RUN_HINT = " (try: undertow run --help)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["runn"],
            'Unknown command "runn". Did you mean "run"? Available commands: run, cases, show, new, check, '
            f"score, report, compare{HINT}",
        ),
        (["run"], f'Command "run" parameter CASE requires an argument{RUN_HINT}'),
        (["run", "a", "b"], f"unexpected argument 'b'{RUN_HINT}"),
        (["run", "a", "--acounts", "5"], f"Unknown option: --acounts. Did you mean --accounts?{RUN_HINT}"),
        (["run", "a", "--seed", "x"], f'Invalid value for --seed: unable to convert "x" into int{RUN_HINT}'),
        (["run", "a", "--seed"], f'Command "run" parameter --seed requires an argument{RUN_HINT}'),
        (["run", "a", "--seed=-1"], "--seed must be between 0 and 2147483647, not -1"),
        (["run", "a", "--accounts", "0"], "--accounts must be between 1 and 50,000,000, not 0"),
        (["run", "a", "--set", "seed"], "--set takes KEY=VALUE, was given 'seed'"),
        (["run", "a", "--set", "=3"], "--set takes KEY=VALUE, was given '=3'"),
        (["run", "a", "--set", "k=1", "--set", "k=2"], "--set k is given twice: '1' and '2'"),
        (["run", "a", "--data", "nowhere"], "--data nowhere: no such folder"),
        (["compare", "only-one"], "compare needs two or more runs, was given 1"),
        (["report", "nowhere"], "nowhere: no such run folder"),
        (["check", "nowhere.toml"], "nowhere.toml: no such file"),
        (["check", "."], ".: is a folder; name a TOML file"),
        (["run", "oct-2025", "--out", "x" * 300], f"{'x' * 300}: File name too long"),
        (["check", f"{'x' * 300}.toml"], f"{'x' * 300}.toml: File name too long"),
        (["report", "x" * 300], f"{'x' * 300}/ensemble.json: File name too long"),
        (
            ["check", "oct-2024"],
            "oct-2024: no such file, and nothing that ships has this name; did you mean 'oct-2025'?",
        ),
    ],
)
def test_a_wrong_command_line_is_one_message(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == BAD_INPUT
    said = capsys.readouterr()
    assert said.err == f"undertow: {message}\n"
    assert said.out == ""


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InvariantError("cash does not add up"), BROKEN, "an internal invariant broke, please report it"),
        (CapacityError("the order arena is full"), INCOMPLETE, "the order arena is full"),
        (KeyboardInterrupt(), INTERRUPTED, "interrupted"),
        (ZeroDivisionError("division"), BROKEN, "internal error, please report it"),
    ],
)
def test_whatever_happens_has_a_code_and_one_line(
    error: BaseException,
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> int:
        raise error

    monkeypatch.setattr(commands, "cases_command", fail)
    assert main(["cases"]) == code
    said = capsys.readouterr().err
    assert said.startswith(f"undertow: {message}")
    assert said.count("\n") == 1


def test_check_refuses_what_is_no_toml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "case.toml"
    file.write_text("[facts\n")
    assert main(["check", str(file)]) == BAD_INPUT
    assert f"{file}: line 1, column 7: is not valid TOML (" in capsys.readouterr().err


def test_check_takes_what_extends_a_case_for_a_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "quiet.toml"
    file.write_text(
        'name = "a-quiet-hour"\nextends = "oct-2025"\ntitle = "An hour"\nsummary = "Nothing."\n'
        "start = 2025-10-10T11:00:00Z\nend = 2025-10-10T12:00:00Z\n"
    )
    assert main(["check", str(file)]) == OK
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == f"{file}: a valid case (An hour)" and rest[0].startswith("What the crowd amounts to")


@pytest.mark.parametrize(("name", "kind"), [("oct-2025", "case"), ("ftx-2022", "rulebook")])
def test_check_takes_names(name: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", name]) == OK
    assert capsys.readouterr().out.startswith(f"{name}: a valid {kind} (")


def test_a_score_that_cannot_be_stored_is_shown(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: RunFolder, name: str, content: object) -> None:
        raise InputError(f"{self.path / name}: cannot write: Permission denied")

    run = Path(shutil.copytree(runs / "crash-1", tmp_path / "crash"))
    shutil.copy(SMALL, run / "case.toml")
    RunFolder(run).update(rulebook="binance-2025")  # that of the case, else it would owe no fact
    assert main(["score", str(run), "--quiet"]) == OK
    assert capsys.readouterr().out == f"{run}\n"
    monkeypatch.setattr(RunFolder, "write_json", fail)
    assert main(["score", str(run)]) == OK
    said = capsys.readouterr()
    assert "predicted facts met: " in said.out
    assert said.err == (
        f"undertow: the score is not stored: {run / 'score.json'}: cannot write: Permission denied\n"
    )


def test_runs_of_another_rulebook_carry_a_note(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = RunFolder.open(runs / "crash-2")
    row = {"accounts": 2464, "people": 73_670, "owed_micros": 10**15, "contracts_micros": 0}
    found = {**row, "groups": {"looper": row}, "not_taken": ["USDe", "WBETH"]}
    folder.update(below_at_start=found)
    assert main(["compare", str(runs / "crash-1"), str(runs / "crash-2")]) == OK
    assert capsys.readouterr().err == (
        f"undertow: note on {folder.path}: 2,464 accounts are below maintenance margin before the first "
        "step, with $1.00 billion owed: looper 2,464 (73,670 people). They fall by rulebook made-up-2025, "
        "not by the crash; it does not take as collateral: USDe, WBETH\n"
    )
    folder.update(below_at_start={**found, "accounts": 5})
    assert start_note(folder.read()) == ""


def test_compare_shows_what_differs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(runs / "crash-1"), str(runs / "crash-2")]) == OK
    said = capsys.readouterr().out
    assert "Accounts liquidated" in said
    assert "accounts" in said and "200" in said and "300" in said
    assert "Deepest fall, BTC-PERP" not in said  # the same path in both
    assert "outcomes are equal" in said


def test_compared_numbers_are_those_of_the_runs(runs: Path) -> None:
    found = compare_runs(runs / "crash-1", runs / "crash-2", runs / "crash-1")
    assert found.names == ("crash-1 (1)", "crash-2", "crash-1 (2)")
    assert found.settings == {"accounts": ("200", "300", "200")}
    row = next(row for row in found.rows if row.name == "liquidated_accounts")
    assert row.differences == (row.values[1] - row.values[0], 0)  # type: ignore[operator]
    assert row.differs


def test_compared_percentages_differ_by_points_and_moments_have_a_clock(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = (
        ComparedRow("open_interest", "Open interest", "%", "", (-20.0, -15.1)),
        ComparedRow("low_time", "Time of the low", "s", "X-PERP", (2443.0, 2453.0)),
    )
    start = datetime(2025, 10, 10, 20, 40, tzinfo=UTC)
    comparison(Console(width=120), Comparison(("a", "b"), start, {}, rows), everything=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "−20.0 % −15.1 % +4.9 points" in said
    assert "21:20:43 UTC 21:20:53 UTC +10 s" in said


def test_compare_refuses_a_run_that_was_killed(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = RunFolder.create(tmp_path / "killed", {"start_utc": "2025-10-10T20:40:00Z"})
    for command in (["compare", str(runs / "crash-1"), str(killed.path)], ["report", str(killed.path)]):
        assert main(command) == BAD_INPUT
        assert f"{killed.path}: holds no tape: the run was killed" in capsys.readouterr().err


def test_compare_of_equal_runs_says_so(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(runs / "crash-1"), str(runs / "crash-1")]) == OK
    assert capsys.readouterr().out == "No key outcome differs.\n"


def test_strict_minds_missed_facts_and_partial_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(runs / "crash-1"), "--strict"]) == INCOMPLETE  # it misses a fact
    (runs / "crash-1" / "score.json").unlink()
    capsys.readouterr()
    assert main(["report", str(runs / "crash-1"), "--strict"]) == OK
    assert capsys.readouterr().out.strip() == str(runs / "crash-1" / "report.html")
    assert (runs / "crash-1" / "report.html").is_file()
    assert main(["report", str(runs / "cut")]) == OK
    assert main(["report", str(runs / "cut"), "--strict"]) == INCOMPLETE
    assert RunFolder.open(runs / "cut").status == "partial"


@dataclass
class Result:
    """What `undertow.lab.run.run_case` returns."""

    folder: Path
    status: str
    score: object
    beside: Result | None = None


@pytest.fixture
def lab(runs: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """A lab that hands out a ready run: `cut` for the case of that name, else the first; notes the call."""
    calls: list[tuple[object, ...]] = []

    def run_case(case: str, *options: object, beside: bool, **choices: object) -> Result:
        calls.append((case, *options[:-1], *choices.values()))
        folder = RunFolder.open(runs / ("cut" if case == "cut" else "crash-2"))
        other = RunFolder.open(runs / "crash-1") if beside else folder
        second = Result(other.path, other.status, read_score(other))
        return Result(folder.path, folder.status, read_score(folder), second if beside else None)

    module = ModuleType("undertow.lab.run")
    module.run_case = run_case  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "undertow.lab.run", module)
    return calls


def test_run_hands_everything_on_and_shows_the_outcome(
    runs: Path, lab: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--set", "a.b=1", "--set", "c=2", "--accounts", "500", "--seed", "9", "--data", str(runs)]
    assert main(["run", "crash", *words, "--out", str(runs / "new")]) == OK
    assert lab == [("crash", {"a.b": "1", "c": "2"}, runs, 500, 9, runs / "new", "lab", None, None)]
    own = ["--tape", "full", "--policy", "bad-debt", "--population", str(runs / "mine.csv")]
    assert main(["run", "crash", *own, "--no-report"]) == OK
    assert lab[1][-3:] == ("full", "bad-debt", runs / "mine.csv")
    said = capsys.readouterr().out
    assert "A made-up crash" in said
    assert "Accounts liquidated" in said
    assert "predicted facts met: " in said
    assert str(runs / "crash-2" / "report.html") in said
    assert (runs / "crash-2" / "report.html").is_file()


def test_quiet_run_prints_its_folder_alone(
    runs: Path, lab: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "crash", "--quiet", "--no-report"]) == OK
    said = capsys.readouterr()
    assert (said.out, said.err) == (f"{runs / 'crash-2'}\n", "")


def test_strict_run_minds_missed_facts(lab: list[tuple[object, ...]]) -> None:
    assert main(["run", "crash", "--quiet", "--no-report", "--strict"]) == INCOMPLETE


def test_interrupted_run_says_where_its_folder_is(
    runs: Path, lab: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "cut", "--no-report"]) == INTERRUPTED
    assert capsys.readouterr().err == f"undertow: interrupted; the partial run is in {runs / 'cut'}\n"


def test_settings_are_pairs() -> None:
    assert cli.settings_from(["a.b=1", " c = x=y "]) == {"a.b": "1", "c": "x=y"}


def test_lines_come_seldom_and_only_for_long_work() -> None:
    now = [0.0]
    said: list[str] = []
    lines = Lines(said.append, lambda: now[0])
    lines.begin("Running", 100)
    for second in range(25):
        now[0] = float(second)
        lines.advance(4)
    lines.end()
    lines.begin("Short", 10)
    lines.advance(10)
    lines.end()
    assert said == [
        "Running: 12 of 100 (12 %)\n",
        "Running: 52 of 100 (52 %)\n",
        "Running: 92 of 100 (92 %)\n",
        "Running: done in 24 s\n",
    ]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (dollars(-18_000_000.0), "−$18.0 million"),
        (dollars(999_900_000.0), "$1.00 billion"),
        (dollars(4567.0, sign=True), "+$4,567"),
        (dollars(0.0), "$0"),
        (dollars(None), "–"),
        (exact_units(-1_234_567_890, 6), "−1,234.567890"),
        (exact_units(5, 0), "5"),
        (figures(0.01234), "0.0123"),
        (figures(123456.0), "123,000"),
        (duration(3675), "1 h 1 min 15 s"),
        (duration(-1.5), "−1.5 s"),
        (in_unit(12.34, "%", sign=True), "+12.3 %"),
        (in_unit(825.0, "accounts"), "825"),
        (in_unit(-1 / 3, "accounts"), "−0.3"),
        (in_unit(252_468.67, "accounts"), "252,469"),
        (in_unit(-0.01, "%", sign=True), "0.0 %"),
        (in_unit(0.005184, "times", sign=True), "+0.005 times"),
        (in_unit(1.6743, "times"), "1.67 times"),
        (duration(-26 / 3), "−8.7 s"),
        (duration(59.97), "1 min"),
        (dollars(3e-6, sign=True), "+$0.000003"),
        (dollars(70.6), "$70.60"),
        (dollars(0.0312), "$0.0312"),
        (distance_text(-19.31, "%", sign=True), "−19.3 points"),
        (span("$2.71 million", "$4.58 million"), "$2.71 to $4.58 million"),
        (span("$915,000", "$4.58 million"), "$915,000 to $4.58 million"),
        (span("1 min 30 s", "2 min 30 s"), "1 min 30 s to 2 min 30 s"),
        (span("36", "54"), "36 to 54"),
    ],
)
def test_numbers_in_words(given: str, text: str) -> None:
    assert given == text


def test_a_rulebook_in_words() -> None:
    bracket = {"cap_usd": 50_000, "max_leverage": 125}
    content = {
        "name": "x",
        "fees": {"source": "a", "taker_ppm": 700, "liquidation_ppm": 5000},
        "margin": {"classes": {"BTC": {"kind": "flat", "brackets": [bracket]}}},
        "funding": {"interval_seconds": 28_800, "capped": True},
    }
    assert [(section.title, section.rows) for section in sections(content)] == [
        ("", (("name", "x"),)),
        ("fees", (("taker", "0.07 %"), ("liquidation", "0.5 %"))),
        (
            "margin",
            (
                ("classes › BTC › kind", "flat"),
                ("classes › BTC › brackets 1", "cap $50,000, max leverage 125"),
            ),
        ),
        ("funding", (("interval", "8 h"), ("capped", "yes"))),
    ]
