"""The page on tapes and facts: its questions run, its fact is valid, its list of measures is complete."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from support.synthetic_run import Sizes, make_synthetic_run
from undertow.case.facts import UNITS, Fact
from undertow.lab.measures import measure_names
from undertow.lab.score import check_facts
from undertow.tape import Tape
from undertow.tape.schema import TABLES


@pytest.fixture(scope="module")
def document(repository: Path) -> str:
    return (repository / "docs" / "how-to" / "tape-and-facts.md").read_text()


def blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", document, re.MULTILINE | re.DOTALL)


def test_questions_have_answers(document: str, tmp_path: Path) -> None:
    tape = Tape(make_synthetic_run(tmp_path / "run", Sizes(accounts=400, fills=500, steps=1200)))
    questions = blocks(document, "sql")
    assert len(questions) == 3
    for question in questions:
        assert tape.rows(question)


def test_first_steps_work(document: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_synthetic_run(tmp_path / "runs" / "oct-2025-1", Sizes(accounts=100, fills=100, steps=600))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(blocks(document, "python")[0], names)
    assert isinstance(names["exact"], int)
    assert set(names["columns"]) == {"time_ms", "mark_ticks"}  # type: ignore[call-overload]


def test_the_fact_is_valid(document: str) -> None:
    facts = [Fact.model_validate(row) for row in tomllib.loads(blocks(document, "toml")[0])["facts"]]
    assert check_facts(facts) == []


def test_nothing_is_left_out(document: str) -> None:
    assert re.findall(r"^\| `(\w+)` \| \w+ \|", document, re.MULTILINE) == list(measure_names())
    assert set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", document, re.MULTILINE)) == set(TABLES)
    for unit in UNITS:
        assert f"`{unit}`" in document
