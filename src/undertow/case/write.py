"""A case and a rulebook as text again: what a run keeps beside its tape.

Holds the writing only. Invariant: reading the text back gives an equal case or rulebook; a case whose
rulebook is a file reads it from `rulebook.toml` beside it, a second venue's from its own run folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import tomli_w

from undertow.case.model import Case
from undertow.case.rulebooks import is_path
from undertow.rulebook.model import Rulebook

RULEBOOK_FILE = "rulebook.toml"
BESIDE_FOLDER = "beside"


def _written(value: Any) -> Any:
    """Without keys that have no value (TOML has no word for nothing); whole decimals as whole numbers."""
    if isinstance(value, Mapping):
        return {key: _written(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list | tuple):
        return [_written(entry) for entry in value]
    if isinstance(value, Decimal) and not str(value).strip("-0123456789"):
        return int(value)
    return value


def case_text(case: Case) -> str:
    """The case with its overrides applied, every figure written out, as TOML."""
    content = _written(case.model_dump())
    if is_path(case.rulebook):
        content["rulebook"] = RULEBOOK_FILE
    if case.beside is not None and is_path(case.beside.rulebook):
        content["beside"]["rulebook"] = f"{BESIDE_FOLDER}/{RULEBOOK_FILE}"
    return tomli_w.dumps(content)


def rulebook_text(rulebook: Rulebook) -> str:
    """The rulebook with its overrides applied, as TOML; only figures that its mechanisms use."""
    return tomli_w.dumps(_written(rulebook.model_dump(exclude_unset=True, exclude={"overridden"})))
