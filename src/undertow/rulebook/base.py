"""What every table of a rulebook shares: integer figures, a source, and keys that belong to a kind.

Holds the base classes `Row`, `Part` and `Table` and the types of the figures. Holds no rule of any venue.

Units: `*_ppm` parts per million, `*_ppb` parts per billion, `*_seconds` whole seconds, `*_usd` settlement
units (US dollars; coins where a rulebook settles in a coin) as decimals with at most six places. Invariant:
a model that exists is complete: a figure that its kind needs was written down, and one that its kind cannot
use was not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ModelWrapValidatorHandler, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from undertow.units import MICROS, PPM

MONEY_LIMIT = Decimal(1_000_000_000_000)  # in micros still below units.AMOUNT_LIMIT

Loc = tuple[str | int, ...]
Needs = Mapping[str, Mapping[str, tuple[str, ...]]]  # selecting key -> its value -> keys then needed


def _decimal(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return Decimal(value)
        except ArithmeticError:
            return value
    if isinstance(value, bool | float):  # a float is not the number that was written
        raise PydanticCustomError("money_type", "must be an amount")
    return value


Share = Annotated[int, Field(strict=True, ge=0, le=PPM)]  # ppm of a whole
Rate = Annotated[int, Field(strict=True, ge=0, le=100 * PPM)]  # ppm, may exceed the whole
SignedRate = Annotated[int, Field(strict=True, ge=-PPM, le=PPM)]
Factor = Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)]  # ppb
Seconds = Annotated[int, Field(strict=True, ge=0, le=31_536_000)]
Duration = Annotated[int, Field(strict=True, ge=1, le=31_536_000)]  # seconds, not none
Move = Annotated[int, Field(strict=True, ge=1, le=100 * PPM)]  # ppm, not none
Multiplier = Annotated[int, Field(strict=True, ge=PPM, le=100 * PPM)]  # ppm, not below the whole
Count = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
Flag = Annotated[bool, Field(strict=True)]
Money = Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0, le=MONEY_LIMIT, decimal_places=6)]


def micros(amount: Decimal) -> int:
    """An amount of settlement units as whole micro-units (micro-dollars); exact, `Money` has at most six
    places.
    """
    return int(amount * MICROS)


def fault(sentence: str) -> PydanticCustomError:
    """A fault in our own words: `what is wrong; what would be right`."""
    return PydanticCustomError("fault", "{sentence}", {"sentence": sentence})


class Row(BaseModel):
    """An entry of a list: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(Row):
    """A group of keys. `NEEDS` says, per selecting key and its value, which keys must then be written.

    `TAKES` says likewise which keys may be written and may be left out. A key named under another value only
    is refused. Subclasses add `faults` for what keys say about each other.
    """

    NEEDS: ClassVar[Needs] = {}
    TAKES: ClassVar[Needs] = {}

    @model_validator(mode="wrap")
    @classmethod
    def _gather(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Report a table's own faults beside those of its fields: all at once."""
        found = list(cls.raw_faults(data)) if isinstance(data, Mapping) else []
        made: Self | None = None
        details: list[InitErrorDetails] = []
        try:
            made = handler(data)
        except ValidationError as error:
            details = [_again(entry) for entry in error.errors(include_url=False)]
        if made is not None:
            found.extend(made.faults())
        if made is not None and not found:
            return made
        details.extend({"type": fault(sentence), "loc": loc, "input": None} for loc, sentence in found)
        raise ValidationError.from_exception_data(cls.__name__, details)

    @classmethod
    def raw_faults(cls, data: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
        """Faults visible before the figures are read: keys missing for the kind, or belonging to another."""
        for selector, kinds in cls.NEEDS.items():
            default = cls.model_fields[selector].default
            kind = data.get(selector, default)
            if not isinstance(kind, str) or kind not in kinds:
                continue
            for key in kinds[kind]:
                if key not in data:
                    yield (key,), f"is missing; {selector} {kind!r} needs it"
            used = cls.used_keys(selector, kind)
            for key in cls.owned_keys(selector):
                if key in data and key not in used:
                    owners = " or ".join(repr(name) for name in kinds if key in cls.used_keys(selector, name))
                    yield (key,), f"does nothing under {selector} {kind!r}; it belongs to {owners}"

    @classmethod
    def used_keys(cls, selector: str, kind: str) -> tuple[str, ...]:
        """Keys that one value of the selecting key uses: those it needs, then those it takes."""
        return (*cls.NEEDS[selector].get(kind, ()), *cls.TAKES.get(selector, {}).get(kind, ()))

    @classmethod
    def owned_keys(cls, selector: str) -> list[str]:
        """Keys that some value of the selecting key uses, in order of appearance."""
        kinds = cls.NEEDS[selector]
        return list(dict.fromkeys(key for kind in kinds for key in cls.used_keys(selector, kind)))

    def faults(self) -> Iterator[tuple[Loc, str]]:
        """Contradictions between valid figures: (place, sentence). None here."""
        return iter(())


def _again(entry: Any) -> InitErrorDetails:
    context = entry.get("ctx", {})
    kind: str | PydanticCustomError = entry["type"]
    if kind == "fault":
        kind = fault(context["sentence"])
    elif kind == "money_type":
        kind = PydanticCustomError("money_type", "must be an amount")
    again: InitErrorDetails = {"type": kind, "loc": entry["loc"], "input": entry["input"]}
    if context:
        again["ctx"] = context
    return again


class Table(Part):
    """A group of keys with their sources: ids of `[sources]`, and the keys whose figure is our own
    inference.
    """

    source: tuple[str, ...] = Field(
        min_length=1, description="the id of an entry in [sources], or a list of ids"
    )
    inferred: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("source"), str):
            return {**data, "source": (data["source"],)}
        return data

    @classmethod
    def raw_faults(cls, data: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
        """Also: an inferred key that the table does not have."""
        yield from super().raw_faults(data)
        inferred = data.get("inferred", ())
        if not isinstance(inferred, list | tuple):
            return
        for key in inferred:
            if isinstance(key, str) and not _has(data, key):
                yield ("inferred",), f"names {key!r}, which this table does not set; name keys that are set"


def _has(data: Any, dotted: str) -> bool:
    for part in dotted.split("."):
        if not isinstance(data, Mapping) or part not in data:
            return False
        data = data[part]
    return dotted not in ("source", "inferred")
