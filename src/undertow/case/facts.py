"""Published facts: what a case must reproduce, how closely, and where on the tape to look.

Holds the model of one fact and the arithmetic of its tolerance. Which measures exist, and whether a fact's
query fits one, is known to `undertow.lab.measures` and checked by `undertow.lab.score`.

Units: `value` in the fact's own unit (a table below says what each is worth); a tolerance of kind "abs" in
the same unit (seconds for a timestamp), "rel" as a share of the published value, "log" as a difference of
natural logarithms.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from undertow.rulebook.limits import Moment

TIMESTAMP = "timestamp"
MOST = 1e15  # of a published value and its tolerance, in any unit

# Unit of a fact -> what it measures, and how many base units it is worth.
UNITS: dict[str, tuple[str, float]] = {
    "%": ("percent", 1.0),
    "ratio": ("ratio", 1.0),
    "times": ("ratio", 1.0),
    "USD": ("usd", 1.0),
    "thousand USD": ("usd", 1e3),
    "million USD": ("usd", 1e6),
    "billion USD": ("usd", 1e9),
    "s": ("duration", 1.0),
    "min": ("duration", 60.0),
    "h": ("duration", 3600.0),
    "accounts": ("count", 1.0),
    "events": ("count", 1.0),
    TIMESTAMP: ("time", 1.0),
}

Block = Literal[
    "gap path", "times", "depth", "flow against price", "stocks lost", "collateral", "lows", "control"
]


class Tolerance(BaseModel):
    """How far a simulated value may be off before the fact counts as missed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["abs", "rel", "log"]
    amount: float = Field(gt=0, le=MOST, allow_inf_nan=False)

    def distance(self, published: float, simulated: float) -> float:
        """How many tolerances lie between the two; infinite where a logarithm does not exist."""
        if self.kind == "abs":
            return abs(simulated - published) / self.amount
        if self.kind == "rel":
            return abs(simulated - published) / (self.amount * abs(published))
        if simulated * published <= 0:
            return math.inf
        return abs(math.log(simulated / published)) / self.amount

    def in_words(self, unit: str) -> str:
        """The tolerance as a reader would say it."""
        if self.kind == "abs":
            amount, unit = scaled(self.amount, "s" if unit == TIMESTAMP else unit)
            return f"± {amount:,.10g} {unit}"
        if self.kind == "rel":
            return f"± {self.amount * 100:g} % of it"
        return f"factor {math.exp(self.amount):.3g} either way"


class Query(BaseModel):
    """A named measure and its arguments: `{ measure = "low_price", instrument = "BTC-PERP" }`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    measure: str

    @property
    def arguments(self) -> dict[str, Any]:
        """Everything but the measure's name, by argument."""
        return dict(self.model_extra or {})


class Fact(BaseModel):
    """One published fact. `calibrate` marks those used to choose parameters; the others are predictions.

    Facts of a `block` tell of one thing and share one weight in a loss; those that name none are a block.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    block: Block | None = None
    definition: str = Field(min_length=1)
    value: Annotated[float, Field(ge=-MOST, le=MOST, allow_inf_nan=False)] | Moment
    unit: str
    tolerance: Tolerance
    source: str = Field(min_length=1)
    query: Query
    calibrate: bool = False
    side: Literal["both", "at-least", "at-most"] = "both"  # one-sided facts: "more than", "below"
    note: str = ""

    @field_validator("query", mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        """A measure without arguments may be given by its name."""
        return {"measure": value} if isinstance(value, str) else value

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, value: str) -> str:
        if value not in UNITS:
            raise ValueError(f"unknown unit {value!r}; one of {', '.join(UNITS)}")
        return value

    @model_validator(mode="after")
    def _value_fits(self) -> Fact:
        if (self.unit == TIMESTAMP) != isinstance(self.value, datetime):
            raise ValueError(
                "a value in unit 'timestamp' is a UTC time (2025-10-10T21:20:00Z), any other a number"
            )
        if isinstance(self.value, datetime):
            if self.tolerance.kind != "abs":
                raise ValueError("the tolerance of a timestamp is of kind 'abs', in seconds")
        elif self.value == 0 and self.tolerance.kind != "abs":
            raise ValueError(
                f"a tolerance of kind '{self.tolerance.kind}' means nothing around zero; use 'abs'"
            )
        return self

    @property
    def dimension(self) -> str:
        """What the unit measures: percent, ratio, usd, duration, count or time."""
        return UNITS[self.unit][0]

    def published(self, start: datetime) -> float:
        """The value as a number in the fact's unit; a timestamp in seconds since the case's start."""
        if isinstance(self.value, datetime):
            return (as_utc(self.value) - as_utc(start)).total_seconds()
        return self.value

    def from_base(self, base: float) -> float:
        """A measured number (per cent, dollars, seconds, ...) in the fact's unit."""
        return base / UNITS[self.unit][1]

    def distance(self, published: float, simulated: float) -> float:
        """How many tolerances the simulated value is off, on the side that counts."""
        if (self.side == "at-least" and simulated >= published) or (
            self.side == "at-most" and simulated <= published
        ):
            return 0.0
        return self.tolerance.distance(published, simulated)


def scaled(amount: float, unit: str) -> tuple[float, str]:
    """Dollars in millions or billions where there are as many; any other unit as it is."""
    if unit == "USD":
        for scale, word in ((1e9, "billion"), (1e6, "million")):
            if abs(amount) >= scale:
                return amount / scale, f"{word} {unit}"
    return amount, unit


def as_utc(moment: datetime) -> datetime:
    """A moment in UTC; one without a zone is taken as UTC."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:  # at either end of the calendar, which no model lets through
        return moment.replace(tzinfo=UTC)
