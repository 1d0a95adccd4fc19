"""Every figure of a rulebook one by one: where it stands, what else it might say, what the venue makes of it.

Holds the walk over a validated model (defaults that nobody set included), other values to try, the integers a
venue is built from, and a market whose prices, rates and charges can be compared. Holds no test.

Units: those of the figures themselves. Invariant: names and provenance (title, summary, source, inferred)
are no figures; everything else of the model is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal, NamedTuple, get_args, get_origin

import numpy as np
from pydantic import BaseModel

from undertow.rulebook.model import Rulebook
from undertow.venue.compile import Listing, instrument_figures, tiers_of, write_profiles, write_rules
from undertow.venue.engine import Engine
from undertow.venue.gates import Gates
from undertow.venue.paced import ConversionStage, DisposalStage
from undertow.venue.pricing import Pricing
from undertow.venue.records import COMMAND, CommandKind, InstrumentKind
from undertow.venue.stages import HedgeStage, closing_rule, liquidation_stage
from undertow.venue.state import allocate

PROVENANCE = {
    "name",
    "title",
    "as_of",
    "summary",
    "settlement",
    "sources",
    "source",
    "inferred",
    "overridden",
}
HALT = {
    "scope": "matching",
    "start": {"kind": "move", "ppm": 100_000, "seconds": 5},
    "end": {"kind": "elapsed", "seconds": 2},
}
STATE = allocate(1, 1, 1, 1)
START = 1_000  # dollars, of everything listed
BOOK = ((1, 1019, 5), (1, 1018, 500), (-1, 1021, 5), (-1, 1022, 500))  # side, price, coins


class Moment(NamedTuple):
    """What a market sees of the outside, and what its own books do, some seconds after the last moment."""

    seconds: int
    outside: tuple[int, int, int]  # dollars, 0: no price
    age: int  # of the third price, seconds
    book: int  # dollars that best prices and the last trade lie above those of BOOK


# The third price leaves the others little by little and grows old; the outside leaves the book by a little,
# by some and by much, each for at least one interval of funding.
MOMENTS = [
    Moment(*row)
    for row in (
        *((1, (1020, 1020, 1021), 20, 0), (1, (1020, 1022, 1035), 20, 1), (1, (1020, 1024, 1060), 45, 3)),
        *((1, (1020, 1020, 1100), 100, -2), (1, (1020, 1020, 1300), 250, 4), (1, (1020, 1020, 1600), 20, -9)),
        *((1, (1030, 0, 0), 20, 5), (1, (1020, 1025, 0), 0, 9), (1, (1020, 1021, 1025), 400, 0)),
        *((1, (1020, 1021, 1028), 1_000, 0), (1, (1020, 1021, 1028), 1_000, 0)),
        *((28_800, (1020, 1020, 1020), 0, 0), (1, (1016, 1016, 1016), 0, 0), (5, (1015, 1015, 1015), 0, 1)),
        *((5, (1017, 1017, 1017), 0, 0), (20, (1016, 1016, 1016), 0, -1), (60, (1017, 1017, 1017), 0, 0)),
        *((28_800, (1016, 1016, 1016), 0, 0), (1, (480, 500, 520), 0, 0), (7, (490, 500, 510), 0, 30)),
        *((60, (480, 500, 520), 0, 0), (28_800, (480, 500, 520), 0, 0), (1, (1016, 1017, 1018), 0, 0)),
        *(
            (28_800, (1016, 1017, 1018), 0, 0),
            (1, (1500, 1520, 1540), 0, 0),
            (28_800, (1500, 1520, 1540), 0, 0),
        ),
    )
]


class Figure(NamedTuple):
    """One figure: its dotted key, its value, its type, and whether it was written or left out."""

    key: str
    value: Any
    annotation: Any
    written: bool


def figures(part: BaseModel, prefix: str = "", written: bool = True) -> Iterator[Figure]:
    """Every figure of a model, in the order of its fields."""
    for name, field in type(part).model_fields.items():
        if name in PROVENANCE:
            continue
        key, value = f"{prefix}{name}", getattr(part, name)
        ours = written and name in part.model_fields_set
        rows: list[tuple[Any, Any]] | None = None
        if isinstance(value, BaseModel):
            yield from figures(value, f"{key}.", ours)
        elif isinstance(value, dict):
            rows = list(value.items())
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            rows = list(enumerate(value))
        else:
            yield Figure(key, value, field.annotation, ours)
        for place, row in rows or ():
            yield from figures(row, f"{key}.{place}.", ours)


def others(figure: Figure, rulebook: Rulebook) -> Iterator[Any]:
    """Other values of a figure, nearest first; the model may refuse any of them."""
    value = figure.value
    words = choices(figure.annotation)
    if words:
        yield from (word for word in words if word != value)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, tuple):
        names = [*rulebook.margin.classes, *rulebook.profiles]
        yield value[:-1] if value else (HALT,)
        yield from ((*value, name) for name in names if name not in value)
    elif isinstance(value, str):
        names = [*rulebook.margin.classes, *rulebook.collateral]
        yield from (name for name in ("", *names) if name != value)
    elif not value:
        yield from (1_000, 1, 10, 200_000, 1_000_000, 10_000_000)
    else:
        nearby = (2 * value, value // 2, value + 1, value - 1, value * 9 // 10, value * 11 // 10, 0)
        yield from dict.fromkeys(other for other in nearby if other != value)


def choices(annotation: Any) -> tuple[str, ...]:
    """The words a figure may say, where it is one of several."""
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def listings(rulebook: Rulebook) -> list[Listing]:
    """A contract of every margin class and of one that the rulebook does not name, and every asset."""
    kind = InstrumentKind.INVERSE if rulebook.contract == "inverse" else InstrumentKind.LINEAR
    tick, lot = (Decimal("0.5"), Decimal(1)) if rulebook.contract == "inverse" else (Decimal("0.01"),) * 2
    decimals = 8 if rulebook.contract == "inverse" else 6
    names = [*rulebook.margin.classes, "of no class"]
    contracts = [Listing(name, kind, name, tick, lot, Decimal(1000), 0, decimals) for name in names]
    spot = InstrumentKind.SPOT
    assets = [Listing(name, spot, name, tick, lot, Decimal(1000), 0, 6, name) for name in rulebook.collateral]
    return [*contracts, *assets]


def compiled(rulebook: Rulebook) -> list[str]:
    """What a venue under the rulebook is built from, piece by piece, as text."""
    pricing = Pricing(rulebook, 1000, 5)
    pieces: list[Any] = []
    rows = listings(rulebook)
    for row in rows:
        pieces.append(instrument_figures(rulebook, row))
        pieces.append(tiers_of(rulebook, row).tolist())
        pieces.append(row.margin_class in rulebook.insurance.isolated_funds)
    for row in rows:
        pricing.add(row)
    pieces += [pricing.index_rules.tolist(), pricing.mark_rules.tolist(), pricing.funding_rules.tolist()]
    STATE.profiles[:] = 0
    profiles = write_profiles(STATE, rulebook)
    pieces.append(STATE.profiles.tolist())
    write_rules(STATE, rulebook)
    pieces.append(STATE.counters.tolist())
    stage: Any = liquidation_stage(rulebook)
    stages = [stage, ConversionStage(rulebook, profiles), DisposalStage(rulebook), HedgeStage(rulebook)]
    pieces += [{k: v for k, v in vars(each).items() if k != "parts"} for each in stages]
    pieces.append(closing_rule(rulebook))
    pieces.append(vars(Gates(rulebook.gates)))
    return [repr(piece) for piece in pieces]


def market(rulebook: Rulebook) -> Engine:
    """A venue with everything listed, each contract with the book of `BOOK`, each asset trading apart."""
    rows = listings(rulebook)
    engine = Engine(rulebook, instruments=len(rows), accounts=16)
    for row in rows:
        engine.list(row)
    maker = engine.open(1)
    send(engine, kind=CommandKind.DEPOSIT, account=maker, size=10**16)
    for number, row in enumerate(rows):
        if row.kind == InstrumentKind.SPOT:
            engine.state.markets["last"][number] = int(Decimal(START + 7 * number) / row.tick)
            continue
        inverse = row.kind == InstrumentKind.INVERSE
        for side, price, coins in BOOK:
            place = {"side": side, "price": int(Decimal(price) / row.tick), "instrument": number}
            size = int(coins * START / row.lot) if inverse else int(Decimal(coins) / row.lot)
            send(engine, kind=CommandKind.NEW, account=maker, size=size, self_trade=-1, **place)
    return engine


def send(engine: Engine, **fields: int) -> None:
    """One command, which must be accepted."""
    commands = np.zeros(1, COMMAND)
    for name, value in fields.items():
        commands[name] = value
    answer = engine.submit(commands)[0]
    assert answer["code"] == 0, (fields, answer)


def priced(rulebook: Rulebook, engine: Engine) -> list[str]:
    """Every price, rate and charge of a market under the rulebook, moment after moment."""
    rows = listings(rulebook)
    markets = engine.state.markets[: len(rows)]
    before = markets.copy()
    pricing = Pricing(rulebook, 1000, 3)
    for row in rows:
        pricing.add(row)
    pricing.weights[:] = (500_000, 300_000, 200_000)
    pricing.first_funding(12)
    contracts = pricing.perpetuals
    ticks = int(1 / rows[0].tick)
    now, seen = 0, []
    for moment in MOMENTS:
        now += moment.seconds
        outside = np.tile(np.array(moment.outside) * ticks, (len(rows), 1))
        for name, price in (("best_bid", 1019), ("best_ask", 1021), ("last", 1020)):
            markets[name][contracts] = (price + moment.book) * ticks
        pricing.update_index(engine.state, outside, np.tile((0, 0, moment.age), (len(rows), 1)))
        pricing.update_marks(engine.state, now)
        charges = pricing.update_funding(engine.state, now)
        figures_seen = (markets[name].tolist() for name in ("index", "mark"))
        seen.append(repr((*figures_seen, charges)))
    markets[:] = before
    return seen
