"""A case that extends another: what its file leaves out is the other's.

Holds the joining of two files as they were read. Holds no reading (`load`) and no check beyond the name.

A table that the file gives stands in the other's place, whole; one that it leaves out is the other's. Only
the world is joined by name: a shape or a coin that the file does not give is the other's, the coin at its
first price and at the case's start. What belongs to the other's time alone is never taken over: facts and
the figures that may be fitted to them, a second venue, incidents of the weather, and what befell coins and
shapes. So one crowd, calibrated once, can live through another day.

Units: as the file. Invariant: the joined case says nothing of the file it came from, so it can be kept and
read again by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undertow.case.checks import rows_of
from undertow.case.shipped import EXTENDS

OWN = ("facts", "beside", "calibration")


def extended(data: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a file with those of the case that it extends."""
    joined = {key: value for key, value in base.items() if key not in OWN}
    joined |= {key: value for key, value in data.items() if key != EXTENDS}
    if "weather" not in data and isinstance(base.get("weather"), Mapping):
        joined["weather"] = _without(base["weather"], "incidents")
    given, theirs = data.get("world", {}), base.get("world", {})
    if isinstance(given, Mapping) and isinstance(theirs, Mapping):
        joined["world"] = _world(given, theirs, data.get("start"), str(base.get("name", "the other")))
    return joined


def _world(given: Mapping[str, Any], theirs: Mapping[str, Any], start: Any, name: str) -> dict[str, Any]:
    """Shapes and coins by name, the file's own before the other's, in the other's order."""
    world = dict(given)
    shapes = given.get("shapes", {})
    if isinstance(shapes, Mapping):
        world["shapes"] = {key: _without(shape, "falls") for key, shape in theirs.get("shapes", {}).items()}
        world["shapes"] |= shapes
    own = {row.get("coin"): row for row in rows_of(given, "coin")}
    shared = [own.get(row["coin"]) or _still(row, start, name) for row in rows_of(theirs, "coin")]
    known = {row["coin"] for row in shared}
    world["coin"] = [*shared, *(row for row in rows_of(given, "coin") if row.get("coin") not in known)]
    return world


def _without(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != key}


def _still(row: Mapping[str, Any], start: Any, name: str) -> dict[str, Any]:
    """A coin at its first price, which sets the scale of what is listed on it and no more."""
    first = dict(row["anchors"][0]) if rows_of(row, "anchors") else {}
    source = f"assumed: its first price in {name}, for scale ({first.get('source', '')})"
    return {**row, "anchors": [{"time": start, "price": first.get("price"), "source": source}]}
