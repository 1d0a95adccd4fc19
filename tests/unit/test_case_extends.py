"""A case that extends another: what it shares, what it never takes over, what may be wrong with the name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidy_rules import ROOT
from undertow.case.load import check_case, load_case
from undertow.case.write import case_text
from undertow.errors import CaseError

GOOD = ROOT / "docs/how-to/small-crash.toml"
CONTROLS = ("calm-2025", "nov-2025", "dec-2025")
QUIET = """name = "quiet"
extends = "base.toml"
title = "The same venue, a day later"
summary = "Nothing happens."
start = 2025-01-02T12:00:00Z
end = 2025-01-02T12:03:00Z
[house]
fund_usd = 1e6
first_funding = 2025-01-02T16:00:00Z
source = "made up"
[[world.coin]]
coin = "BTC"
anchors = [{ time = 2025-01-02T12:00:00Z, price = 60_000, source = "made up" }]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.toml").write_text(GOOD.read_text())
    (tmp_path / "quiet.toml").write_text(QUIET)
    return tmp_path


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_have_the_crowd_and_the_venue_of_october(name: str) -> None:
    october, control = load_case("oct-2025"), load_case(name)
    for table in ("crowd", "instruments", "mechanisms", "rulebook", "rulebook_overrides", "accounts"):
        assert getattr(control, table) == getattr(october, table), table
    assert control.weather.incidents == () != october.weather.incidents
    assert control.weather.model_copy(update={"incidents": october.weather.incidents}) == october.weather
    assert {fact.block for fact in control.facts} == {"control"}


@pytest.mark.parametrize("name", CONTROLS)
def test_a_change_of_the_crowd_reaches_whoever_extends_the_case(name: str) -> None:
    changed = load_case(name, {"crowd.makers.trip_loss": 0.5})
    assert changed.crowd.makers.trip_loss == 0.5


def test_tables_left_out_are_the_others(folder: Path) -> None:
    base, quiet = load_case(folder / "base.toml"), load_case(folder / "quiet.toml")
    assert (quiet.crowd, quiet.instruments, quiet.mechanisms) == (
        base.crowd,
        base.instruments,
        base.mechanisms,
    )
    assert quiet.facts == () and quiet.weather.incidents == ()
    assert quiet.house.fund_usd == 1e6 and quiet.house.provider_count == 0  # a table given stands whole
    assert quiet.title == "The same venue, a day later" and quiet.rulebook == base.rulebook


def test_coins_are_joined_by_name(folder: Path) -> None:
    base, quiet = load_case(folder / "base.toml"), load_case(folder / "quiet.toml")
    assert [row.coin for row in quiet.world.coin] == [row.coin for row in base.world.coin]
    bitcoin, doge = quiet.world.coin[0], quiet.world.coin[1]
    assert [anchor.price for anchor in bitcoin.anchors] == [60_000]
    follower = base.world.shapes["follower"]
    assert follower.falls and doge.shape == base.world.coin[1].shape
    assert quiet.world.shapes["follower"] == follower.model_copy(update={"falls": ()})
    assert [anchor.price for anchor in doge.anchors] == [base.world.coin[1].anchors[0].price]
    assert doge.anchors[0].time == quiet.start
    assert "for scale" in doge.anchors[0].source


def test_what_is_written_stands_by_itself(folder: Path) -> None:
    quiet = load_case(folder / "quiet.toml")
    (folder / "base.toml").unlink()
    (folder / "written.toml").write_text(case_text(quiet))
    assert load_case(folder / "written.toml") == quiet


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("oct-2052", "extends: oct-2052: there is no such case; did you mean 'oct-2025'?"),
        (
            "quiet.toml",
            "extends: is 'quiet.toml', which extends 'quiet.toml' itself; name a case that stands",
        ),
        ("calm-2025", "extends: is 'calm-2025', which extends 'oct-2025' itself; name a case that stands"),
        ("broken.toml", "extends: is 'broken.toml', which is not valid: "),
    ],
)
def test_a_name_that_will_not_do(folder: Path, name: str, sentence: str) -> None:
    (folder / "broken.toml").write_text(GOOD.read_text().replace("accounts = 300", "accounts = 3"))
    (folder / "quiet.toml").write_text(QUIET.replace('"base.toml"', f'"{name}"'))
    case, faults = check_case(folder / "quiet.toml")
    assert case is None and len(faults) == 1
    assert sentence in faults[0] and faults[0].startswith(f"{folder / 'quiet.toml'}: ")


def test_a_number_is_no_name(folder: Path) -> None:
    (folder / "quiet.toml").write_text(QUIET.replace('"base.toml"', "7"))
    with pytest.raises(CaseError, match="extends: is 7; must be a case's name, or the path of its file"):
        load_case(folder / "quiet.toml")


def test_it_cannot_be_overridden(folder: Path) -> None:
    with pytest.raises(CaseError, match="override: extends: is read before anything is changed"):
        load_case(folder / "quiet.toml", {"extends": "oct-2025"})


def test_faults_of_the_file_are_its_own(folder: Path) -> None:
    (folder / "quiet.toml").write_text(QUIET.replace("fund_usd", "fund_us"))
    _, faults = check_case(folder / "quiet.toml")
    assert faults == [
        f"{folder / 'quiet.toml'}: house.fund_usd: is missing; give a number of dollars, 0 or more",
        f"{folder / 'quiet.toml'}: house.fund_us: is not a key here; did you mean 'fund_usd'?",
    ]
