"""Mechanisms taken away by name: the overrides they stand for, beside others, and what cannot be."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tidy_rules import ROOT
from undertow.case import mechanisms
from undertow.case.load import load_case
from undertow.case.mechanisms import without
from undertow.case.overrides import as_text, typed
from undertow.errors import CommandLineError
from undertow.views.cli import BAD_INPUT, OK, main

SMALL = ROOT / "docs/how-to/small-crash.toml"


def test_a_name_is_its_overrides() -> None:
    changes = without(SMALL, ["slow-basis", "weather"], {"accounts": "200"})
    assert changes == {
        "accounts": "200",
        "rulebook.mark.basis_window_seconds": "3",
        "weather.mode": "none",
    }
    case = load_case(SMALL, changes)
    assert (case.accounts, case.weather.mode) == (200, "none")


def test_every_mechanism_that_ships_is_read_back_from_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """An override is read by `typed` before anything is done with it: equal values make equal cases.

    That every one of them makes another case is looked at in `test_case_load`.
    """
    case = load_case("oct-2025")
    monkeypatch.setattr(mechanisms, "load_case", lambda _: case)
    for name, mechanism in case.mechanisms.items():
        texts = without("oct-2025", [name], {})
        assert {key: typed(text) for key, text in texts.items()} == mechanism.set, name


@pytest.mark.parametrize(
    "names",
    [
        ["weather", "own-book-collateral", "disposal"],
        pytest.param([], marks=pytest.mark.nightly),  # every one
    ],
)
def test_a_mechanism_that_ships_loads_as_text(names: list[str]) -> None:
    case = load_case("oct-2025")
    for name in names or case.mechanisms:
        changed = load_case("oct-2025", without("oct-2025", [name], {}))
        assert changed == load_case("oct-2025", case.mechanisms[name].set) != case, name


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        (
            ["slow-bases"],
            {},
            f"--without slow-bases: {SMALL} has no such mechanism; it has weather, slow-basis",
        ),
        (
            ["weather"],
            {"weather.mode": "load"},
            "--without weather sets weather.mode to none, --set to load; leave one of the two out",
        ),
        (
            ["weather"],
            {"weather": "{ mode = 'load' }"},
            "--without weather sets weather.mode to none, --set weather to { mode = 'load' }; "
            "leave one of the two out",
        ),
    ],
)
def test_what_cannot_be_taken_away(names: list[str], settings: dict[str, str], message: str) -> None:
    with pytest.raises(CommandLineError) as error:
        without(SMALL, names, settings)
    assert str(error.value) == message


def test_the_same_value_in_other_words_is_no_disagreement() -> None:
    given = {"rulebook.mark.basis_window_seconds": "3.0"}
    assert without(SMALL, ["slow-basis"], given) == given


def test_two_that_disagree_are_refused() -> None:
    with pytest.raises(CommandLineError) as error:
        without("oct-2025", ["disposal", "disposal-pace"], {})
    assert str(error.value) == (
        "--without disposal-pace sets rulebook.backstop.disposal.rate_ppm_per_second to 5000, "
        "--without disposal to 0; leave one of the two out"
    )


def test_a_case_without_any(tmp_path: Path) -> None:
    (tmp_path / "quiet.toml").write_text(SMALL.read_text().partition("[mechanisms.")[0])
    with pytest.raises(CommandLineError, match="it has none; use --set"):
        without(tmp_path / "quiet.toml", ["weather"], {})


@pytest.mark.parametrize("command", ["show", "score", "calibrate", "sensitivity", "stability", "run"])
def test_every_command_that_takes_set_takes_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--draws", "1"] if command == "score" else []
    assert main([command, str(SMALL), *words, "--without", "nothing"]) == BAD_INPUT
    assert "--without nothing: " in capsys.readouterr().err


def test_show_gives_overrides_that_can_be_copied(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(SMALL), "--without", "weather"]) == OK
    assert "rulebook.mark.basis_window_seconds=3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (False, "false"),
        (Decimal("0.10"), "0.10"),
        ([Decimal("0.1"), 5], "[0.1, 5]"),
        ("none", "none"),
        ({"mode": "none", "rows": []}, '{ "mode" = "none", "rows" = [] }'),
    ],
)
def test_values_as_text_are_read_back(value: Any, text: str) -> None:
    assert as_text(value) == text
    assert typed(text) == value
