"""What a case file holds: time, instruments, the outside world, the crowd, the house, facts and mechanisms.

Holds models only; reading and overriding are in `load`, facts in `facts`. Knows nothing of how a run goes.

Units: dollars where a name says `_usd`, seconds, ppm or per cent as named; times are UTC. Invariant: a case that
validates names only coins, instruments and classes that exist in it, and every anchor and fact has a source.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from undertow.case.facts import Fact, as_utc
from undertow.crowd.rules import PopulationRules
from undertow.crowd.rules_actors import ArbitrageRules, MakerRules, NoiseRules, PatientRules, TraderRules
from undertow.world.prices import Anchor, CoinPath, Shape, shaped
from undertow.world.weather import WeatherRules

Text = Annotated[str, Field(min_length=1)]
Dollars = Annotated[float, Field(ge=0)]
MILLISECONDS = 1000


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AnchorRow(_Part):
    """Where a coin stood off the venue: a price, or a fall since its first anchor."""

    time: datetime
    price: float | None = Field(default=None, gt=0)
    fall: float | None = Field(default=None, lt=1)
    low: bool = False
    source: Text

    def anchor(self, start: datetime) -> Anchor:
        """The anchor on the case's clock."""
        moment = (as_utc(self.time) - as_utc(start)).total_seconds()
        return Anchor(round(moment * MILLISECONDS), self.price, self.fall, self.low, self.source)


class ShapeRow(_Part):
    """What a class of coins shares between its facts."""

    reference: str = ""
    beta: float = 0.0
    volatility_bp: float = Field(default=0.0, ge=0)
    falls: tuple[AnchorRow, ...] = ()


class CoinRow(_Part):
    """One coin of the outside world."""

    coin: Text
    shape: str = ""
    beta: float = 0.0
    reference: str = ""
    volatility_bp: float = Field(default=0.0, ge=0)
    anchors: tuple[AnchorRow, ...]


class World(_Part):
    """Prices off the venue: a named feed of recordings if data is given, else the anchors."""

    feed: str = ""
    shapes: dict[str, ShapeRow] = Field(default_factory=dict)
    coin: tuple[CoinRow, ...] = Field(min_length=1)

    def paths(self, start: datetime) -> list[CoinPath]:
        """Every coin as a path through its anchors, in file order."""
        return [self._path(row, start) for row in self.coin]

    def _path(self, row: CoinRow, start: datetime) -> CoinPath:
        anchors = [anchor.anchor(start) for anchor in row.anchors]
        if not row.shape:
            return CoinPath(row.coin, anchors, row.beta, row.reference, row.volatility_bp)
        shape = self.shapes[row.shape]
        falls = [fall.anchor(start) for fall in shape.falls]
        return shaped(row.coin, anchors, Shape(shape.beta, shape.reference, shape.volatility_bp, falls))


class InstrumentRow(_Part):
    """A contract or a spot asset that the venue lists. `per_coin`: units of `coin` one token redeems for."""

    name: Text
    kind: Literal["linear", "inverse", "spot"]
    coin: Text
    margin_class: str = "default"
    tick_usd: Decimal = Field(gt=0)
    lot: Decimal = Field(gt=0)
    open_interest_usd: Dollars = 0.0
    turnover_usd: Dollars = 0.0
    volatility_bp: float = Field(default=7.0, gt=0)  # calm, per root minute
    collateral_share: float = Field(default=0.0, ge=0, le=1)  # of multi-asset and portfolio equity
    per_coin: float = Field(default=1.0, gt=0)
    source: Text


class House(_Part):
    """What the house starts with."""

    fund_usd: Dollars
    vault_usd: Dollars = 0.0
    provider_count: int = Field(default=0, ge=0, le=64)
    interest_percent_a_year: float = Field(default=0.0, ge=0, le=100)
    first_funding: datetime
    source: Text


class Crowd(_Part):
    """Who is on the venue."""

    population: PopulationRules = PopulationRules()
    makers: MakerRules = MakerRules()
    patient: PatientRules = PatientRules()
    arbitrage: ArbitrageRules = ArbitrageRules()
    traders: TraderRules = TraderRules()
    noise: NoiseRules = NoiseRules()


class Mechanism(_Part):
    """One thing that can be taken away: the overrides that do it."""

    description: Text
    set: dict[str, Any]


class Case(_Part):
    """A crash, whole."""

    name: Text
    title: Text
    summary: Text
    rulebook: Text
    rulebook_overrides: dict[str, Any] = Field(default_factory=dict)
    start: datetime
    end: datetime
    step_seconds: int = Field(default=1, ge=1, le=60)
    record_seconds: int = Field(default=1, ge=1, le=600)
    accounts: int = Field(default=100_000, ge=100, le=50_000_000)
    house: House
    world: World
    instruments: tuple[InstrumentRow, ...] = Field(min_length=1)
    crowd: Crowd = Crowd()
    weather: WeatherRules = WeatherRules()
    facts: tuple[Fact, ...] = ()
    mechanisms: dict[str, Mechanism] = Field(default_factory=dict)

    @property
    def seconds(self) -> int:
        """Length of the case."""
        return round((as_utc(self.end) - as_utc(self.start)).total_seconds())

    @property
    def steps(self) -> int:
        """How many steps it runs."""
        return self.seconds // self.step_seconds

    @model_validator(mode="after")
    def _names_agree(self) -> Case:
        problems = [*self._time_problems(), *self._name_problems(), *self._fact_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _time_problems(self) -> list[str]:
        if self.seconds <= 0:
            return [f"end {self.end} is not after start {self.start}"]
        if self.seconds % self.step_seconds:
            return [f"{self.seconds} seconds are not a whole number of steps of {self.step_seconds} s"]
        return []

    def _name_problems(self) -> list[str]:
        problems: list[str] = []
        coins = {row.coin for row in self.world.coin}
        names: set[str] = set()
        for row in self.instruments:
            if row.coin not in coins:
                problems.append(f"instrument {row.name} follows coin {row.coin!r}, which [[world.coin]] lacks")
            if row.name in names:
                problems.append(f"instrument {row.name} is listed twice")
            names.add(row.name)
        for coin in self.world.coin:
            if coin.shape and coin.shape not in self.world.shapes:
                problems.append(f"coin {coin.coin} has shape {coin.shape!r}, which [world.shapes] lacks")
        return problems

    def _fact_problems(self) -> list[str]:
        names = {row.name for row in self.instruments}
        problems = []
        for fact in self.facts:
            place = fact.query.arguments.get("instrument")
            if isinstance(place, str) and place not in names:
                problems.append(f"fact {fact.id} asks for instrument {place!r}, which is not listed")
        return problems

    def instrument_table(self) -> Mapping[str, InstrumentRow]:
        """Instruments by name, in file order."""
        return {row.name: row for row in self.instruments}
