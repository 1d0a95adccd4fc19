"""Ensembles side by side, a run among its draws, a case without facts, and a run that owes none."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tidy_rules import ROOT
from undertow.errors import CommandLineError
from undertow.lab.compare import compare, compare_runs
from undertow.lab.compare_draws import DrawsComparison, compare_ensembles
from undertow.lab.drawn import Drawn
from undertow.lab.ensemble import Ensemble, outcomes_of, read_ensemble, run_ensemble
from undertow.lab.run import run_case
from undertow.lab.score import SCORE_FILE
from undertow.lab.standing import standing_of
from undertow.tape import RunFolder
from undertow.views.cli import main

SMALL = ROOT / "docs/how-to/small-crash.toml"
SHORT = {"end": "2025-01-01T12:02:10Z", "accounts": 150}
RULE = {"rulebook.mark.basis_window_seconds": 3}
OTHER = {"rulebook": "ftx-2022"}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compared")


@pytest.fixture(scope="module")
def pair(out: Path) -> tuple[Path, Path]:
    """One case over seeds 1 to 3, and under another rule over seeds 2 to 4, tapes kept."""
    first = run_ensemble(SMALL, range(1, 4), SHORT, out=out / "a", keep_tapes=True)
    second = run_ensemble(SMALL, range(2, 5), {**SHORT, **RULE}, out=out / "b", keep_tapes=True)
    assert first.folder is not None and second.folder is not None
    return first.folder, second.folder


def test_draws_are_paired_by_seed(pair: tuple[Path, Path]) -> None:
    found = compare(*pair)
    assert isinstance(found, DrawsComparison)
    assert found.names == ("a/small-crash-draws", "b/small-crash-draws")
    assert found.settings == {"rulebook.mark.basis_window_seconds": ("as in the case", "3")}
    assert (found.seeds, found.common) == (((1, 2, 3), (2, 3, 4)), ((2, 3),))
    assert found.notes == ("b/small-crash-draws: changes are over the 2 seeds that it shares with "
                           "a/small-crash-draws",)  # fmt: skip
    for row in found.rows:
        first, second = (column.values for column in row.columns)
        assert row.changes[0].differences == tuple(
            None if one is None or two is None else two - one
            for one, two in zip(first[1:], second[:2], strict=True)
        )
    assert any(row.differs for row in found.rows)


def test_each_pair_of_draws_is_the_comparison_of_its_runs(pair: tuple[Path, Path]) -> None:
    """An outcome over draws is that of the runs, and who would have been saved closes in every pair."""
    found = compare_ensembles(*pair)
    assert list(found.people[0]) == [2, 3]
    for place, seed in enumerate((2, 3)):
        runs = compare_runs(*(folder / f"small-crash-{seed}" for folder in pair))
        changes = {(row.name, row.instrument): row.differences[0] for row in runs.rows}
        for row in found.rows:
            assert row.changes[0].differences[place] == changes[row.name, row.instrument]
        assert runs.people[0].by("fate") == found.people[0][seed].by("fate")
        total = runs.people[0].total
        assert total.accounts > 150 and total.change == total.better + total.worse


def test_the_command_shows_means_ranges_and_people(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *map(str, pair)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for words in ("One way", " of 2", "paired by seed, over 2 seeds", "Newly lost", "seed 2", "seed 3"):
        assert words in said, words
    runs = [str(folder / "small-crash-2") for folder in pair]
    assert main(["compare", *runs]) == 0
    said = capsys.readouterr().out
    for words in ("Who would have been saved: b/small-crash-draws/small-crash-2", "Kind of account",
                  "USDT a person at the start", "Who changed by how much"):  # fmt: skip
        assert words in said, words


def test_draws_without_tapes_compare_by_what_they_keep(pair: tuple[Path, Path], out: Path) -> None:
    found = run_ensemble(SMALL, range(1, 4), SHORT, out=out / "bare")
    assert found.folder is not None
    compared = compare_ensembles(pair[0], found.folder)
    assert not any(row.differs for row in compared.rows)
    assert compared.people == ({},)
    folders = [folder / "small-crash-2" for folder in (pair[0], found.folder)]
    runs = compare_runs(*folders)
    assert not any(row.differs for row in runs.rows)
    assert "--keep-tapes" in runs.people[0].why_not


def test_runs_and_ensembles_are_not_mixed(pair: tuple[Path, Path]) -> None:
    with pytest.raises(CommandLineError, match="is an ensemble; compare it with another, or name the"):
        compare(pair[0] / "small-crash-1", pair[1])


def test_a_run_knows_the_draws_around_and_beside_it(pair: tuple[Path, Path], out: Path) -> None:
    around = standing_of(RunFolder(pair[0] / "small-crash-2"))
    assert around is not None and (around.draws, around.predicted) == (3, 2)
    run = RunFolder.open(run_case(SMALL, SHORT, seed=9, out=out / "a").folder)
    beside = standing_of(run)
    assert beside is not None and beside.folder.name == pair[0].name
    changed = run_case(SMALL, {**SHORT, **RULE}, seed=9, out=out / "a").folder
    assert standing_of(RunFolder(changed)) is None  # draws under another rule say nothing of it
    record = json.loads((pair[0] / "ensemble.json").read_text())
    for row in record["outcomes"]:
        drawn = around.of(row["name"], row["instrument"])
        assert drawn is not None and (drawn.mean, drawn.least) == pytest.approx((row["mean"], row["least"]))


def test_every_tile_has_the_range_of_the_draws(
    pair: tuple[Path, Path], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(pair[0] / "small-crash-2")]) == 0
    page = (pair[0] / "small-crash-2" / "report.html").read_text()
    tiles = re.findall(r'<div class="tile">(.*?)</div>', page, re.DOTALL)
    assert tiles and all('<small class="reach">' in tile and "3 draws" in tile for tile in tiles)
    assert "One draw of many." in page and "3 draws of the same case are in" in page
    capsys.readouterr()
    assert main(["run", str(SMALL), "--set", f"end={SHORT['end']}", "--accounts", "150", "--seed", "7",
                 "--out", str(out / "a"), "--no-report"]) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert "3 draws beside it" in said and "One draw of many" in said


def test_a_run_alone_says_how_to_have_the_others(out: Path) -> None:
    assert main(["run", "oct-2025", "--set", "end=2025-10-10T20:40:30Z", "--accounts", "2000", "--quiet",
                 "--out", str(out / "alone")]) == 0  # fmt: skip
    page = (out / "alone" / "oct-2025-1" / "report.html").read_text()
    command = "undertow score oct-2025 --draws 8 --set end=2025-10-10T20:40:30Z --set accounts=2000"
    assert f"<code>{command}</code>" in page
    assert 'class="reach"' not in page


class Outside(HTMLParser):
    """Elements that would fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("link", "img", "iframe", "object") or "src" in dict(attrs):
            self.found.append(tag)


def test_the_report_of_an_ensemble_has_every_draw(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(pair[0])]) == 0
    assert capsys.readouterr().out.strip() == str(pair[0] / "report.html")
    page = (pair[0] / "report.html").read_text()
    reader = Outside()
    reader.feed(page)
    assert reader.found == [] and str(pair[0].parent) not in page
    ensemble = read_ensemble(pair[0])
    shown = [drawn.values for drawn in outcomes_of(ensemble)] + [row.values for row in ensemble.spread.rows]
    known = [[value for value in values if value is not None] for values in shown]
    assert page.count('class="dots"') == sum(bool(values) for values in known) > 25
    assert page.count("<circle") == sum(map(len, known))
    met = sum(row.passed for row in ensemble.spread.rows)
    assert "seeds 1 to 3" in page and f"Predicted: {met} of 2 met by the mean" in page


@pytest.fixture(scope="module")
def bare(out: Path) -> Ensemble:
    """A case without facts at two seeds."""
    file = out / "bare.toml"
    text = SMALL.read_text()
    file.write_text(text[: text.index("[[facts]]")].replace("small-crash", "bare"))
    return run_ensemble(file, range(1, 3), SHORT, out=out / "bare-draws")


def test_an_ensemble_needs_no_facts(bare: Ensemble, capsys: pytest.CaptureFixture[str]) -> None:
    assert bare.status == "complete" and bare.spread.rows == ()
    assert {drawn.name for drawn in outcomes_of(bare)} >= {"liquidated_people", "bad_debt", "fall"}
    assert main(["score", str(bare.folder)]) == 0
    said = capsys.readouterr().out
    assert "Bare names no facts, so nothing is scored." in said and "Closed by ADL" in said
    assert bare.folder is not None
    assert isinstance(compare(bare.folder, bare.folder), DrawsComparison)
    assert main(["report", str(bare.folder)]) == 0
    assert "The case names no facts." in (bare.folder / "report.html").read_text()


def test_a_run_under_another_rulebook_is_not_scored(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"--set={key}={value}" for key, value in {**SHORT, **OTHER}.items()]
    assert main(["run", str(SMALL), *words, "--out", str(out / "other"), "--strict"]) == 0
    said = capsys.readouterr().out
    assert "Not scored: the facts of small-crash tell of a venue under binance-2025" in said
    assert "facts met" not in said
    run = RunFolder.open(out / "other" / "small-crash-1")
    assert not (run.path / SCORE_FILE).exists()
    page = (run.path / "report.html").read_text()
    assert "a run under ftx-2022 owes none of them" in page and "facts met" not in page
    for more in ([], ["--case", str(SMALL)]):
        assert main(["score", str(run.path), *more]) == 0
        assert "a run under ftx-2022 owes none of them" in capsys.readouterr().out
        assert not (run.path / SCORE_FILE).exists()


def test_draws_under_another_rulebook_are_not_scored_and_not_fitted(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run_ensemble(SMALL, [1], {**SHORT, **OTHER}, out=out / "other-draws")
    assert found.draws[0].score is None and found.spread.rows == ()
    record = json.loads((found.folder / "ensemble.json").read_text())  # type: ignore[operator]
    assert "owes none of them" in record["not_scored"] and record["outcomes"]
    for command in ("sensitivity", "stability"):
        assert main([command, str(SMALL), "--set", "rulebook=ftx-2022", "--out", str(out)]) == 2
        assert "owes none of them" in capsys.readouterr().err


def test_a_damaged_ensemble_beside_a_run_is_not_its_fault(pair: tuple[Path, Path], out: Path) -> None:
    place = out / "damaged"
    shutil.copytree(pair[0] / "small-crash-2", place / "run")
    (place / "draws").mkdir()
    (place / "draws" / "ensemble.json").write_text("{")
    assert standing_of(RunFolder(place / "run")) is None


def test_an_outcome_that_a_draw_lacks_has_no_value() -> None:
    drawn = Drawn("x", "X", "USD", "", (None, 2.0, 4.0))
    assert (drawn.mean, drawn.least, drawn.largest, drawn.deviation) == (3.0, 2.0, 4.0, 1.0)
    assert Drawn.from_plain(drawn.as_plain()) == drawn
    nothing = Drawn("x", "X", "USD", "", (None,))
    assert (nothing.mean, nothing.least) == (None, None)
