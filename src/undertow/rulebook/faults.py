"""Faults as sentences: `FILE: KEY: what is wrong; what would be right`, all of a file at once.

Holds the reading of TOML and the translation of pydantic's errors for any model tree, so that cases use it
too. Knows no rulebook. Units: none. Invariant: every error of a validation becomes exactly one sentence, in
the model's order.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from undertow.errors import InputError
from undertow.rulebook.extent import MOST_BYTES, parsed
from undertow.rulebook.text import text_of

Loc = tuple[str | int, ...]

_TOO_LARGE = "a case or rulebook is smaller; recordings are named by --data, not written into it"
_UNITS = {"_ppm": " of parts per million", "_ppb": " of parts per billion", "_seconds": " of seconds"}
_LONGEST_QUOTED = 60  # characters of a wrong word that a sentence repeats
_EMPTY = {"too_short", "string_too_short"}
_PLAIN = {bool: "true or false", str: "text", date: "a date such as 2025-10-10"}


def suggest(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or the known words."""
    words = [str(name) for name in known]
    folded = {name.lower(): name for name in words}
    close = get_close_matches(word.lower(), folded, n=1)
    if close:
        return f"did you mean {folded[close[0]]!r}?"
    return f"known: {', '.join(words)}" if words else "there is none"


def wrong_choice(word: str, right: str, choices: Iterable[str]) -> str:
    """What a word that is no choice must be, once, and the choice that is close to it if there is one."""
    hint = suggest(word, choices)
    return f", must be {right}; {hint}" if hint.endswith("?") else f"; must be {right}"


def dotted(loc: Loc) -> str:
    """A place as an override would write it: `margin.classes.BTC.brackets.0.cap_usd`."""
    return ".".join(str(part) for part in loc)


def read_toml(path: Path, label: str) -> dict[str, Any]:
    """A TOML file as a dictionary, decimals exact. InputError with place and reason if it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError(f"{label}: has more than {MOST_BYTES // 1024} KiB; {_TOO_LARGE}")
        found = parsed(text_of(content, label))
    except FileNotFoundError:
        raise InputError(f"{label}: there is no such file; give the path of a TOML file") from None
    except IsADirectoryError:
        raise InputError(f"{label}: is a folder; give the path of a TOML file") from None
    except OSError as error:
        reason = error.strerror or "input error"
        raise InputError(f"{label}: cannot be read ({reason.lower()}); give a readable TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{label}: {toml_fault(str(error))}") from None
    except ValueError as error:
        raise InputError(f"{label}: {error}") from None
    if not found:
        raise InputError(f"{label}: holds nothing but comments; a case or a rulebook has at least a name")
    return found


def toml_fault(message: str) -> str:
    """`line 3, column 5: ...` from the parser's message."""
    found = re.fullmatch(r"(.*) \(at (line \d+, column \d+|end of document)\)", message, re.DOTALL)
    reason, place = (found[1], found[2]) if found else (message, "somewhere")
    return f"{place}: is not valid TOML ({reason[:1].lower()}{reason[1:]}); correct it there"


def sentences(error: ValidationError, model: type[BaseModel], label: str) -> list[str]:
    """Every error of a validation of `model`, as `LABEL: KEY: what is wrong; what would be right`."""
    found = []
    for entry in error.errors(include_url=False):
        place: Loc = tuple(part for part in entry["loc"] if part != "[key]")
        key = dotted(place)
        sentence = brief(_sentence(entry, model, place))
        found.append(f"{label}: {key}: {sentence}" if key else f"{label}: {sentence}")
    return list(dict.fromkeys(found))


def brief(sentence: str) -> str:
    """The sentence with every quoted word of absurd length cut."""
    return re.sub(rf"'([^']{{{_LONGEST_QUOTED}}})[^']+'", r"'\1...'", sentence)


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys that people may write: fields with `repr=False` are the program's own."""
    return [name for name, field in model.model_fields.items() if field.repr]


def _sentence(entry: Any, model: type[BaseModel], place: Loc) -> str:
    kind = entry["type"]
    if kind == "fault":
        return str(entry["ctx"]["sentence"])
    if kind == "extra_forbidden":
        owner = owner_of(model, place)
        return f"is not a key here; {suggest(str(place[-1]), keys_of(owner) if owner else ())}"
    right = expected(model, place)
    if kind == "missing":
        return f"is missing; give {right}"
    if kind in _EMPTY:
        return f"is empty; give {right}"
    wrong = f"is {shown(entry['input'])}"
    if kind == "literal_error" and isinstance(entry["input"], str):
        return f"{wrong}{wrong_choice(entry['input'], right, _choices(model, place))}"
    if kind == "string_pattern_mismatch":
        return f"{wrong}; must be lower-case words joined by hyphens"
    return f"{wrong}; must be {right}"


def shown(value: Any) -> str:
    """A value as the file wrote it, short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | BaseModel):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else f"{value[:37]}...")
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _inner(annotation: Any) -> Any:
    """The annotation without None."""
    if get_origin(annotation) in (Union, UnionType):
        rest = [part for part in get_args(annotation) if part is not NoneType]
        return _inner(rest[0])
    if get_origin(annotation) is not None and hasattr(annotation, "__metadata__"):
        return _inner(get_args(annotation)[0])
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def child_of(annotation: Any, part: str | int) -> Any:
    """The annotation one step further: of a model's field, a table's entry or a list's; None if there is
    none.
    """
    inner = _inner(annotation)
    if _is_model(inner):
        field = inner.model_fields.get(str(part))
        return field.annotation if field else None
    if get_origin(inner) is dict:
        return get_args(inner)[1]
    if get_origin(inner) in (tuple, list):
        return get_args(inner)[0]
    return None


def owner_of(model: type[BaseModel], place: Loc) -> type[BaseModel] | None:
    """The model in which the last part of the place stands; None where that is a list or a free table."""
    annotation: Any = model
    for part in place[:-1]:
        annotation = child_of(annotation, part)
    inner = _inner(annotation)
    return inner if _is_model(inner) else None


def _field(model: type[BaseModel], place: Loc) -> FieldInfo | None:
    owner = owner_of(model, place) if place else None
    return owner.model_fields.get(str(place[-1])) if owner else None


def _choices(model: type[BaseModel], place: Loc) -> tuple[str, ...]:
    annotation: Any = model
    for part in place:
        annotation = child_of(annotation, part)
    inner = _inner(annotation)
    return get_args(inner) if get_origin(inner) is Literal else ()


def expected(model: type[BaseModel], place: Loc) -> str:
    """What belongs at a place, in words."""
    annotation: Any = model
    for part in place:
        annotation = child_of(annotation, part)
    inner = _inner(annotation)
    field = _field(model, place)
    origin = get_origin(inner)
    if field is not None and field.description:
        return field.description
    if origin is Literal:
        choices = [repr(choice) for choice in get_args(inner)]
        return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"
    if inner is int or inner is Decimal:
        return _number(str(place[-1]), inner, [*_metadata(annotation), *(field.metadata if field else [])])
    if origin is dict or _is_model(inner):
        return "a table"
    if origin in (tuple, list):
        return "a list"
    return _PLAIN.get(inner, "a value")


def _metadata(annotation: Any) -> list[Any]:
    """What `Annotated` adds to a type, through None and through pydantic's own fields."""
    if get_origin(annotation) in (Union, UnionType):
        return [entry for part in get_args(annotation) for entry in _metadata(part)]
    found: list[Any] = []
    for entry in getattr(annotation, "__metadata__", ()):
        found.extend(entry.metadata if isinstance(entry, FieldInfo) else [entry])
    return found


def _number(name: str, kind: type, metadata: list[Any]) -> str:
    low = [entry.ge for entry in metadata if hasattr(entry, "ge")]
    high = [entry.le for entry in metadata if hasattr(entry, "le")]
    unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")
    limits = f" from {max(low)} to {min(high)}" if low and high else ""
    if kind is Decimal:
        return f"an amount{limits} with at most 6 decimal places"
    return f"a whole number{unit}{limits}"
