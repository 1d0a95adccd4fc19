"""`undertow new`: a first file that passes `check`, and never one that overwrites another."""

from __future__ import annotations

from pathlib import Path

import pytest

from undertow.case.load import load_case
from undertow.rulebook.load import load_rulebook
from undertow.views.cli import main


def new(*words: object) -> int:
    return main(["new", *(str(word) for word in words)])


def test_a_new_rulebook_is_a_valid_copy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my-venue.toml"
    assert new("rulebook", file, "--from", "dydx-v4") == 0
    assert "undertow check" in capsys.readouterr().out
    copy, original = load_rulebook(file), load_rulebook("dydx-v4")
    assert copy.name == "my-venue"
    assert copy.model_copy(update={"name": "dydx-v4"}) == original


def test_a_new_case_is_a_valid_copy(tmp_path: Path) -> None:
    file = tmp_path / "my-day.toml"
    assert new("case", file, "--from", "calm-2025") == 0
    copy, original = load_case(file), load_case("calm-2025")
    assert copy.name == "my-day"
    assert copy.model_copy(update={"name": "calm-2025"}) == original
    again = tmp_path / "another.toml"
    assert new("case", again, "--from", file) == 0
    assert load_case(again).title == original.title


@pytest.mark.parametrize(
    ("kind", "name", "source", "sentence"),
    [
        ("case", "taken.toml", "calm-2025", "is there already"),
        ("case", "x.toml", "calm", "there is no such case; did you mean"),
        ("rulebook", "x.toml", "dydx", "is no preset; did you mean"),
        ("rulebook", "My Venue.toml", "dydx-v4", "is no name for a case or rulebook"),
        ("rulebook", "x", "dydx-v4", "is no name for a case or rulebook"),
        ("recipe", "x.toml", "dydx-v4", "is no kind of file; write new case or new rulebook"),
        ("rulebook", "nowhere/x.toml", "dydx-v4", "no such file or directory"),
    ],
)
def test_refusals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str, source: str, sentence: str
) -> None:
    (tmp_path / "taken.toml").write_text("mine")
    assert new(kind, tmp_path / name, "--from", source) == 2
    assert sentence in capsys.readouterr().err
    assert (tmp_path / "taken.toml").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken.toml"]


def test_a_copy_that_would_lose_its_rulebook_is_not_left_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert new("rulebook", home / "mine.toml", "--from", "binance-2025") == 0
    assert new("case", home / "day.toml", "--from", "calm-2025") == 0
    text = (home / "day.toml").read_text()
    (home / "day.toml").write_text(
        text.replace('extends = "oct-2025"', 'extends = "oct-2025"\nrulebook = "mine.toml"')
    )
    assert new("case", tmp_path / "far.toml", "--from", home / "day.toml") == 2
    assert "write the new file into the folder of the one it starts from" in capsys.readouterr().err
    assert not (tmp_path / "far.toml").exists()
    assert new("case", home / "near.toml", "--from", home / "day.toml") == 0


def test_a_byte_order_mark_is_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "theirs.toml"
    assert new("case", source, "--from", "calm-2025") == 0
    text = source.read_text()
    line = 'name = "theirs"\n'
    source.write_bytes(b"\xef\xbb\xbf" + (line + text.replace(line, "", 1)).encode())
    assert new("case", tmp_path / "mine.toml", "--from", source) == 0
    assert (tmp_path / "mine.toml").read_bytes().startswith(b'name = "mine"\n')
