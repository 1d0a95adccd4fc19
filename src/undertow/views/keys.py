"""Values of a case or rulebook with the key that sets each: what a reader can paste behind `--set`.

Holds the walk over tables and the text of a pair; how a value is meant in words is `text`. Rows of a list
have the names that overrides know them by. Invariant: every pair that is shown is accepted as an override and
leaves the case as it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from undertow.case.overrides import as_text
from undertow.views.text import value_text

ROW_NAMES = ("name", "coin", "id")  # in the order in which an override looks for them
UNSAID = ("source", "inferred", "sources", "overridden", "deduction_usd")  # what no override sets
NO_KEYS = {  # tables that no override changes, or that say again what others say
    "case": ("extends", "rulebook_overrides", "facts", "mechanisms", "calibration", "beside", "summary"),
    "rulebook": ("name", "summary"),
}


@dataclass(frozen=True)
class Setting:
    """One value: its dotted key, the pair as a shell takes it, and what it means."""

    key: str
    pair: str
    words: str


def settings_of(content: Mapping[str, Any], prefix: str = "", skip: Sequence[str] = ()) -> list[Setting]:
    """Every value of a table in file order; `prefix` stands before each key, as in `rulebook.`."""
    return [
        Setting(key, shlex.quote(f"{key}={as_text(value)}"), value_text(key.rpartition(".")[2], value))
        for name, part in content.items()
        if name not in (*skip, *UNSAID)
        for key, value in _leaves(f"{prefix}{name}", part)
    ]


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            if name not in UNSAID:
                yield from _leaves(f"{key}.{name}", part)
    elif _is_rows(value):
        for place, row in enumerate(value):
            yield from _leaves(f"{key}.{_row_name(row, place)}", row)
    elif value is not None:
        yield key, value


def _row_name(row: Mapping[str, Any], place: int) -> str:
    """The name of a row where it has one that a dotted key can hold, else its number."""
    found = next((row[name] for name in ROW_NAMES if name in row), "")
    return found if isinstance(found, str) and found and "." not in found else str(place)


def _is_rows(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(row, Mapping) for row in value)
    )
