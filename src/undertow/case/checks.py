"""What the parts of a case say about each other: times, coins, shapes, instruments, facts.

Holds checks on the tables as they were read, before any figure is typed, so that a contradiction is found
even where other keys are wrong; what is missing or of the wrong kind is passed over here and reported by the
models. Knows no rulebook (`rulebooks` does).

Units: as the file. Invariant: a finding is a place in the file and a sentence `what is wrong; what would be
right`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import BaseModel

from undertow.case.facts import as_utc
from undertow.rulebook.faults import Loc, shown, suggest
from undertow.rulebook.limits import MOST_USD
from undertow.units import MICROS

Finding = tuple[Loc, str]
Table = Mapping[str, Any]
MOST_STEPS = 1_000_000  # of a case; a week of seconds is 604,800
MOST_POWER = 20  # of ten
_FIGURES = frozenset((str, int, bool, float, Decimal, datetime, date))
PARTS_OF_A_SECOND = tuple(Decimal(part) for part in ("0.1", "0.2", "0.25", "0.5"))


def case_faults(case: Table) -> Iterator[Finding]:
    """Every contradiction between the parts of a case."""
    yield from _times(case)
    yield from _coins(case)
    yield from _instruments(case)
    yield from _places(case)


def shape_faults(shape: Table) -> Iterator[Finding]:
    """Falls of a shape: each a fall, in time order."""
    rows = rows_of(shape, "falls")
    for number, row in enumerate(rows):
        if "price" in row:
            yield ("falls", number, "price"), "is one price for every coin of the class; give fall instead"
        elif "fall" not in row:
            yield ("falls", number, "fall"), "is missing; give the share lost since a coin's first anchor"
    yield from _rising(rows, ("falls",))


def table_of(part: Any) -> dict[str, Any]:
    """A table with models in it turned back into tables."""
    source = dict(part) if isinstance(part, BaseModel) else part
    return {key: _plain(value) for key, value in source.items()} if isinstance(source, Mapping) else {}


def _plain(value: Any) -> Any:
    if type(value) in _FIGURES:  # nearly all: what follows takes ten times as long
        return value
    if isinstance(value, BaseModel | Mapping):
        return table_of(value)
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value


def rows_of(table: Any, *keys: str) -> list[dict[str, Any]]:
    """The rows of a list of tables below dotted keys, to be read; one that is no table is an empty one."""
    for key in keys:
        table = table.get(key) if isinstance(table, Mapping) else None
    rows = table if isinstance(table, list | tuple) else []
    return [row if type(row) is dict else dict(row) if isinstance(row, Mapping) else {} for row in rows]


def moment_of(value: Any) -> datetime | None:
    """A time as the file wrote it, in UTC; None if it is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return as_utc(value) if isinstance(value, datetime) else None


def number_of(value: Any) -> Decimal | None:
    """A figure as the file wrote it; None if it is none, or so large or small that its model refuses it."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = value if type(value) is Decimal else Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= MOST_POWER else None


def _times(case: Table) -> Iterator[Finding]:
    start, end = moment_of(case.get("start")), moment_of(case.get("end"))
    house = case.get("house")
    funding = moment_of(house.get("first_funding")) if isinstance(house, Mapping) else None
    if start is not None and funding is not None and funding < start:
        yield (
            ("house", "first_funding"),
            f"is {_when(funding)}, before start {_when(start)}; give a later time",
        )
    if start is None or end is None:
        return
    seconds = (end - start).total_seconds()
    step = number_of(case.get("step_seconds", 1))
    if seconds <= 0:
        yield ("end",), f"is {_when(end)}, not after start {_when(start)}; give a later time"
    elif step is not None and 0 < step < 1 and step not in PARTS_OF_A_SECOND:
        known = ", ".join(f"{part}" for part in PARTS_OF_A_SECOND)
        yield ("step_seconds",), f"is {step}; below one second, a step is {known}"
    elif step is not None and step > 1 and step % 1:
        yield ("step_seconds",), f"is {step}; from one second on, a step is a whole number of seconds"
    elif step is not None and step > 0 and Decimal(seconds) / step > MOST_STEPS:
        wrong = f"is {_when(end)}, {Decimal(seconds) / step:.0f} steps of {step} s after start"
        yield ("end",), f"{wrong}; give at most {MOST_STEPS} steps"
    elif step is not None and step > 0 and Decimal(seconds) % step:
        yield (
            ("step_seconds",),
            f"is {step}, which does not divide the {seconds:g} s from start to end; choose one that does",
        )


def _coins(case: Table) -> Iterator[Finding]:
    rows = rows_of(case, "world", "coin")
    world = case.get("world")
    found = world.get("shapes") if isinstance(world, Mapping) else None
    shapes: Table = found if isinstance(found, Mapping) else {}
    above: list[str] = []
    names = [row["coin"] for row in rows if isinstance(row.get("coin"), str)]
    for number, row in enumerate(rows):
        place: Loc = ("world", "coin", number)
        name, shape_name = row.get("coin"), row.get("shape", "")
        if name in above:
            yield (*place, "coin"), f"is {name!r} again; give every coin one row"
        shape: Table | None = None
        if isinstance(shape_name, str) and shape_name:
            if shape_name not in shapes:
                yield (
                    (*place, "shape"),
                    f"is {shape_name!r}, which [world.shapes] does not have; {suggest(shape_name, shapes)}",
                )
            elif isinstance(shapes[shape_name], Mapping):
                shape = shapes[shape_name]
            for key in ("beta", "reference", "volatility_bp"):
                if key in row and not _is_default(row[key]):
                    yield (*place, key), f"does nothing beside a shape; set it in [world.shapes.{shape_name}]"
        reference = (row if shape is None else shape).get("reference", "")
        if isinstance(reference, str) and reference and reference not in above:
            where: Loc = (*place, "reference") if shape is None else (*place, "shape")
            yield where, _reference_fault(reference, names, shape_name if shape is not None else "")
        yield from _anchors(row, shape, place)
        if isinstance(name, str):
            above.append(name)


def _is_default(value: Any) -> bool:
    return value in ("", 0)


def _reference_fault(reference: str, names: list[str], shape: str) -> str:
    follows = f"follows {reference!r} by its shape {shape!r}" if shape else f"is {reference!r}"
    if reference in names:
        return f"{follows}, which does not stand above it; move that coin's row up"
    return f"{follows}, which [[world.coin]] does not have; {suggest(reference, dict.fromkeys(names))}"


def _anchors(row: Table, shape: Table | None, place: Loc) -> Iterator[Finding]:
    rows = rows_of(row, "anchors")
    if rows and "fall" in rows[0] and "price" not in rows[0]:
        yield (
            (*place, "anchors", 0, "price"),
            "is missing; give one, a coin's falls are measured from it",
        )
    for number, anchor in enumerate(rows):
        if "price" in anchor and "fall" in anchor:
            yield (*place, "anchors", number, "fall"), "stands beside price; give one of the two"
        elif not {"price", "fall"} & anchor.keys() and anchor:
            yield (*place, "anchors", number, "price"), "is missing; give a price in dollars or a fall"
    yield from _rising(rows, (*place, "anchors"))
    times = [moment_of(anchor.get("time")) for anchor in rows]
    falls = [] if shape is None else rows_of(shape, "falls")
    moments = [moment_of(fall.get("time")) for fall in falls]
    first = times[0] if times else None
    early = [moment for moment in moments if moment and first and moment < first]
    if first is not None and early:
        wrong = f"is {_when(first)}, after a fall of its shape at {_when(min(early))}"
        yield (*place, "anchors", 0, "time"), f"{wrong}; give a price at that time or before"
    others = [fall for fall, moment in zip(falls, moments, strict=True) if moment not in times]
    yield from _lows(rows, others, place)


def _lows(rows: list[dict[str, Any]], falls: list[dict[str, Any]], place: Loc) -> Iterator[Finding]:
    """An anchor marked as the low must be the lowest: paths are kept above it."""
    first = number_of(rows[0].get("price")) if rows else None
    if first is None or not any(row.get("low") is True for row in rows):
        return
    prices = [_price(row, first) for row in (*rows, *falls)]
    known = [price for price in prices if price is not None and price > 0]
    for number, (row, price) in enumerate(zip(rows, prices, strict=False)):
        if row.get("low") is True and price is not None and known and min(known) < price:
            wrong = f"is true at {price:f}, but an anchor of the coin or its shape gives {min(known):f}"
            yield (*place, "anchors", number, "low"), f"{wrong}; mark the lowest one"


def _price(row: Table, first: Decimal) -> Decimal | None:
    price, fall = number_of(row.get("price")), number_of(row.get("fall"))
    return price if price is not None else (None if fall is None else first * (1 - fall))


def _rising(rows: list[dict[str, Any]], place: Loc) -> Iterator[Finding]:
    before: datetime | None = None
    for number, row in enumerate(rows):
        moment = moment_of(row.get("time"))
        if moment is None:
            continue
        if before is not None and moment <= before:
            yield (
                (*place, number, "time"),
                f"is {_when(moment)}, not after the row before; put rows in time order",
            )
        before = moment


def _instruments(case: Table) -> Iterator[Finding]:
    rows = rows_of(case, "instruments")
    coins = [row["coin"] for row in rows_of(case, "world", "coin") if isinstance(row.get("coin"), str)]
    first_prices = _first_prices(case)
    seen: set[str] = set()
    for number, row in enumerate(rows):
        place: Loc = ("instruments", number)
        name, coin = row.get("name"), row.get("coin")
        if isinstance(name, str):
            if name in seen:
                yield (*place, "name"), f"is {name!r} again; give every instrument its own"
            seen.add(name)
        if isinstance(coin, str) and coin and coin not in coins:
            yield (
                (*place, "coin"),
                f"is {coin!r}, which [[world.coin]] does not have; {suggest(coin, dict.fromkeys(coins))}",
            )
        if row.get("kind") in ("linear", "inverse", "spot"):
            yield from _kind(row, place)
        first, tick = _first_price(first_prices, row), number_of(row.get("tick_usd"))
        if first is not None and tick is not None and 0 < first < tick:
            wrong = f"is {tick:f}, above the first price of {coin!r}, {first:f}"
            yield (*place, "tick_usd"), f"{wrong}; choose a smaller tick"
    contracts = [row for row in rows if row.get("kind") in ("linear", "inverse")]
    if rows and not any(number_of(row.get("open_interest_usd")) for row in contracts):
        yield ("instruments",), "has no contract with open interest; give one an open_interest_usd"
    held = [
        number_of(row.get(key)) or Decimal(0)
        for row in rows
        for key in ("open_interest_usd", "collateral_usd")
    ]
    if sum(held) > MOST_USD:
        wrong = f"has open interest and collateral of {sum(held):f} dollars in all"
        yield ("instruments",), f"{wrong}; one venue counts up to {MOST_USD}"
    shares = [number_of(row.get("collateral_share")) or Decimal(0) for row in rows]
    if sum(shares) > 1:
        wrong = f"has collateral_share of {sum(shares):f} in all"
        yield ("instruments",), f"{wrong}; 1 is the whole equity, and what is left of it is cash"


def _first_prices(case: Table) -> dict[str, Any]:
    """What every coin costs at its first anchor, as the file wrote it; the first row of a coin counts."""
    found: dict[str, Any] = {}
    for coin in rows_of(case, "world", "coin"):
        anchors, name = rows_of(coin, "anchors"), coin.get("coin")
        if anchors and isinstance(name, str):
            found.setdefault(name, anchors[0].get("price"))
    return found


def _first_price(first_prices: Mapping[str, Any], row: Table) -> Decimal | None:
    """What an instrument costs at its coin's first anchor; None if the file does not say."""
    coin = row.get("coin")
    price = number_of(first_prices.get(coin)) if isinstance(coin, str) else None
    units = number_of(row.get("per_coin", 1))
    return None if price is None or units is None else price * units


def _kind(row: Table, place: Loc) -> Iterator[Finding]:
    spot = row["kind"] == "spot"
    for key in ("open_interest_usd", "margin_class") if spot else ("collateral_share", "collateral_usd"):
        if key in row and row[key] not in (0, "default"):
            yield (*place, key), f"does nothing for kind {row['kind']!r}; leave it out"
    if spot and number_of(row.get("collateral_share")) and number_of(row.get("collateral_usd")):
        yield (
            (*place, "collateral_usd"),
            "stands beside collateral_share, which it replaces; leave one of them out",
        )
    tick, lot = number_of(row.get("tick_usd")), number_of(row.get("lot"))
    if row["kind"] == "inverse" or not tick or not lot or tick < 0 or lot < 0:
        return
    if (tick * lot * MICROS) % 1:
        wrong = f"is {tick:f}, and times lot {lot:f} is no whole number of micro-dollars"
        yield (*place, "tick_usd"), f"{wrong}; choose a coarser tick or lot"


def _places(case: Table) -> Iterator[Finding]:
    """Instruments that other tables name."""
    spot = [
        row["name"] for row in rows_of(case, "instruments") if row.get("kind") == "spot" and "name" in row
    ]
    for actor in ("loopers", "redemption"):
        for number, row in enumerate(rows_of(case, "crowd", actor, "assets")):
            for key in ("instrument", "debt"):
                name = row.get(key)
                if isinstance(name, str) and name and name not in spot:
                    right = suggest(name, dict.fromkeys(spot))
                    yield (
                        ("crowd", actor, "assets", number, key),
                        f"is {name!r}, which is no spot asset of [[instruments]]; {right}",
                    )
    names = [row["name"] for row in rows_of(case, "instruments") if isinstance(row.get("name"), str)]
    for number, row in enumerate(rows_of(case, "crowd", "patient", "resting_bids")):
        where: Loc = ("crowd", "patient", "resting_bids", number, "instrument")
        yield from _listed(row.get("instrument"), names, where)
    for number, row in enumerate(rows_of(case, "facts")):
        query = row.get("query")
        if isinstance(query, Mapping):
            yield from _listed(query.get("instrument"), names, ("facts", number, "query", "instrument"))
            several = query.get("instruments")
            for place, name in enumerate(several if isinstance(several, list | tuple) else ()):
                yield from _listed(name, names, ("facts", number, "query", "instruments", place))


def _listed(name: Any, names: list[str], place: Loc) -> Iterator[Finding]:
    if isinstance(name, str) and name and name not in names:
        yield (
            place,
            f"is {shown(name)}, which [[instruments]] does not have; {suggest(name, dict.fromkeys(names))}",
        )


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
