"""The journal of a calibration: a header that says what was asked, then one line of JSON a trial.

Holds writing, reading and the check that a journal is gone on with as it was begun. Runs nothing.

Units: losses as in `spread`. Invariant: a line is written whole or not at all; what is read back is what a
search goes on from, so a stopped search ends at the same bytes as one that was not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from undertow.errors import DataError, InputError
from undertow.lab.spread import Loss, rounded

JOURNAL_FILE = "journal.jsonl"


@dataclass(frozen=True)
class Trial:
    """One line: the figures tried, what they cost, each fact's mean, and what went wrong."""

    number: int
    values: dict[str, float]
    loss: Loss
    facts: dict[str, float | None]
    problems: dict[str, str]

    def as_line(self) -> dict[str, Any]:
        """The trial as the journal holds it."""
        found: dict[str, Any] = rounded(asdict(self))
        return found

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> Trial:
        """A trial from its line."""
        loss = Loss(**{**line["loss"], "draws": tuple(line["loss"]["draws"])})
        return cls(**{**line, "loss": loss})


def append(folder: Path, line: Mapping[str, Any]) -> None:
    """Write one more line."""
    try:
        with (folder / JOURNAL_FILE).open("a", encoding="utf-8", newline="\n") as journal:
            journal.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise InputError(f"{folder / JOURNAL_FILE}: cannot write: {error.strerror}") from None


def read(folder: Path) -> tuple[dict[str, Any], list[Trial]]:
    """Header and trials; a last line that a kill cut off is taken away."""
    path = folder / JOURNAL_FILE
    if not path.is_file():
        raise InputError(f"{folder}: holds no calibration: it has no {JOURNAL_FILE}")
    text = path.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    lines = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            lines.append(json.loads(line))
        except ValueError:
            wrong = f"{path}: line {number} is not valid JSON"
            raise DataError(f"{wrong}; take it and what follows away") from None
    if not lines:
        raise DataError(f"{path}: is empty; start a new calibration")
    if whole != text:
        path.write_text(whole, "utf-8", newline="\n")
    try:
        return lines[0], [Trial.from_line(line) for line in lines[1:]]
    except (KeyError, TypeError):
        raise DataError(f"{path}: is no journal of this version; start a new calibration") from None


def require_same(folder: Path, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise InputError when a journal was begun with anything else than what is asked for now."""
    for key, value in now.items():
        if was.get(key) != value:
            wrong = f"{folder / JOURNAL_FILE}: was begun with {key} = {was.get(key)}, now it is {value}"
            raise InputError(f"{wrong}; start a new calibration")
