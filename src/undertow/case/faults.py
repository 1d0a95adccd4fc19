"""Faults of a case as sentences: what is wrong and what would be right, never a library's own words.

Holds the translation of validation errors and the checks that types do not make: numbers in quotes, truth
values where a number belongs. Knows no file.

Units: none. Invariant: one sentence for one place and cause; the order is that of the model's keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from undertow.case.checks import number_of
from undertow.case.model import Case
from undertow.rulebook.faults import Loc, brief, child_of, keys_of, owner_of, shown, suggest, wrong_choice
from undertow.rulebook.limits import UTC_TIME, is_remote

Finding = tuple[Loc, str]
NUMBERS: tuple[type, ...] = (int, float, Decimal)
_UNITS = {"_seconds": " of seconds", "_s": " of seconds", "_usd": " of dollars", "_bp": " of basis points"}


def ordered(findings: list[Finding]) -> list[Finding]:
    """Without repetitions or words of absurd length, in the order of the model's keys."""
    short = dict.fromkeys((place, brief(sentence)) for place, sentence in findings)
    return sorted(short, key=lambda finding: _rank(finding[0]))


def _rank(place: Loc) -> list[int]:
    ranks = []
    for depth, part in enumerate(place):
        owner = owner_of(Case, place[: depth + 1])
        keys = list(owner.model_fields) if owner else []
        ranks.append(part if isinstance(part, int) else keys.index(part) if part in keys else len(keys))
    return ranks


def findings_of(error: ValidationError, above: Loc = ()) -> list[Finding]:
    """Every error of a validation of `Case`, or of its part at `above`, as a place and a sentence."""
    found = []
    for entry in error.errors(include_url=False):
        place = _within_model((*above, *(part for part in entry["loc"] if part != "[key]")))
        where, sentence = _translated(entry, place)
        found.append((where, brief(sentence)))
    return found


def mistyped(data: Any, annotation: Any = Case, place: Loc = ()) -> Iterator[Finding]:
    """Figures in quotes and truth values in place of figures, which validation would read as figures."""
    kinds = _kinds(annotation)
    if isinstance(data, Mapping):
        for key, value in data.items():
            inner = child_of(annotation, key)
            if inner is not None and inner is not Any:
                yield from mistyped(value, inner, (*place, key))
    elif isinstance(data, list | tuple):
        for number, value in enumerate(data):
            inner = child_of(annotation, number)
            if inner is not None and inner is not Any:
                yield from mistyped(value, inner, (*place, number))
    elif _is_mistyped(data, kinds):
        yield place, f"is {_shown(data)}; must be {right(place)}"


def _is_mistyped(value: Any, kinds: tuple[Any, ...]) -> bool:
    if str in kinds or not kinds:
        return False
    if isinstance(value, bool):
        return bool not in kinds and any(kind in NUMBERS or kind is datetime for kind in kinds)
    if isinstance(value, str):
        return (bool in kinds or any(kind in NUMBERS for kind in kinds)) and datetime not in kinds
    if isinstance(value, int | float | Decimal):
        return kinds in ((bool,), (datetime,))
    return False


def right(place: Loc) -> str:
    """What belongs at a place of a case, in words."""
    annotation: Any = Case
    for part in place:
        annotation = child_of(annotation, part)
    owner = owner_of(Case, place) if place else None
    field = owner.model_fields.get(str(place[-1])) if owner else None
    kinds = _kinds(annotation)
    if not kinds:
        return "a value"
    kind = kinds[0]
    if get_origin(kind) is Literal:
        choices = [repr(choice) for choice in get_args(kind)]
        return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"
    if datetime in kinds:
        return UTC_TIME if len(kinds) == 1 else f"a number, or {UTC_TIME}"
    if kind in NUMBERS:
        return _number(str(place[-1]), kind, field)
    if get_origin(kind) is dict or _is_model(kind):
        return "a table"
    if get_origin(kind) is tuple:
        return "a list" if Ellipsis in get_args(kind) else f"a list of {len(get_args(kind))} numbers"
    return {bool: "true or false", str: "text"}.get(kind, "a value")


def _number(name: str, kind: type, field: FieldInfo | None) -> str:
    metadata = field.metadata if field is not None else []
    metadata = [entry for entry in metadata if not is_remote(name, kind, entry)]
    limits = {
        sign: getattr(entry, sign)
        for entry in metadata
        for sign in ("ge", "gt", "le", "lt")
        if hasattr(entry, sign)
    }
    unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
    words = f"{'a whole number' if kind is int else 'a number'}{unit}"
    if {"ge", "le"} <= limits.keys():
        return f"{words} from {limits['ge']} to {limits['le']}"
    if {"gt", "le"} <= limits.keys():
        return f"{words} above {limits['gt']} and at most {limits['le']}"
    signs = (("ge", ", {} or more"), ("gt", " above {}"), ("le", ", {} or less"), ("lt", " below {}"))
    bounds = [phrase.format(limits[sign]) for sign, phrase in signs if sign in limits]
    return words + " and".join(bounds)


def _translated(entry: Any, place: Loc) -> Finding:
    kind, given = entry["type"], entry["input"]
    if kind == "fault":
        return place, str(entry["ctx"]["sentence"])
    if kind == "value_error":
        return _own_words(str(entry["ctx"]["error"]), place)
    if kind == "extra_forbidden":
        owner = owner_of(Case, place)
        return place, f"is not a key here; {suggest(str(place[-1]), keys_of(owner) if owner else ())}"
    if kind == "missing":
        return place, f"is missing; give {_asked(place)}"
    if kind in ("too_short", "string_too_short") and len(given) == 0:
        return place, f"is empty; give {_asked(place)}"
    if kind == "literal_error" and isinstance(given, str):
        choices = [str(choice) for choice in get_args(_kinds(_annotation(place))[0])]
        return place, f"is {given!r}{wrong_choice(given, right(place), choices)}"
    words = right(place)
    if kind == "string_pattern_mismatch":
        words = "lower-case words joined by hyphens"
    elif kind in ("less_than_equal", "greater_than_equal"):
        words = _within(place, kind, entry)
    return place, f"is {_shown(given)}; must be {words}"


def _within(place: Loc, kind: str, entry: Any) -> str:
    """What belongs at a place, or the bound gone beyond where that is so remote that it is not part of it."""
    said, given = right(place), number_of(entry["input"])
    bound = Decimal(str(entry["ctx"]["le" if kind == "less_than_equal" else "ge"]))
    plain = f"{bound.to_integral_value() if bound % 1 == 0 else bound:f}"
    if plain in said or (bound > 0 and given is not None and given <= 0):
        return said
    return f"at most {plain}" if kind == "less_than_equal" else f"at least {plain}"


def _asked(place: Loc) -> str:
    """What belongs at a place, and what it is for where that is not a figure."""
    owner = owner_of(Case, place)
    field = owner.model_fields.get(str(place[-1])) if owner else None
    said = field.description if field is not None else None
    if not said or any(kind in NUMBERS or kind is datetime for kind in _kinds(_annotation(place))):
        return right(place)
    return f"{right(place)}: {said}"


def _shown(value: Any) -> str:
    """A value as the file wrote it, short, without powers of ten."""
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < 16:
        return f"{value:f}"
    return shown(value)


def _own_words(sentence: str, place: Loc) -> Finding:
    """A model's own objection; one that opens with a key of its table is about that key."""
    found = re.fullmatch(r"(\w+) (is .+)", sentence)
    inside = _kinds(_annotation(place))
    if found and inside and _is_model(inside[0]) and found[1] in inside[0].model_fields:
        return (*place, found[1]), found[2]
    return place, sentence


def _within_model(place: Loc) -> Loc:
    """Without the names that a union gives its alternatives."""
    annotation: Any = Case
    for depth, part in enumerate(place):
        kinds = _kinds(annotation)
        if len(kinds) > 1 and child_of(annotation, part) is None:
            return place[:depth]
        annotation = child_of(annotation, part)
    return place


def _annotation(place: Loc) -> Any:
    annotation: Any = Case
    for part in place:
        annotation = child_of(annotation, part)
    return annotation


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The types that an annotation allows, without None."""
    if annotation is None or annotation is Any:
        return ()
    if get_origin(annotation) in (Union, UnionType):
        return tuple(kind for part in get_args(annotation) if part is not NoneType for kind in _kinds(part))
    if hasattr(annotation, "__metadata__"):
        return _kinds(get_args(annotation)[0])
    return (annotation,)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
