"""Reading case files: by name from the library or by path, with dotted overrides.

Holds the reading, the merging of overrides and the naming of faults. Holds no model.

Invariant: every fault of a file is reported at once, each as `FILE: KEY: what is wrong; what would be right`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from undertow.case.model import Case
from undertow.errors import CaseError, InputError
from undertow.rulebook.faults import read_toml, sentences
from undertow.rulebook.load import load_rulebook, with_overrides
from undertow.rulebook.model import Rulebook

RULEBOOK_PREFIX = "rulebook."


def case_names() -> tuple[str, ...]:
    """The cases that ship, in alphabetical order."""
    folder = resources.files("undertow.case") / "library"
    return tuple(sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")))


def case_path(name_or_path: str | Path) -> Path:
    """Where a case's file is: a library name or a path. CaseError with a suggestion if there is none."""
    text = str(name_or_path)
    if text in case_names():
        return Path(str(resources.files("undertow.case") / "library" / f"{text}.toml"))
    path = Path(text)
    if path.is_file():
        return path
    if path.suffix != ".toml" and "/" not in text:
        close = difflib.get_close_matches(text, case_names(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(case_names())}"
        raise CaseError(f"{text}: there is no such case; {hint}")
    raise CaseError(f"{text}: there is no such file; give the path of a TOML file")


def load_case(name_or_path: str | Path, overrides: Mapping[str, Any] | None = None) -> Case:
    """A validated case with dotted overrides written over it (`crowd.makers.x = 1`, `rulebook.mark.y = 2`).

    Keys that start with `rulebook.` change the rulebook's figures; `rulebook` alone names another one.
    """
    path = case_path(name_or_path)
    label = path.name
    try:
        data = read_toml(path, label)
    except InputError as error:
        raise CaseError(str(error)) from None
    for key, value in (overrides or {}).items():
        if key.startswith(RULEBOOK_PREFIX):
            data.setdefault("rulebook_overrides", {})[key.removeprefix(RULEBOOK_PREFIX)] = value
        else:
            _write(data, key, _typed(value))
    try:
        case = Case.model_validate(data)
    except ValidationError as error:
        raise CaseError("\n".join(sentences(error, Case, label))) from None
    rulebook_of(case)
    return case


def rulebook_of(case: Case) -> Rulebook:
    """The case's rulebook with the case's overrides."""
    rulebook = load_rulebook(case.rulebook)
    flat = {key: _typed(value) for key, value in _flat(case.rulebook_overrides).items()}
    return with_overrides(rulebook, flat) if flat else rulebook


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _typed(value: Any) -> Any:
    """A command-line value as TOML would read it; text stays text."""
    if not isinstance(value, str):
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return value


def _write(data: dict[str, Any], key: str, value: Any) -> None:
    """Write a value at a dotted place; lists take numbers or the name of a row. CaseError if it cannot be there."""
    here: Any = data
    parts = key.split(".")
    for number, part in enumerate(parts[:-1]):
        if isinstance(here, list):
            here = _row(here, part, key)
        elif isinstance(here, dict):
            here = here.setdefault(part, {})
        else:
            raise CaseError(f"{key}: {'.'.join(parts[:number])} is a single value; leave out the rest")
    last = parts[-1]
    if isinstance(here, list):
        raise CaseError(f"{key}: name a key of one row, as in instruments.BTC-PERP.tick_usd")
    if not isinstance(here, dict):
        raise CaseError(f"{key}: {'.'.join(parts[:-1])} is a single value; leave out the rest")
    here[last] = value


def _row(rows: list[Any], part: str, key: str) -> Any:
    names = {str(row.get("name", row.get("coin", row.get("id", "")))): row for row in rows if isinstance(row, dict)}
    if part in names:
        return names[part]
    if part.isdigit() and int(part) < len(rows):
        return rows[int(part)]
    close = difflib.get_close_matches(part, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
    raise CaseError(f"{key}: there is no row {part!r}; {hint}")
