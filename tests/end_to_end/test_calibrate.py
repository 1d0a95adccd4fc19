"""A small case calibrated, moved and shaken: the same however it is run, and every refusal in words."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tidy_rules import ROOT
from undertow.case.load import load_case
from undertow.errors import CaseError, InputError
from undertow.lab import calibrate as calibrating
from undertow.lab.against import against_data
from undertow.lab.calibrate import Calibration, Plan, calibrate, overrides_text
from undertow.lab.ensemble import Draw, Ensemble, Variant
from undertow.lab.score import FactRow, Score
from undertow.lab.sensitivity import sensitivity
from undertow.lab.stability import stability
from undertow.views.cli import main

pytest.importorskip("optuna", reason="the extra `lab` is not installed")

SMALL = (ROOT / "docs/how-to/small-crash.toml").read_text()
FREE = """
[[calibration]]
key = "crowd.noise.share"
low = 0.05
high = 0.9
meaning = "two-sided takers"
source = "made up"
identified_by = ["btc-low"]
"""
FAST = {"end": "2025-01-01T12:01:20Z", "accounts": 100}
PLAN = Plan(trials=3, screen=1, seeds=(1,), check=1)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fits")


@pytest.fixture(scope="module")
def case(out: Path) -> Path:
    path = out / "fit.toml"
    path.write_text(SMALL.replace("query = {", "calibrate = true\nquery = {", 1) + FREE)
    return path


@pytest.fixture(scope="module")
def fitted(case: Path, out: Path) -> Calibration:
    return calibrate(case, PLAN, FAST, out=out / "fitted")


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_calibration_never_ends_worse_than_it_began(fitted: Calibration) -> None:
    assert (fitted.status, len(fitted.trials)) == ("complete", 3)
    assert fitted.best.loss.total <= fitted.trials[0].loss.total
    assert fitted.trials[0].values == {
        "crowd.noise.share": load_case(ROOT / "docs/how-to/small-crash.toml").crowd.noise.share
    }
    assert fitted.checked is not None
    assert fitted.checked.seeds == (2,)
    record = json.loads((fitted.folder / "calibration.json").read_text())
    assert record["best"]["loss"]["total"] == fitted.best.loss.total


def test_the_best_can_be_pasted(fitted: Calibration) -> None:
    text = (fitted.folder / "best.toml").read_text()
    assert tomllib.loads(text) == {"crowd": {"noise": {"share": fitted.best.values["crowd.noise.share"]}}}
    values = {
        "crowd.makers.firms": 5.0,
        "crowd.patient.resting_bids.0.notional_usd": 2.5e6,
        "weather.capacity": 9.5,
    }
    text = overrides_text(values, "made up")
    assert tomllib.loads(text) == {"crowd": {"makers": {"firms": 5}}, "weather": {"capacity": 9.5}}
    assert "# --set crowd.patient.resting_bids.0.notional_usd=2.5e+06" in text


def test_a_journal_goes_on_as_if_it_had_not_been_stopped(fitted: Calibration, case: Path, out: Path) -> None:
    cut = out / "cut"
    cut.mkdir()
    journal = (fitted.folder / "journal.jsonl").read_text().splitlines(keepends=True)
    (cut / "journal.jsonl").write_text("".join(journal[:3]) + journal[3][:50])  # killed while writing
    again = calibrate(case, PLAN, FAST, resume=cut)
    assert files_of(cut) == files_of(fitted.folder)
    assert again.trials == fitted.trials


def test_another_plan_or_case_does_not_go_on(fitted: Calibration, case: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(fitted.folder, copy)
    with pytest.raises(InputError, match=r"was begun with seeds = \[1\], now it is \[1, 2\]"):
        calibrate(case, Plan(trials=3, seeds=(1, 2), check=1), FAST, resume=copy)
    with pytest.raises(InputError, match="was begun with case_hash"):
        calibrate(case, PLAN, {**FAST, "crowd.makers.firms": 2}, resume=copy)
    (copy / "journal.jsonl").write_text("{}\nnonsense\n")
    with pytest.raises(InputError, match="line 2 is not valid JSON"):
        calibrate(case, PLAN, FAST, resume=copy)
    with pytest.raises(InputError, match="holds no calibration"):
        calibrate(case, PLAN, FAST, resume=tmp_path)


def test_a_draw_that_could_not_be_finished_costs_the_most(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(variants: Sequence[Variant], seeds: Sequence[int], *_: Any, **__: Any) -> list[Ensemble]:
        """Every draw but the first fails; the others meet every fact."""
        found = []
        for variant in variants:
            start = variant.case.start
            rows = [
                FactRow(
                    **{**dict.fromkeys(FactRow.__dataclass_fields__, ""), "simulated": fact.published(start)}
                )
                for fact in variant.case.facts
            ]
            draws = [Draw(seed, "", Score(tuple(rows)) if seed == 1 else None, "full") for seed in seeds]
            found.append(Ensemble(variant, tuple(draws), "complete"))
        return found

    monkeypatch.setattr(calibrating, "run_variants", half)
    found = calibrate(case, Plan(trials=1, seeds=(1, 2), check=0), FAST, out=tmp_path)
    assert found.trials[0].loss.draws == (0.0, 9.0)
    assert found.trials[0].problems["btc-low"].endswith("the run was not scored")


def test_a_control_is_a_block_of_its_own(
    case: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Variant] = []

    def recorded(variants: Sequence[Variant], seeds: Sequence[int], *_: Any, **__: Any) -> list[Ensemble]:
        seen.extend(variants)
        failed = tuple(Draw(seed, "", None, "full") for seed in seeds)
        return [Ensemble(variant, failed, "complete") for variant in variants]

    monkeypatch.setattr(calibrating, "run_variants", recorded)
    calm = tmp_path / "calm.toml"
    calm.write_text(case.read_text().replace('name = "small-crash"', 'name = "calm"'))
    plan = Plan(trials=2, seeds=(1,), check=0, controls=(str(calm),))
    found = calibrate(case, plan, FAST, out=out / "controlled")
    assert found.trials[1].loss.blocks == {"all": 9.0, "calm": 9.0}
    assert sorted(found.trials[1].facts) == ["btc-low", "btc-low-time", "calm: btc-low", "calm: btc-low-time"]
    assert [each.case.name for each in seen] == ["small-crash", "calm"] * 2
    assert [each.case.accounts for each in seen] == [100] * 4
    assert seen[2].case.crowd.noise == seen[3].case.crowd.noise != seen[0].case.crowd.noise
    assert seen[1].case.seconds == 180  # the time of a case is its own
    plain = str(ROOT / "docs/how-to/small-crash.toml")
    with pytest.raises(CaseError, match="none is marked calibrate, so a fit cannot see this control"):
        calibrate(case, Plan(trials=1, controls=(plain,)), FAST, out=tmp_path)


def test_figures_that_exclude_each_other_cost_the_most(tmp_path: Path) -> None:
    ranges = {"crowd.sellers.nearest": ("0.001", "0.03"), "crowd.sellers.reach": ("0.01", "0.9")}
    rows = [
        FREE.replace("crowd.noise.share", key).replace("0.05", low).replace("0.9", high)
        for key, (low, high) in ranges.items()
    ]
    both = tmp_path / "both.toml"
    both.write_text(SMALL.replace("query = {", "calibrate = true\nquery = {") + "".join(rows))
    plan = Plan(trials=1, seeds=(1,), check=0)
    assert calibrate(both, plan, FAST, out=tmp_path).trials[0].loss.total < 9.0
    with pytest.MonkeyPatch.context() as patch:
        crossed = dict(zip(ranges, (0.03, 0.02), strict=True))
        patch.setattr(calibrating, "own_values", lambda *_: crossed)
        found = calibrate(both, plan, FAST, out=tmp_path)
    assert found.trials[0].loss.total == 9.0


def test_sensitivity_moves_one_figure_at_a_time(case: Path, out: Path) -> None:
    found = sensitivity(case, [1], FAST, out=out / "moved")
    assert [(point.key, round(point.value, 4)) for point in found.points] == [
        ("crowd.noise.share", 0.103), ("crowd.noise.share", 0.4369),
    ]  # fmt: skip
    assert all(point.free for point in found.points)
    assert any(point.everything for point in found.points)
    record = json.loads((found.folder / "sensitivity.json").read_text())
    assert len(record["points"]) == 2
    assert record["points"][0]["blocks"].keys() == {"all"}


def test_stability_compares_with_the_spread(case: Path, out: Path) -> None:
    found = stability(case, [1, 2], FAST, out=out / "shaken", only=["order", "far-bids"])
    assert [row.name for row in found.rows] == ["order", "far-bids"]
    for row in found.rows:
        assert row.within == (abs(row.change) <= found.loss.deviation)
        assert [fact.id for fact in row.facts] == ["btc-low", "btc-low-time"]
    levels = load_case(case).crowd.patient.levels
    assert [row.settings for row in found.rows] == [
        {"draws.order": "10000"}, {"crowd.patient.levels": f"{2 * levels}"},
    ]  # fmt: skip
    assert (found.folder / "order" / "ensemble.json").is_file()


def test_commands_print_and_write_a_page(case: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fast = [f"--set={key}={value}" for key, value in FAST.items()] + [
        "--jobs",
        "1",
        "--out",
        str(out / "cli"),
    ]
    assert main(["calibrate", str(case), "--trials", "1", "--draws", "1", "--check", "0", *fast]) == 0
    assert "Loss by block" in capsys.readouterr().out
    assert main(["sensitivity", str(case), "--draws", "1", "--also=crowd.makers.firms=2:6", *fast]) == 0
    assert "crowd.makers.firms (not free)" in capsys.readouterr().out
    assert main(["stability", str(case), "--draws", "2", "--only", "half-step", *fast]) == 0
    assert "half the step" in capsys.readouterr().out
    for name in ("calibration", "sensitivity", "stability"):
        page = (out / "cli" / f"small-crash-{name}" / "result.md").read_text()
        assert page.startswith(f"# {name.capitalize()} of {case}\n\n## ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["calibrate", "CASE", "--trials", "0"], "--trials must be between 1 and 10,000, not 0"),
        (["calibrate", "CASE", "--screen", "-1"], "--screen must be between 0 and 9,999, not -1"),
        (["calibrate", "CASE", "--draws", "0"], "--draws must be between 1 and 1000, not 0"),
        (["calibrate", "CASE", "--resume", "nowhere"], "nowhere: holds no calibration"),
        (["calibrate", "PLAIN"], "calibration: no parameter is free; add [[calibration]] rows"),
        (["sensitivity", "PLAIN"], "calibration: no parameter is free"),
        (
            ["sensitivity", "CASE", "--also", "x"],
            "--also takes KEY=LOW:HIGH with LOW below HIGH, was given 'x'",
        ),
        (["sensitivity", "CASE", "--also", "crowd.x=1:2"], "--also crowd.x: is no figure of the case"),
        (["stability", "CASE", "--draws", "1"], "a spread needs two draws or more, was given 1"),
        (
            ["stability", "CASE", "--only", "x"],
            "--only x: no such variant; known: half-step, order, far-bids",
        ),
        (
            ["score", "CASE", "--draws", "1", "--against-data", "nowhere"],
            "--against-data nowhere: no such folder",
        ),
    ],
)
def test_wrong_commands_are_one_message(
    arguments: list[str], message: str, case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = str(ROOT / "docs/how-to/small-crash.toml")
    named = [{"CASE": str(case), "PLAIN": plain}.get(each, each) for each in arguments]
    assert main(named) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_recordings_need_a_feed(case: Path, out: Path, tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"world\.feed: names no recording"):
        against_data(case, [1], tmp_path, FAST, out / "against")
