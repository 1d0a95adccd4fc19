"""The examples of docs/how-to/rulebooks.md run, and do what the page says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from undertow.rulebook.load import preset_names
from undertow.rulebook.waterfall import Liquidation

PAGE = "docs/how-to/rulebooks.md"


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / PAGE).read_text()


@pytest.fixture
def examples(page: str) -> dict[str, Any]:
    """What the page's Python blocks define, run in order."""
    namespace: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, PAGE, "exec"), namespace)
    return namespace


def test_the_changes_are_made(examples: dict[str, Any]) -> None:
    calmer, redeemed = examples["calmer"], examples["redeemed"]
    assert calmer.mark.basis_window_seconds == 300
    assert calmer.orders.bands("alt")[0] == 20_000
    assert calmer.margin_class("BTC").tiers()[0].initial_ppm == 10_000
    assert redeemed.collateral["WBETH"].price.kind == "redemption"


def test_the_check_of_a_missing_file_says_so(examples: dict[str, Any]) -> None:
    assert examples["fault"] == "my-venue.toml: there is no such file; give the path of a TOML file"


def test_the_table_is_one_that_loads(page: str) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert Liquidation.model_validate(tomllib.loads(block)["liquidation"]).cooldown_seconds == 30


def test_the_page_names_every_preset(page: str) -> None:
    assert all(f"`{name}`" in page for name in preset_names())
