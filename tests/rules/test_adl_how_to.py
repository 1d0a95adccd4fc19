"""The examples of docs/how-to/adl-policies.md run, and do what the page says."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.winners import holders
from undertow.rulebook.load import load_rulebook, with_overrides
from undertow.venue.allocation import Need, allocate, policies, policy
from undertow.venue.allocation.policy import _register
from undertow.venue.closing import BadDebt
from undertow.venue.stages import closing_rule

PAGE = "docs/how-to/adl-policies.md"


@pytest.fixture
def page(repository: Path) -> str:
    """The page's text."""
    return (repository / PAGE).read_text()


@pytest.fixture
def examples(page: str) -> Iterator[dict[str, Any]]:
    """What the page's code blocks define; what they register is forgotten afterwards."""
    before = dict(_register)
    namespace: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, PAGE, "exec"), namespace)
    yield namespace
    _register.clear()
    _register.update(before)


def test_the_ten_line_policy_is_found_by_name(examples: dict[str, Any]) -> None:
    assert "least-equity-first" in policies()
    result = allocate(policy("least-equity-first"), holders([30, 10, 20]), Need(25, 0, 100))
    assert result.close_lots.tolist() == [0, 10, 15]


def test_the_free_policy_spares_the_small_while_it_can(examples: dict[str, Any]) -> None:
    spare = examples["SpareTheSmall"]()
    winners = holders([999, 1000, 3000])
    assert allocate(spare, winners, Need(400, 0, 100)).close_lots.tolist() == [0, 100, 300]
    assert allocate(spare, winners, Need(4999, 0, 100)).close_lots.tolist() == [999, 1000, 3000]


def test_the_comparison_prints_a_line_per_policy(
    examples: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    examples["burdens"](holders([30, 10, 20]), Need(0, 1000, 100))
    assert len(capsys.readouterr().out.splitlines()) == len(policies())


def test_the_page_lists_every_policy(page: str) -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted([*policies(), BadDebt.name])


def test_a_rulebook_takes_what_the_page_says(page: str) -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| `(\w+) = (.*)` \|$", page, re.MULTILINE)
    assert len(rows) == len(policies()) + 1
    for name, key, value in rows:
        changes = {"allocation.policy": "queue", f"allocation.{key}": tomllib.loads(f"x = {value}")["x"]}
        if key == "group":
            changes["allocation.score"] = "opposing-size"  # the ranking that may be cut into a group
        rulebook = with_overrides(load_rulebook("bitmex-2020"), changes)
        assert closing_rule(rulebook).policy.name == name


def test_an_engine_takes_any_policy(examples: dict[str, Any]) -> None:
    assert examples["venue"].engine.closing.policy is policy("least-equity-first")
