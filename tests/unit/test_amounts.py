"""Amounts of a crowd: by the venue's size or stated, and a warning where one belongs to another venue."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from tidy_rules import ROOT
from undertow.case.amounts import crowd_amounts, odd_amounts, scale_of
from undertow.case.load import case_names, load_case
from undertow.case.model import Crowd
from undertow.crowd import rules, rules_actors, rules_between, rules_hedges, rules_people
from undertow.crowd.rules import Figures, PopulationRules
from undertow.crowd.rules_actors import MakerRules
from undertow.crowd.scale import Basis, Scale, amount_of, amounts_of, share_of
from undertow.views.cli import main
from undertow.world.weather import WeatherRules, per_liquidation

SMALL = ROOT / "docs/how-to/small-crash.toml"
VENUE = Scale(60e6, 250e6, 5e6, 2_429.0)
# Amounts that do not go by a venue's size: what one person has, and the shape of sizes scaled to a sum.
OF_ONE_PERSON = {
    "PopulationRules.median_equity_usd",
    "PopulationRules.tail_start_usd",
    "PopulationRules.least_equity_usd",
    "PopulationRules.leverage_at_500_usd",
    "LooperRules.median_equity_usd",
    "LooperRules.largest_usd",
    "LooperRules.people",
}
MODELS = [
    found
    for module in (rules, rules_actors, rules_between, rules_hedges, rules_people)
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, Figures) and found.__module__ == module.__name__
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_no_amount_is_taken_from_another_venue_by_default(model: type[BaseModel]) -> None:
    """A default in dollars or people would put one venue's crowd on every other."""
    for name, field in model.model_fields.items():
        is_amount = "usd" in name or "people" in name or name == "reference_accounts"
        if not is_amount or f"{model.__name__}.{name}" in OF_ONE_PERSON or field.is_required():
            continue
        assert share_of(model, name) is not None or field.default in (0.0, ()), f"{model.__name__}.{name}"


def sized() -> list[tuple[type[BaseModel], str]]:
    return [(model, name) for model in MODELS for name in model.model_fields if share_of(model, name)]


@pytest.mark.parametrize(("model", "name"), sized(), ids=lambda part: getattr(part, "__name__", part))
def test_ten_times_the_venue_has_ten_times_the_amount(model: type[BaseModel], name: str) -> None:
    plain = model()
    once, ten = (amount_of(plain, name, Scale(*(factor * part for part in VENUE))) for factor in (1.0, 10.0))
    default = share_of(model, name)
    assert default is not None and once > 0.0
    assert ten == pytest.approx(once / 10.0 if default.of is Basis.PERSON else once * 10.0)


@pytest.mark.parametrize(("model", "name"), sized(), ids=lambda part: getattr(part, "__name__", part))
def test_what_is_stated_stands_on_every_venue(model: type[BaseModel], name: str) -> None:
    stated = model.model_validate({name: 3_000_000 if name == "reference_accounts" else 3e5})
    assert {amount_of(stated, name, Scale(*(f * part for part in VENUE))) for f in (0.1, 1.0, 10.0)} == {
        getattr(stated, name)
    }


def test_a_figure_that_has_no_size_is_no_amount() -> None:
    with pytest.raises(KeyError, match=r"MakerRules.firms does not go by the venue's size"):
        amount_of(MakerRules(), "firms", VENUE)


def test_people_and_the_largest_account_on_venues_of_three_sizes() -> None:
    """41 billion of open interest and 1.66 million people (1.1), 60 million, and less than one account."""
    large, small, tiny = (PopulationRules().sizes_on(usd) for usd in (41e9, 60e6, 20_000.0))
    assert large.people == pytest.approx(1.66e6, rel=0.01) and large.tail_cap == pytest.approx(
        300e6, rel=0.01
    )
    assert (large.tail_start, large.median, large.least) == (250_000.0, 250.0, 5.0)
    assert (small.people, small.tail_cap) == (2_429, pytest.approx(438_000.0))
    assert tiny.people == 1
    for sizes in (large, small, tiny):
        assert sizes.least <= sizes.median < sizes.tail_start < sizes.tail_cap


def test_the_fewer_people_the_more_a_liquidation_weighs() -> None:
    """0.01 where 1.66 million have a position (crowd description 6, c_l)."""
    assert per_liquidation(WeatherRules(), 1_660_000) == pytest.approx(0.01)
    assert per_liquidation(WeatherRules(), 16_600) == pytest.approx(1.0)
    assert per_liquidation(WeatherRules(per_liquidation=0.005), 16_600) == 0.005


@pytest.mark.parametrize("name", [*case_names(), str(SMALL)])
def test_no_crowd_that_ships_belongs_to_another_venue(name: str) -> None:
    assert odd_amounts(load_case(name)) == []


def test_every_amount_of_a_case_is_listed_once() -> None:
    found = [row.key for row in crowd_amounts(load_case("oct-2025"))]
    assert len(found) == len(set(found))
    of_assets = ("crowd.patient.resting", "crowd.redemption.assets", "crowd.loopers.assets")
    assert {key for key in found if not key.startswith(("beside.", *of_assets))} == {
        f"crowd.{part}.{name}"
        for part, field in Crowd.model_fields.items()
        for name in field.annotation.model_fields
        if share_of(field.annotation, name)
    }
    assert {"beside.crowd.makers.capital_usd", "beside.between.second_usd"} <= set(found)


def test_makers_of_another_venue_are_warned_of() -> None:
    """The size of the crowd's description on a venue that trades 250 million a day."""
    case = load_case(SMALL, {"crowd.makers.capital_usd": 3e9})
    assert odd_amounts(case) == [
        "crowd.makers.capital_usd: is 3,000,000,000, 12 times a day's turnover in contracts; "
        "usual is 0.6 % to 3 %; left out it goes by the venue's size and is 3,000,000"
    ]
    people = load_case(SMALL, {"crowd.population.reference_accounts": 1_660_000})
    here, beside = odd_amounts(people)  # the second venue's crowd is the first's
    assert here.startswith(
        "crowd.population.reference_accounts: is 1,660,000, one for each $36 of open interest; "
        "usual is one for each $138,000 to one for each $13,700;"
    )
    assert beside.startswith("beside.crowd.population.reference_accounts: ")
    assert scale_of(people).people == 1_660_000


def test_figures_of_one_asset_are_held_against_its_own_book() -> None:
    """15 million rest where 130 are traded a day; on a book of 5 million that is three days' turnover."""
    case = load_case(SMALL, {"crowd.patient.resting_bids.0.notional_usd": 15e6})
    assert odd_amounts(case) == [
        "crowd.patient.resting_bids.0.notional_usd: is 15,000,000, 3 times a day's turnover of its book; "
        "usual is 0 % to 25 %; state what this venue has"
    ]


def test_check_says_what_a_crowd_amounts_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL.read_text().replace("capital_usd = 3e6", "capital_usd = 3e9"))
    assert main(["check", str(path)]) == 0  # a warning is no fault
    out, err = capsys.readouterr()
    assert "a valid case" in out and "12 times a day's turnover in contracts" in out
    assert "stated; does not fit the venue" in out
    assert f"warning: {path}: crowd.makers.capital_usd: is 3,000,000,000" in err.replace("\n", " ")
    assert [amount.name for amount in amounts_of(MakerRules(), VENUE)] == [
        "large_turnover_usd",
        "capital_usd",
    ]
