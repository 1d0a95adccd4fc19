"""Measures of price: how far, when, how far from the outside.

A fall is negative. `field` is last (the default), mark, index, bid, ask or outside, read from the series as
it was recorded; a row without such a price (0) is left out. Measures of a window also know the field
`trade`: every fill, so that a low between two records is seen.
"""

from __future__ import annotations

from undertow.lab.measures.registry import MINUTE, Measured, measure, only, price_column, taken, window
from undertow.tape import Tape
from undertow.tape.schema import quoted


def _path(instrument: str, start: float, end: float | None, field: str) -> str:
    """SQL for one instrument's prices in a window, oldest first, as (time_ms, price)."""
    if field == "trade":
        return (
            "select time_ms, price from fills join instruments using (instrument) "
            f"where name = {quoted(instrument)} and {window(start, end)}"
        )
    column = price_column(field)
    return (
        f"select time_ms, {column} as price from series join instruments using (instrument) "
        f"where name = {quoted(instrument)} and {column} > 0 and {window(start, end)} order by time_ms"
    )


@measure("usd")
def price_at(tape: Tape, instrument: str, at: float, field: str = "last") -> Measured:
    """The price at a moment: the last one recorded up to it."""
    column = price_column(field)
    return taken(
        tape,
        f"select {column} * tick_usd from series join instruments using (instrument) "
        f"where {only(instrument)} and {column} > 0 and {window(0, at)} order by time_ms desc limit 1",
    )


@measure("usd")
def low_price(
    tape: Tape, instrument: str, start: float = 0.0, end: float | None = None, field: str = "last"
) -> Measured:
    """The lowest price of a window."""
    path = _path(instrument, start, end, field)
    return taken(
        tape,
        f"select min(price) * (select tick_usd from instruments where name = {quoted(instrument)}) "
        f"from ({path})",
    )


@measure("percent")
def low_fall_percent(
    tape: Tape, instrument: str, start: float = 0.0, end: float | None = None, field: str = "last"
) -> Measured:
    """From the first price of a window to its lowest."""
    path = _path(instrument, start, end, field)
    return taken(tape, f"select 100.0 * (min(price) / arg_min(price, time_ms) - 1) from ({path})")


@measure("percent")
def change_percent(
    tape: Tape, instrument: str, start: float = 0.0, end: float | None = None, field: str = "last"
) -> Measured:
    """From the first price of a window to its last."""
    path = _path(instrument, start, end, field)
    query = f"select 100.0 * (arg_max(price, time_ms) / arg_min(price, time_ms) - 1) from ({path})"
    return taken(tape, query)


@measure("percent")
def worst_minute_percent(
    tape: Tape, instrument: str, start: float = 0.0, end: float | None = None, field: str = "last"
) -> Measured:
    """The largest fall between the first and the last price of a clock minute."""
    path = _path(instrument, start, end, field)
    return taken(
        tape,
        "select min(move) from (select 100.0 * (arg_max(price, time_ms) / arg_min(price, time_ms) - 1) "
        f"as move from ({path}) group by {MINUTE})",
    )


@measure("percent")
def median_fall_percent(
    tape: Tape, group_of: str | None = None, start: float = 0.0, end: float | None = None, field: str = "last"
) -> Measured:
    """The median over instruments (of a `class`, or all) of `low_fall_percent`."""
    column = price_column(field)
    chosen = "true" if group_of is None else f"class = {quoted(group_of)}"
    return taken(
        tape,
        "select median(fall) from (select 100.0 * (min(price) / arg_min(price, time_ms) - 1) as fall from ("
        f"select instrument, time_ms, {column} as price from series join instruments using (instrument) "
        f"where {chosen} and {column} > 0 and {window(start, end)}) group by instrument)",
    )


@measure("time")
def time_of_low(
    tape: Tape, instrument: str, start: float = 0.0, end: float | None = None, field: str = "last"
) -> Measured:
    """When a window's lowest price was first recorded."""
    path = _path(instrument, start, end, field)
    query = f"select time_ms / 1000.0 from ({path}) order by price, time_ms limit 1"
    return taken(tape, query)


@measure("time")
def time_below(
    tape: Tape,
    instrument: str,
    price_usd: float,
    start: float = 0.0,
    end: float | None = None,
    field: str = "last",
) -> Measured:
    """When the price first stood below a level."""
    return _crossing(tape, instrument, f"< {float(price_usd)!r}", (start, end), field)


@measure("time")
def time_above(
    tape: Tape,
    instrument: str,
    price_usd: float,
    start: float = 0.0,
    end: float | None = None,
    field: str = "last",
) -> Measured:
    """When the price first stood above a level (back above it, when the window starts at the low)."""
    return _crossing(tape, instrument, f"> {float(price_usd)!r}", (start, end), field)


def _crossing(
    tape: Tape, instrument: str, test: str, span: tuple[float, float | None], field: str
) -> Measured:
    column = price_column(field)
    return taken(
        tape,
        f"select min(time_ms) / 1000.0 from series join instruments using (instrument) "
        f"where {only(instrument)} and {column} > 0 and {column} * tick_usd {test} and {window(*span)}",
    )


_GAP = "100.0 * ({column} / outside_ticks - 1)"


@measure("percent")
def gap_percent_at(tape: Tape, instrument: str, at: float, field: str = "last") -> Measured:
    """The venue's price against the outside price at a moment."""
    column = price_column(field)
    return taken(
        tape,
        f"select {_GAP.format(column=column)} from series join instruments using (instrument) "
        f"where {only(instrument)} and {column} > 0 and outside_ticks > 0 and {window(0, at)} "
        "order by time_ms desc limit 1",
    )


@measure("percent")
def worst_gap_percent(
    tape: Tape, instrument: str, start: float = 0.0, end: float | None = None, field: str = "last"
) -> Measured:
    """The deepest discount of the venue's price to the outside price."""
    column = price_column(field)
    return taken(
        tape,
        f"select min({_GAP.format(column=column)}) from series join instruments using (instrument) "
        f"where {only(instrument)} and {column} > 0 and outside_ticks > 0 and {window(start, end)}",
    )
