"""docs/how-to/cases.md: its example runs, its pieces are of it, its tables are those of the models."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from support.case_tables import PAGE, undescribed, written
from tidy_rules import ROOT
from undertow.case.facts import Fact
from undertow.case.load import check_case, load_case
from undertow.lab.run import run_case
from undertow.lab.score import check_facts
from undertow.views.cli import settings_from

SMALL = ROOT / "docs/how-to/small-crash.toml"
AGAIN = "PYTHONPATH=src:tests python -m support.case_tables"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text()


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    assert found, language
    return found


def test_the_pieces_are_of_the_example(page: str) -> None:
    text = SMALL.read_text()
    assert all(block in text for block in blocks(page, "toml"))


def test_the_example_runs(tmp_path: Path) -> None:
    result = run_case(SMALL, {"end": "2025-01-01T12:00:30Z"}, out=tmp_path)
    assert (result.status, result.folder.name) == ("complete", "small-crash-1")


def test_every_change_on_the_page_is_one_that_loads(page: str) -> None:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines() if "--set" in line]
    assert len(lines) == 5
    plain = load_case(SMALL)
    for line in lines:
        words = shlex.split(line)
        pairs = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
        assert load_case(SMALL, settings_from(pairs)) != plain, line


def test_the_other_day_on_the_page_is_a_case(page: str, tmp_path: Path) -> None:
    (block,) = blocks(page, "conf")
    (tmp_path / "quiet.toml").write_text(block)
    case, faults = check_case(tmp_path / "quiet.toml")
    assert faults == [] and case is not None
    assert case.crowd == load_case("oct-2025").crowd
    assert all(len(coin.anchors) == 1 for coin in case.world.coin)


def test_the_faults_on_the_page_are_said(page: str, tmp_path: Path) -> None:
    path = tmp_path / "small-crash.toml"
    text = SMALL.read_text()
    for old, new in (("fund_usd", "fund_us"), ('"alt"', '"alts"'), ('"weather.mode"', '"weather.mod"')):
        text = text.replace(old, new, 1)
    path.write_text(text)
    faults = [fault.removeprefix(f"{path.parent}/") for fault in check_case(path, check_facts)[1]]
    (block,) = blocks(page, "text")
    assert [fault for fault in faults if "is missing" not in fault] == block.splitlines()


def test_the_python_example(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    namespace: dict[str, Any] = {}
    (block,) = blocks(page, "python")
    exec(compile(block, str(PAGE), "exec"), namespace)
    assert (namespace["case"].steps, namespace["case"].crowd.makers.firms) == (180, 5)


def test_the_tables_are_those_of_the_models(page: str) -> None:
    assert undescribed() == []
    assert page == written(), f"the tables are old; {AGAIN}"
    facts = page.partition("### `[[facts]]`")[2]
    assert all(f"| `{name}` |" in facts for name in Fact.model_fields)
