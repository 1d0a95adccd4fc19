"""How folders that stand side by side are told apart: short names of their own, and what they were run with.

Holds words only. Invariant: as many names as folders, no two alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from undertow.case.write import BESIDE_FOLDER

_PLAIN = ("case", "rulebook", "seed", "accounts", "data", "version", "status")
AS_IN_CASE = "as in the case"


def told_apart(paths: Sequence[Path]) -> tuple[str, ...]:
    """A name for each folder: its own, with as many folders above it as tell it from the others.

    A folder that is given twice is numbered.
    """
    parts = [path.resolve().parts for path in paths]
    length = [2 if own[-1] == BESIDE_FOLDER else 1 for own in parts]
    while True:
        names = ["/".join(own[-size:]) for own, size in zip(parts, length, strict=True)]
        longer = [
            place
            for place, name in enumerate(names)
            if length[place] < len(parts[place])
            and any(other == name and parts[place] != parts[at] for at, other in enumerate(names))
        ]
        if not longer:
            break
        for place in longer:
            length[place] += 1
    return tuple(
        f"{name} ({names[: place + 1].count(name)})" if names.count(name) > 1 else name
        for place, name in enumerate(names)
    )


def differing_settings(records: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """What folders were run with where it differs: by key, a text for each."""
    described: list[dict[str, str]] = []
    for record in records:
        plain = {key: str(record[key]) for key in _PLAIN if key in record}
        settings = record.get("settings", {})
        described.append({**plain, **{str(key): str(value) for key, value in settings.items()}})
    keys = dict.fromkeys(key for each in described for key in each)
    missing = {key: "-" if key in _PLAIN else AS_IN_CASE for key in keys}
    rows = {key: tuple(each.get(key, missing[key]) for each in described) for key in keys}
    return {key: values for key, values in rows.items() if len(set(values)) > 1}
