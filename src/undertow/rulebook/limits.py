"""How large a figure may be where its field does not say: one limit for each unit, given to every field.

Holds the limits, the base class that gives them to the fields of a model, and the words for a value beyond
one. A field's own bounds come first; what a field leaves open on a side gets the limit of its unit.

Units: the ending of a field's name names its unit (`_usd`, `_s`, `_bp`, ...); a figure without one is a
ratio. Invariant: every figure of every model is bounded on both sides, so that no finite value, however
absurd, reaches arithmetic that cannot hold it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import AfterValidator, BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

MOST_USD = 1_000_000_000_000  # in micro-dollars still below units.AMOUNT_LIMIT
MOST_COUNT = 10_000
MOST_RATIO = 1_000
FAR = 100_000_000  # bounds beyond it, or below one over it, are not worth a word to who is inside them
LEAST = 1e-9  # of what must be above zero: less cannot be told from nothing
FIRST_YEAR, LAST_YEAR = 2000, 2100
UTC_TIME = "a UTC time such as 2025-10-10T20:40:00Z"
CEILINGS = {
    "_usd": MOST_USD,
    "_usd_per_minute": MOST_USD,
    "_s": 31_536_000,  # a year
    "_seconds": 31_536_000,
    "_minutes": 525_600,
    "_hours": 8_766,
    "_days": 3_660,
    "_bp": 2_000,  # a root minute: a fifth
    "_percent": 1_000,
    "_per_second": 1_000_000,
    "_spread": 10,  # standard deviation of a logarithm
    "_exponent": 10,
}
_SIDES = {Ge: "low", Gt: "low", Le: "high", Lt: "high"}


def ceiling(name: str, kind: type) -> int:
    """The largest value of a figure of that name and type; its smallest is the same below zero."""
    endings = [ending for ending in CEILINGS if name.endswith(ending)]
    if endings:
        return CEILINGS[max(endings, key=len)]
    return MOST_COUNT if kind is int else MOST_RATIO


class Bounded(BaseModel):
    """A model whose figures all have bounds on both sides, their own or those of their unit."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Give every figure that leaves a side open the limit of its unit."""
        added = [bound_field(name, field) for name, field in cls.model_fields.items()]
        if any(added):
            cls.model_rebuild(force=True)


def bound_field(name: str, field: FieldInfo) -> bool:
    """Close the open sides of a field that is one figure; whether there were any."""
    kind = figure_of(field.annotation)
    if kind is None:
        return False
    most, known = ceiling(name, kind), {_SIDES[type(entry)] for entry in bounds_of(field)}
    if "high" not in known:
        field.metadata.append(Le(most))
    if "low" not in known:
        field.metadata.append(Ge(-most))
    positive = kind is not int and any(isinstance(entry, Gt) and entry.gt == 0 for entry in field.metadata)
    if positive:
        field.metadata.append(Ge(LEAST))
    return len(known) < len({"low", "high"}) or positive


def figure_of(annotation: Any) -> type | None:
    """The kind of number that an annotation is, None aside; None for anything that is not one number."""
    if get_origin(annotation) in (Union, UnionType):
        kinds = [part for part in get_args(annotation) if part is not NoneType]
        return figure_of(kinds[0]) if len(kinds) == 1 else None
    return annotation if annotation in (int, float, Decimal) else None


def bounds_of(field: FieldInfo) -> list[Any]:
    """The bounds of a field: its own, and those that its type carries."""
    return [entry for entry in [*field.metadata, *_carried(field.annotation)] if type(entry) in _SIDES]


def _carried(annotation: Any) -> Iterator[Any]:
    for entry in getattr(annotation, "__metadata__", ()):
        yield from entry.metadata if isinstance(entry, FieldInfo) else (entry,)
    for part in get_args(annotation):
        yield from _carried(part)


def is_remote(name: str, kind: type, entry: Any) -> bool:
    """Whether a bound is its unit's, or far from any figure in use: it is said only to who goes beyond it."""
    most = ceiling(name, kind)
    if type(entry) is Le:
        high: Any = entry.le
        return bool(high == most or high >= FAR)
    low: Any = entry.ge if type(entry) is Ge else 0
    return bool(low == -most or 0 < low < 1 / FAR)


def _in_our_time(moment: datetime) -> datetime:
    if not FIRST_YEAR <= moment.year < LAST_YEAR:
        years = f"{FIRST_YEAR} to {LAST_YEAR - 1}"
        raise ValueError(f"is {moment.date().isoformat()}; must be a time of the years {years}")
    return moment


def _no_number(value: Any) -> Any:
    if isinstance(value, int | float | Decimal):
        raise ValueError(f"is {value}; must be {UTC_TIME}")
    return value


Moment = Annotated[datetime, BeforeValidator(_no_number), AfterValidator(_in_our_time)]
