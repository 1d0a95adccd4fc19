"""Overrides: dotted keys written over the tables of a case, values as TOML writes them.

Holds the writing and the reading of one value, and its text. Checks nothing that the models check.

Rows of a list are named by their `name`, `coin` or `id`, or numbered from 0. Invariant: an override that
returns has changed exactly one place, and says which.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from undertow.case.model import Case
from undertow.errors import InputError
from undertow.rulebook.extent import parsed, require_extent
from undertow.rulebook.faults import Loc, child_of, dotted, owner_of, shown, suggest
from undertow.rulebook.model import Rulebook

_NAMES = ("name", "coin", "id")


def typed(value: Any, annotation: Any = None) -> Any:
    """A value from a command line as TOML reads it; what is no TOML, or belongs where text does, is text.

    InputError for a number or nesting beyond what a file may hold.
    """
    try:
        if not isinstance(value, str):
            require_extent({"value": value})
            return value
        found = parsed(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return value
    except ValueError as error:
        raise InputError(str(error).removeprefix("value: ")) from None
    if len(found) != 1 or (annotation is str and not isinstance(found["value"], str)):
        return value
    return found["value"]


def as_text(value: Any) -> str:
    """A value as a command line would give it; `typed` reads it back."""
    bare = isinstance(value, str) and value == value.strip() != ""
    return str(value) if bare else _toml(value)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{json.dumps(str(key))} = {_toml(part)}' for key, part in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(part) for part in value)}]"
    return str(value)


def write(data: dict[str, Any], key: str, value: Any) -> Loc:
    """Write a value at a dotted place and return the place. InputError says why there is no such place."""
    parts = key.split(".")
    if "" in parts:
        raise InputError("has an empty part; write for example crowd.makers.trip_loss")
    here: Any = data
    step: Any
    place: list[Any] = []
    for number, part in enumerate(parts):
        if not isinstance(here, dict | list):
            raise InputError(
                f"{dotted(tuple(place))} is a single value; leave out {'.'.join(parts[number:])!r}"
            )
        step = _row(here, part) if isinstance(here, list) else part
        place.append(step)
        if number == len(parts) - 1:
            break
        if isinstance(here, dict) and step not in here:
            here[step] = _empty(tuple(place), key)
        here = here[step]
    if isinstance(here, list) and isinstance(here[place[-1]], dict):
        raise InputError("names a whole row; name a key of it, as in instruments.BTC-PERP.tick_usd")
    annotation: Any = Case
    for step in place:
        annotation = child_of(annotation, step)
    is_table = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    meant = typed(value, annotation)
    if is_table and not isinstance(meant, Mapping):
        raise InputError(f"is {shown(meant)}; must be a table, so name a key of it")
    here[place[-1]] = meant
    return tuple(place)


def _empty(place: Loc, key: str) -> dict[str, Any] | list[dict[str, Any]]:
    """A table, or a list of the rows that hold by default, where the file has none.

    A list without such rows cannot be begun in its middle.
    """
    rows = _default_rows(place)
    if rows:
        return rows
    annotation: Any = Case
    for part in place:
        annotation = child_of(annotation, part)
    if get_origin(annotation) is tuple:
        raise InputError(f"{dotted(place)} is not in the file, so it has no rows; give the whole list")
    return {}


def _default_rows(place: Loc) -> list[dict[str, Any]]:
    """The rows of a list that its model gives it; none for anything else."""
    owner = owner_of(Case, place)
    field = None if owner is None else owner.model_fields.get(str(place[-1]))
    given = None if field is None else field.get_default(call_default_factory=True)
    if not isinstance(given, list | tuple):
        return []
    return [row.model_dump(exclude_none=True) for row in given if isinstance(row, BaseModel)]


def _row(rows: list[Any], part: str) -> int:
    names = {
        str(next((row[name] for name in _NAMES if name in row), "")): number
        for number, row in enumerate(rows)
        if isinstance(row, Mapping)
    }
    if part in names:
        return names[part]
    if part.isdigit() and int(part) < len(rows):
        return int(part)
    known = [name for name in names if name]
    hint = suggest(part, known) if known else f"rows are numbered from 0 to {len(rows) - 1}"
    raise InputError(f"there is no row {part!r}; {hint}")


def elsewhere(place: Loc) -> str:
    """The only dotted key of a case that ends as this place does, or a rulebook's; else nothing."""
    if place[0] in Rulebook.model_fields and place[0] not in Case.model_fields:
        return f"rulebook.{dotted(place)}"
    found = [key for key in _keys(Case) if key.split(".")[-1] == place[-1]]
    return found[0] if len(found) == 1 else ""


@cache
def _keys(model: type[BaseModel], prefix: str = "") -> tuple[str, ...]:
    """Every dotted key of tables in tables; rows of lists aside."""
    found: list[str] = []
    for name, field in model.model_fields.items():
        found.append(f"{prefix}{name}")
        inner = [part for part in (get_args(field.annotation) or (field.annotation,)) if part is not NoneType]
        if (
            get_origin(field.annotation) is None
            and isinstance(inner[0], type)
            and issubclass(inner[0], BaseModel)
        ):
            found.extend(_keys(inner[0], f"{prefix}{name}."))
    return tuple(found)
