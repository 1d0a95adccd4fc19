"""A case and a rulebook as text again: what a run keeps beside its tape.

Holds the writing only. Invariant: reading the text back gives an equal case or rulebook.
"""

from __future__ import annotations

import tomli_w
from pydantic import BaseModel

from undertow.case.model import Case
from undertow.rulebook.model import Rulebook


def _text(model: BaseModel, leave_out: set[str]) -> str:
    content = model.model_dump(mode="json", exclude_none=True, exclude=leave_out)
    return tomli_w.dumps(content, multiline_strings=False)


def case_text(case: Case) -> str:
    """The case with its overrides applied, as TOML."""
    return _text(case, set())


def rulebook_text(rulebook: Rulebook) -> str:
    """The rulebook with its overrides applied, as TOML."""
    return _text(rulebook, {"overridden"})
