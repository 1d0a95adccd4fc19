"""What a case file holds: time, instruments, the outside world, the crowd, the house, facts and mechanisms.

Holds models only; what parts say about each other is in `checks`, reading in `load`, facts in `facts`. Knows
nothing of how a run goes.

Units: dollars where a name says `_usd`, seconds, ppm or per cent as named; times are UTC. Invariant: a case
that validates names only coins, shapes and instruments that exist in it, and every anchor and fact has a
source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from undertow.case.checks import Finding, case_faults, shape_faults, table_of
from undertow.case.facts import Fact, as_utc
from undertow.crowd.rules import PopulationRules
from undertow.crowd.rules_actors import (
    ArbitrageRules,
    BasisRules,
    LooperRules,
    MakerRules,
    NoiseRules,
    PatientRules,
    RedemptionRules,
    TraderRules,
)
from undertow.crowd.rules_between import BetweenRules
from undertow.crowd.rules_hedges import HedgeRules
from undertow.crowd.rules_people import HolderRules, SellerRules
from undertow.rulebook.base import Part
from undertow.rulebook.limits import MOST_USD, Bounded, Moment
from undertow.world.prices import Anchor, CoinPath, Shape, shaped
from undertow.world.weather import WeatherRules

Text = Annotated[str, Field(min_length=1)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Dollars = Annotated[float, Field(ge=0, le=MOST_USD)]
Step = Annotated[Decimal, Field(gt=0, ge=Decimal("1e-12"), le=1_000_000_000)]  # a tick or lot
MILLISECONDS = 1000
MOST_DRAWS = 1_000_000


class CasePart(Bounded, Part):
    """A table of a case: frozen, every key known, all figures finite and bounded."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AnchorRow(CasePart):
    """Where a coin stood off the venue: a price, or a fall since its first anchor."""

    time: Moment = Field(description="UTC")
    price: float | None = Field(default=None, gt=0, le=1e9, description="USD")
    fall: float | None = Field(default=None, lt=1, description="0.3: 30 % below the first anchor")
    low: bool = Field(default=False, description="the lowest of all: noise may not go below it")
    source: Text = Field(description="where it was published or recorded")

    def anchor(self, start: datetime) -> Anchor:
        """The anchor on the case's clock."""
        moment = (as_utc(self.time) - as_utc(start)).total_seconds()
        return Anchor(round(moment * MILLISECONDS), self.price, self.fall, self.low, self.source)


class ShapeRow(CasePart):
    """What a class of coins shares between its facts."""

    reference: str = Field(default="", description="coin whose moves it follows between anchors; empty: none")
    beta: float = Field(default=0.0, description="to the reference, in log price")
    volatility_bp: float = Field(default=0.0, ge=0, description="own noise, basis points per root minute")
    falls: tuple[AnchorRow, ...] = Field(default=(), description="falls that all coins of the class share")

    @classmethod
    def raw_faults(cls, data: Mapping[str, Any]) -> Iterator[Finding]:
        """Also: falls that are prices, or out of order."""
        yield from super().raw_faults(data)
        yield from shape_faults(data)


class CoinRow(CasePart):
    """One coin of the outside world."""

    coin: Text = Field(description="its name in this file")
    shape: str = Field(default="", description="class of [world.shapes] it belongs to; empty: none")
    beta: float = Field(default=0.0, description="to the reference, in log price; without a shape")
    reference: str = Field(default="", description="coin above it whose moves it follows; without a shape")
    volatility_bp: float = Field(
        default=0.0, ge=0, description="own noise, basis points per root minute; without a shape"
    )
    anchors: tuple[AnchorRow, ...] = Field(min_length=1, description="in time order, the first with a price")


class World(CasePart):
    """Prices off the venue: a named feed of recordings if data is given, else the anchors."""

    feed: str = Field(default="", description="recordings that `--data` stands for; empty: none")
    shapes: dict[str, ShapeRow] = Field(default_factory=dict, description="classes of coins, by name")
    coin: tuple[CoinRow, ...] = Field(min_length=1, description="every coin, references first")

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


class InstrumentRow(CasePart):
    """A contract or a spot asset that the venue lists."""

    name: Text = Field(description="a spot asset: as the rulebook's [collateral] spells it")
    kind: Literal["linear", "inverse", "spot"] = Field(
        description="perpetual in dollars, in coins, or an asset"
    )
    coin: Text = Field(description="coin of [[world.coin]] it follows")
    margin_class: str = Field(
        default="default",
        description="class of the rulebook; default: the one that the rulebook falls back on",
    )
    tick_usd: Step = Field(
        description="USD, not above the first price; tick times lot is whole micro-dollars"
    )
    lot: Step = Field(description="coins; may be more than one, or no simple part of one")
    open_interest_usd: Dollars = Field(default=0.0, description="USD, one side, at the start")
    turnover_usd: Dollars = Field(default=0.0, description="USD on an ordinary day")
    volatility_bp: float = Field(default=7.0, gt=0, description="in calm, basis points per root minute")
    collateral_share: float = Field(
        default=0.0, ge=0, le=1, description="of the equity of multi-asset and portfolio accounts; spot only"
    )
    collateral_usd: Dollars = Field(
        default=0.0, description="USD of it that those accounts hold in all, instead of a share; spot only"
    )
    per_coin: float = Field(
        default=1.0, gt=0, le=1e9, description="units of the coin that one unit redeems for"
    )
    source: Text = Field(description="where its figures come from")


class House(CasePart):
    """What the house starts with."""

    fund_usd: Dollars = Field(description="USD in the insurance fund")
    provider_count: int = Field(default=0, ge=0, le=64, description="backstop providers")
    interest_percent_a_year: float = Field(default=0.0, ge=0, le=100, description="% a year on borrowed cash")
    first_funding: Moment = Field(description="UTC; when funding is first paid")
    source: Text = Field(description="where these come from")


class Crowd(CasePart):
    """Who is on the venue."""

    population: PopulationRules = Field(
        default=PopulationRules.model_validate({}), description="accounts and what they hold"
    )
    makers: MakerRules = Field(default=MakerRules.model_validate({}), description="quoting firms")
    hedges: HedgeRules = Field(
        default=HedgeRules.model_validate({}), description="makers' hedges on the venue, and what a cut does"
    )
    patient: PatientRules = Field(
        default=PatientRules.model_validate({}), description="resting orders and bargain hunters"
    )
    arbitrage: ArbitrageRules = Field(
        default=ArbitrageRules.model_validate({}), description="firms that tie the venue to outside"
    )
    basis: BasisRules = Field(
        default=BasisRules.model_validate({}), description="hedged shorts that buy back at a discount"
    )
    traders: TraderRules = Field(
        default=TraderRules.model_validate({}), description="what leveraged traders do"
    )
    noise: NoiseRules = Field(default=NoiseRules.model_validate({}), description="two-sided takers")
    loopers: LooperRules = Field(
        default=LooperRules.model_validate({}), description="assets bought with borrowed money, over and over"
    )
    redemption: RedemptionRules = Field(
        default=RedemptionRules.model_validate({}), description="firms that redeem assets at par"
    )
    sellers: SellerRules = Field(
        default=SellerRules.model_validate({}), description="people's asks, which follow the price"
    )
    holders: HolderRules = Field(
        default=HolderRules.model_validate({}),
        description="people with coins and no debt, who sell some in a fall",
    )


class Draws(CasePart):
    """Which random draws a run has, apart from its seed: what stays can be told from what is drawn anew."""

    crowd: int = Field(default=0, ge=0, le=MOST_DRAWS, description="another crowd: who holds, quotes, waits")
    flow: int = Field(default=0, ge=0, le=MOST_DRAWS, description="another flow: what they do, and when")
    order: int = Field(default=0, ge=0, le=MOST_DRAWS, description="another order of commands within a step")


class FreeParameter(CasePart):
    """A figure that a calibration may choose, the same for all coins."""

    key: Text = Field(description="dotted key of a number under crowd. or weather.")
    low: float = Field(ge=-MOST_USD, le=MOST_USD, description="lowest value tried")
    high: float = Field(ge=-MOST_USD, le=MOST_USD, description="highest value tried")
    scale: Literal["log", "linear"] = Field(default="log", description="log or linear: how it is spread")
    meaning: Text = Field(description="what it is, in words")
    source: Text = Field(description="where the range comes from")
    identified_by: tuple[str, ...] = Field(min_length=1, description="facts marked calibrate that tell it")


class Mechanism(CasePart):
    """One thing that can be taken away: the overrides that do it."""

    description: Text = Field(description="what is then no longer so")
    set: dict[str, Any] = Field(min_length=1, description="overrides, dotted key = value")

    @field_validator("set", mode="before")
    @classmethod
    def _dotted(cls, value: Any) -> Any:
        """Nested tables are dotted keys."""
        return flat(value) if isinstance(value, Mapping) else value


class Beside(CasePart):
    """A second venue in the same world: another rulebook, its own book, people and machinery."""

    title: Text = Field(description="one line")
    rulebook: Text = Field(description="a preset's name, or the path of a TOML file, seen from this file")
    written_for: str = Field(
        default="", description="rulebook that classes and facts are of, if it is another"
    )
    rulebook_overrides: dict[str, Any] = Field(
        default_factory=dict, description="figures of its rulebook that differ: dotted key = value"
    )
    accounts_share: float = Field(gt=0, description="its accounts over those of the first venue")
    house: House = Field(description="what its house starts with")
    instruments: tuple[InstrumentRow, ...] = Field(min_length=1, description="what it lists")
    crowd: dict[str, Any] = Field(
        default_factory=dict, description="figures of the crowd that differ here: dotted key = value"
    )
    weather: WeatherRules = Field(
        default=WeatherRules.model_validate({"mode": "none"}),
        description="its machinery under load; without it nothing fails",
    )
    between: BetweenRules = Field(
        default=BetweenRules.model_validate({}), description="firms with an account on each venue"
    )
    facts: tuple[Fact, ...] = Field(default=(), description="what was published of it")

    @field_validator("rulebook_overrides", "crowd", mode="before")
    @classmethod
    def _dotted(cls, value: Any) -> Any:
        """Nested tables are dotted keys."""
        return flat(value) if isinstance(value, Mapping) else value


class Case(CasePart):
    """A crash, whole."""

    name: Slug = Field(description="lower-case words joined by hyphens; run folders are named after it")
    title: Text = Field(description="one line")
    summary: Text = Field(description="a few sentences: what happened, what is asked")
    extends: Literal[""] = Field(
        default="", description="case whose tables hold where this file gives none; a name or a path"
    )
    rulebook: Text = Field(description="a preset's name, or the path of a TOML file, seen from this file")
    written_for: str = Field(
        default="", description="rulebook that classes, assets and facts are of, if it is another"
    )
    rulebook_overrides: dict[str, Any] = Field(
        default_factory=dict, description="figures of the rulebook that differ: dotted key = value"
    )
    start: Moment = Field(description="UTC")
    end: Moment = Field(description="UTC; a whole number of steps later")
    step_seconds: Decimal = Field(
        default=Decimal(1), ge=Decimal("0.1"), le=60, description="s a step: whole, or 0.1, 0.2, 0.25, 0.5"
    )
    record_seconds: int = Field(default=1, ge=1, le=600, description="s between samples on the tape")
    accounts: int = Field(default=100_000, ge=100, le=50_000_000, description="accounts of the population")
    house: House = Field(description="what the house starts with")
    world: World = Field(description="prices off the venue")
    instruments: tuple[InstrumentRow, ...] = Field(min_length=1, description="what the venue lists")
    crowd: Crowd = Field(default=Crowd.model_validate({}), description="who is on the venue")
    weather: WeatherRules = Field(
        default=WeatherRules.model_validate({}), description="the venue's machinery under load"
    )
    draws: Draws = Field(
        default=Draws.model_validate({}), description="added to the seed, to draw one thing anew"
    )
    calibration: tuple[FreeParameter, ...] = Field(
        default=(), description="figures that a calibration may choose, at most twelve"
    )
    facts: tuple[Fact, ...] = Field(default=(), description="what was published, to score a run against")
    beside: Beside | None = Field(default=None, description="a second venue, run on request; empty: none")
    mechanisms: dict[str, Mechanism] = Field(
        default_factory=dict, description="what can be taken away, by name"
    )

    @field_validator("rulebook_overrides", mode="before")
    @classmethod
    def _dotted(cls, value: Any) -> Any:
        """Nested tables are dotted keys."""
        return flat(value) if isinstance(value, Mapping) else value

    @classmethod
    def raw_faults(cls, data: Mapping[str, Any]) -> Iterator[Finding]:
        """Also: what parts say about each other, even where other keys are wrong."""
        yield from super().raw_faults(data)
        yield from case_faults(table_of(data))

    @property
    def seconds(self) -> int:
        """Length of the case."""
        return round((as_utc(self.end) - as_utc(self.start)).total_seconds())

    @property
    def steps(self) -> int:
        """How many steps it runs."""
        return 1000 * self.seconds // self.step_ms

    @property
    def step_ms(self) -> int:
        """Length of a step in milliseconds."""
        return int(1000 * self.step_seconds)

    def instrument_table(self) -> Mapping[str, InstrumentRow]:
        """Instruments by name, in file order."""
        return {row.name: row for row in self.instruments}


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one table with dotted keys."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
