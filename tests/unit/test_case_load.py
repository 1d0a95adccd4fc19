"""Cases load, take overrides, and read back as they were written; what ships gives its sources."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tidy_rules import ROOT
from undertow.case.load import case_names, check_case, load_case, rulebook_of
from undertow.case.model import AnchorRow, Case
from undertow.case.write import case_text, rulebook_text
from undertow.errors import CaseError
from undertow.lab.score import check_facts
from undertow.rulebook.load import load_rulebook, preset_names
from undertow.rulebook.model import Rulebook

SMALL = ROOT / "docs/how-to/small-crash.toml"
KINDS = ("recorded: ", "reported: ", "assumed: ")
ROW = re.compile(r"\b[a-z]+\d{4}-\d{3}\b")  # a row of the published facts


@pytest.fixture(scope="module")
def shipped() -> dict[str, Case]:
    return {name: load_case(name) for name in case_names()}


def anchors_of(case: Case) -> list[AnchorRow]:
    rows = [row for coin in case.world.coin for row in coin.anchors]
    return rows + [row for shape in case.world.shapes.values() for row in shape.falls]


@pytest.mark.parametrize("name", case_names())
def test_every_case_that_ships_is_without_fault(name: str) -> None:
    case, faults = check_case(name, check_facts)
    assert faults == []
    assert case is not None and case.name == name


def test_everything_that_ships_has_a_source(shipped: dict[str, Case]) -> None:
    for case in shipped.values():
        assert case.facts and case.house.source
        sources = [row.source for row in (*anchors_of(case), *case.facts, *case.instruments)]
        sources += [incident.source for incident in case.weather.incidents]
        assert all(len(source) > 5 for source in sources), case.name
        for anchor in anchors_of(case):
            assert ROW.search(anchor.source) or anchor.source.startswith(KINDS), anchor


def test_no_price_of_the_venue_is_among_the_anchors(shipped: dict[str, Case]) -> None:
    """The venue's own prices are the result. The rulebook's name says whose they would be."""
    for case in shipped.values():
        venue, coin_of = case.rulebook.split("-")[0], {row.name: row.coin for row in case.instruments}
        asked = {
            (coin_of.get(str(fact.query.arguments.get("instrument"))), fact.value)
            for fact in case.facts
            if fact.unit == "USD"
        }
        for coin in case.world.coin:
            for anchor in coin.anchors:
                assert venue not in anchor.source.lower(), anchor
                assert (coin.coin, anchor.price) not in asked, anchor


def test_anchors_from_published_facts_are_of_other_venues(shipped: dict[str, Case], shared: Path) -> None:
    rows = [row for path in (shared / "facts").glob("*.json") for row in json.loads(path.read_text())]
    venue_of = {row["id"]: str(row["venue"]).lower() for row in rows}
    cited = [(case, row) for case in shipped.values() for row in anchors_of(case) if ROW.search(row.source)]
    assert cited
    for case, row in cited:
        for fact in ROW.findall(row.source):
            if "minute of" not in row.source.split(fact)[0]:  # a time, not a price
                assert case.rulebook.split("-")[0] not in venue_of[fact], row


def test_an_override_changes_one_figure() -> None:
    plain, changed = load_case(SMALL), load_case(SMALL, {"crowd.makers.trip_loss": "0.5"})
    assert changed.crowd.makers.trip_loss == 0.5
    assert (
        changed.crowd.makers.model_copy(update={"trip_loss": plain.crowd.makers.trip_loss})
        == plain.crowd.makers
    )
    assert changed.model_copy(update={"crowd": plain.crowd}) == plain


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("accounts", "500", lambda case: case.accounts == 500),
        ("accounts", 500, lambda case: case.accounts == 500),
        ("title", "Another", lambda case: case.title == "Another"),
        ("title", '"Another"', lambda case: case.title == "Another"),
        ("title", "2025", lambda case: case.title == "2025"),
        ("title", "a = b", lambda case: case.title == "a = b"),
        ("title", "1\nx = 2", lambda case: case.title == "1\nx = 2"),
        ("weather.mode", "none", lambda case: case.weather.mode == "none"),
        ("weather.incidents.0.failing", "0.5", lambda case: case.weather.incidents[0].failing == 0.5),
        ("weather.incidents", "[]", lambda case: case.weather.incidents == ()),
        ("end", "2025-01-01T12:01:00Z", lambda case: case.steps == 60),
        ("instruments.BTC-PERP.tick_usd", "0.5", lambda case: case.instruments[0].tick_usd == Decimal("0.5")),
        ("instruments.0.tick_usd", "0.5", lambda case: case.instruments[0].tick_usd == Decimal("0.5")),
        ("world.coin.DOGE.anchors.1.fall", "0.5", lambda case: case.world.coin[1].anchors[1].fall == 0.5),
        ("world.shapes.follower.beta", "2", lambda case: case.world.shapes["follower"].beta == 2),
        ("crowd.traders.top_up_size", "[0, 1]", lambda case: case.crowd.traders.top_up_size == (0, 1)),
        ("crowd.makers.active", "false", lambda case: case.crowd.makers.active is False),
        (
            "crowd.patient",
            "{ bids_share = 0.2, levels = 10 }",
            lambda case: (case.crowd.patient.bids_share, case.crowd.patient.levels) == (0.2, 10),
        ),
        ("facts.btc-low.calibrate", "true", lambda case: case.facts[0].calibrate),
    ],
)
def test_values_are_what_toml_would_read(key: str, value: Any, found: Callable[[Case], bool]) -> None:
    assert not found(load_case(SMALL))
    assert found(load_case(SMALL, {key: value}))


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("mark.basis_window_seconds", "60", lambda book: book.mark.basis_window_seconds == 60),
        ("mark", "{ basis_window_seconds = 60 }", lambda book: book.mark.basis_window_seconds == 60),
        ("mark.method", "oracle", lambda book: book.mark.method == "oracle"),
        ("orders.min_notional_usd", "0.5", lambda book: book.orders.min_notional_usd == Decimal("0.5")),
    ],
)
def test_rules_are_overridden_like_figures(key: str, value: Any, found: Callable[[Rulebook], bool]) -> None:
    assert not found(rulebook_of(load_case(SMALL)))
    assert found(rulebook_of(load_case(SMALL, {f"rulebook.{key}": value})))


def test_another_rulebook_keeps_the_names_of_the_first() -> None:
    """What the other does not know falls back on its default; the case says whose names it uses."""
    case = load_case("oct-2025", {"rulebook": "bitmex-2020"})
    assert (case.rulebook, case.written_for) == ("bitmex-2020", "binance-2025")
    assert load_case("oct-2025", {"rulebook": "binance-2025"}).written_for == ""


def test_a_rulebook_file_is_found_beside_the_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cases").mkdir()
    book = tmp_path / "cases" / "house.toml"
    book.write_text(rulebook_text(load_rulebook("binance-2025")))
    text = SMALL.read_text().replace('rulebook = "binance-2025"', 'rulebook = "house.toml"')
    (tmp_path / "cases" / "small.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    case = load_case("cases/small.toml", {"rulebook.mark.basis_window_seconds": 60})
    assert rulebook_of(case).mark.basis_window_seconds == 60
    # In a run folder the rulebook lies beside the case, with its changes made.
    run = tmp_path / "run"
    run.mkdir()
    (run / "case.toml").write_text(case_text(case))
    (run / "rulebook.toml").write_text(rulebook_text(rulebook_of(case)))
    again = load_case(run / "case.toml")
    assert rulebook_of(again) == rulebook_of(case)
    assert again.model_copy(update={"rulebook": case.rulebook}) == case


@pytest.mark.parametrize("name", [*case_names(), str(SMALL)])
@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"crowd.makers.trip_loss": "0.1", "rulebook.orders.min_notional_usd": "0.1", "weather.mode": "none"},
        {"rulebook": "ftx-2022", "rulebook.mark.update_seconds": 2, "crowd.traders.stop_share": 1 / 3},
    ],
)
def test_a_case_reads_back_as_it_was(name: str, overrides: dict[str, Any], tmp_path: Path) -> None:
    case = load_case(name, overrides)
    path = tmp_path / "case.toml"
    path.write_text(case_text(case))
    again = load_case(path)
    assert again == case
    assert again.model_dump_json() == case.model_dump_json()
    assert case_text(again) == case_text(case)
    assert rulebook_of(again) == rulebook_of(case)


@pytest.mark.parametrize("name", preset_names())
def test_a_rulebook_reads_back_as_it_was(name: str, tmp_path: Path) -> None:
    rulebook = load_rulebook(name)
    path = tmp_path / "rulebook.toml"
    path.write_text(rulebook_text(rulebook))
    assert load_rulebook(path) == rulebook
    assert load_rulebook(path).fingerprint() == rulebook.fingerprint()


def test_a_changed_rulebook_reads_back_without_its_history(tmp_path: Path) -> None:
    case = load_case(
        "oct-2025", {"rulebook.collateral.USDe.price.kind": "index", "rulebook.backstop.kind": "none"}
    )
    rulebook, path = rulebook_of(case), tmp_path / "rulebook.toml"
    path.write_text(rulebook_text(rulebook))
    assert rulebook.overridden == ("backstop.kind", "collateral.USDe.price.kind")
    assert load_rulebook(path).model_copy(update={"overridden": rulebook.overridden}) == rulebook


def test_every_mechanism_of_what_ships_makes_another_case(shipped: dict[str, Case]) -> None:
    looked_at: list[tuple[object, ...]] = []
    for name, case in shipped.items():
        assert case.mechanisms
        for mechanism in case.mechanisms.values():
            figures = [getattr(case, key.split(".")[0]) for key in mechanism.set]
            touched = (mechanism.set, figures, case.rulebook_overrides)
            if touched in looked_at:
                continue  # the same change to the same figures as in another case
            looked_at.append(touched)
            if not case.weather.incidents and set(mechanism.set) == {"weather.incidents"}:
                continue  # taken over from a case that has some; incidents themselves never are
            without = load_case(name, mechanism.set)
            same = without.model_copy(update={"rulebook_overrides": {}}) == case
            assert not same or rulebook_of(without) != rulebook_of(case), mechanism.description


def test_dotted_and_nested_overrides_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    for spelling in ("mark.update_seconds = 2", '"mark.update_seconds" = 2', "mark = { update_seconds = 2 }"):
        path.write_text(SMALL.read_text().replace("accounts = 300", f"rulebook_overrides = {{ {spelling} }}"))
        assert load_case(path).rulebook_overrides == {"mark.update_seconds": 2}


def test_times_without_a_zone_are_utc(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(SMALL.read_text().replace("end = 2025-01-01T12:03:00Z", 'end = "2025-01-01T12:03:00"'))
    assert load_case(path).steps == 180
    assert load_case(path).world.paths(datetime(2025, 1, 1, 12, tzinfo=UTC))[0].anchors[1].time_ms == 60_000


@pytest.mark.parametrize(("wrong", "other"), [(0, 1), (1, 0)])
def test_facts_are_all_looked_at(wrong: int, other: int, tmp_path: Path) -> None:
    """One that cannot be read hides nothing of those beside it, nor their numbers."""
    path, measures = tmp_path / "small.toml", ("low_price", "time_of_low")
    text = SMALL.read_text().partition("[beside]")[0]
    before, *facts = text.split("[[facts]]")
    facts[wrong] = re.sub(r"amount = [\d.]+", "amount = -3", facts[wrong])
    facts[other] = facts[other].replace(f'"{measures[other]}"', '"depth_of_lows"')
    path.write_text("[[facts]]".join([before, *facts]))
    found = [fault.removeprefix(f"{path}: ") for fault in check_case(path, check_facts)[1]]
    assert found[0] == f"facts.{wrong}.tolerance.amount: is -3; must be a number above 0"
    assert found[1].startswith(f"facts.{other} ({('btc-low', 'btc-low-time')[other]}): query: no measure is")
    assert len(found) == 2


def test_the_folder_of_a_run_names_its_case(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text("")
    with pytest.raises(CaseError) as error:
        load_case(str(tmp_path))
    assert str(error.value) == f"{tmp_path}: is the folder of a run; its case is {tmp_path / 'case.toml'}"
