"""Every figure has bounds on both sides, and a file that holds too much is one sentence within a second."""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

import undertow
from tidy_rules import ROOT
from undertow.case.load import case_names, load_case
from undertow.errors import CaseError, InputError
from undertow.rulebook.extent import MOST_BYTES, MOST_DIGITS
from undertow.rulebook.faults import read_toml
from undertow.rulebook.limits import LEAST, bounds_of

SMALL = ROOT / "docs/how-to/small-crash.toml"
TEXT = SMALL.read_text().partition("[beside]")[0]
NUMBERS = (int, float, Decimal)


def models_of(base: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        if model.__module__.startswith("undertow."):
            yield model
        yield from models_of(model)


def has_numbers(annotation: Any) -> bool:
    return annotation in NUMBERS or any(has_numbers(part) for part in get_args(annotation))


def test_every_figure_of_every_model_is_bounded_on_both_sides() -> None:
    for module in pkgutil.walk_packages(undertow.__path__, "undertow."):
        importlib.import_module(module.name)
    seen, open_ones = 0, []
    for model in set(models_of()):
        for name, field in model.model_fields.items():
            if not has_numbers(field.annotation):
                continue
            seen += 1
            bounds = bounds_of(field)
            low = any(hasattr(bound, "ge") or hasattr(bound, "gt") for bound in bounds)
            high = any(hasattr(bound, "le") or hasattr(bound, "lt") for bound in bounds)
            if not (low and high):
                open_ones.append(f"{model.__name__}.{name}")
    assert seen > 250
    assert open_ones == []


def test_what_ships_lies_within() -> None:
    for name in case_names():
        load_case(name)


FIGURES = {
    "an amount": ("house.fund_usd", "1e14", "is 100000000000000; must be at most 1000000000000"),
    "a lot": ("instruments.BTC-PERP.lot", "1e30", "is 1E+30; must be at most 1000000000"),
    "a share of one": ("crowd.makers.depth_share", "5e5", "is 500000; must be at most 1000"),
    "next to nothing": ("crowd.makers.quote_life_s", "1e-30", f"is 1E-30; must be at least {LEAST:.9f}"),
    "a spread": ("crowd.makers.trip_spread", "11", "is 11; must be at most 10"),
    "a time": ("crowd.traders.round_s", "1e9", "is 1000000000; must be at most 31536000"),
    "below nothing": ("crowd.makers.capital_usd", "-1", "is -1; must be a number of dollars above 0"),
    "too many firms": ("crowd.makers.firms", "65", "is 65; must be a whole number from 1 to 64"),
    "digits": ("house.fund_usd", "9" * 5000, f"a number has more than {MOST_DIGITS} digits; write fewer"),
    "a power": ("house.fund_usd", "1e999999999", f"a number has more than {MOST_DIGITS} digits; write fewer"),
    "nesting": (
        "accounts",
        "[" * 2000 + "]" * 2000,
        "nests more than 16 levels of tables or lists; a case or rulebook has six",
    ),
    "year 1": ("start", "0001-01-01T00:00:00Z", "is 0001-01-01; must be a time of the years 2000 to 2099"),
    "year 9999": (
        "end",
        "9999-12-31T23:00:00-05:00",
        "is 9999-12-31; must be a time of the years 2000 to 2099",
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_an_absurd_figure_is_one_sentence(name: str) -> None:
    key, value, sentence = FIGURES[name]
    with pytest.raises(CaseError) as caught:
        load_case(SMALL, {key: value})
    assert f"override: {key}: {sentence}" in str(caught.value).splitlines()
    assert len(str(caught.value)) < 1000


def test_amounts_that_fit_alone_must_fit_together() -> None:
    changes = {f"instruments.{name}.open_interest_usd": "6e11" for name in ("BTC-PERP", "DOGE-PERP")}
    with pytest.raises(CaseError, match="dollars in all; one venue counts up to 1000000000000"):
        load_case(SMALL, changes)


def test_a_case_has_at_most_a_million_steps() -> None:
    with pytest.raises(CaseError, match=r"end: is 2055.*; give at most 1000000 steps"):
        load_case(SMALL, {"end": "2055-01-01T12:00:00Z"})


FILES = {
    "more bytes": ("x = 1\n" * (MOST_BYTES // 6 + 1), "has more than 512 KiB; a case or rulebook is smaller"),
    "a long array": (f"list = [{'1,' * 19_000}]\n{TEXT}", "list: has 19000 entries; give at most 1000"),
    "many tables": (TEXT + "\n[[world.coin]]\n" * 5000, "world.coin: has 5003 entries; give at most 1000"),
    "nested tables": (TEXT + "a = " + "{a=" * 400 + "1" + "}" * 400, "nests more than 16 levels"),
    "nested names": (TEXT + "a." * 5000 + "b = 1", "nests more than 16 levels"),
    "an integer": (TEXT + "a = " + "9" * 100_000, f"a number has more than {MOST_DIGITS} digits"),
    "a fraction": (TEXT + "a = 0." + "9" * 100_000, f"a number has more than {MOST_DIGITS} digits"),
    "a hexadecimal": (TEXT + "a = 0x" + "f" * 100_000, f"a number has more than {MOST_DIGITS} digits"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_holds_too_much_is_one_sentence_within_a_second(name: str, tmp_path: Path) -> None:
    text, sentence = FILES[name]
    path = tmp_path / "large.toml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(InputError) as caught:
        read_toml(path, "large.toml")
    assert time.process_time() - began < 1.0
    assert str(caught.value).startswith("large.toml: ") and sentence in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_fifty_megabytes_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.toml"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    began = time.process_time()
    with pytest.raises(InputError, match="has more than 512 KiB"):
        read_toml(path, "huge.toml")
    assert time.process_time() - began < 0.2
