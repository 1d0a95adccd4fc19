"""Measures of the gap: how far the venue's price stood from the outside, minute by minute.

A gap is the logarithm of the lowest price of a window over the lowest outside price of the same window, in
per cent: it compares two lows whether or not they fell in the same second, as recorded minutes must. Over
several instruments (`instruments`, or contracts of a `class`, or all contracts) the median counts. A window
holds what came after `from`, up to `to`; a clock minute likewise.

Units: per cent of natural logarithm (negative: below the outside); times in seconds since the start.
Source: modelling notes, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from undertow.lab.measures.registry import MINUTE, Measured, among, measure, only, price_column, taken, within
from undertow.tape import Tape

_GAP = "100.0 * ln(min({column})::double / min(outside_ticks))"


def _gaps(
    instruments: Sequence[str] | None,
    group_of: str | None,
    span: tuple[float, float | None],
    field: str,
    by: str,
) -> str:
    """SQL for the gap of each instrument in each group of rows `by`."""
    column = price_column(field)
    return (
        f"select {by}, {_GAP.format(column=column)} as gap from (select *, {MINUTE} as minute from series) "
        "join instruments using (instrument) "
        f"where {among(instruments, group_of)} and {column} > 0 and outside_ticks > 0 and {within(*span)} "
        f"group by {by}"
    )


@measure("percent")
def low_gap_percent(
    tape: Tape,
    instruments: Sequence[str] | None = None,
    group_of: str | None = None,
    start: float = 0.0,
    end: float | None = None,
    field: str = "last",
) -> Measured:
    """The gap of a window's lows, venue over outside; the median over instruments."""
    gaps = _gaps(instruments, group_of, (start, end), field, "instrument")
    return taken(tape, f"select median(gap) from ({gaps})")


@measure("time")
def gap_opens(
    tape: Tape,
    percent: float,
    instruments: Sequence[str] | None = None,
    group_of: str | None = None,
    start: float = 0.0,
    end: float | None = None,
    field: str = "last",
) -> Measured:
    """Start of the first clock minute whose gap of lows is deeper than `percent`."""
    return _minute(tape, f"< -{abs(percent)!r}", _minutes(instruments, group_of, (start, end), field))


@measure("time")
def gap_closes(
    tape: Tape,
    percent: float,
    instruments: Sequence[str] | None = None,
    group_of: str | None = None,
    start: float = 0.0,
    end: float | None = None,
    field: str = "last",
) -> Measured:
    """Start of the first clock minute whose gap of lows is no deeper than `percent`; begin at the low."""
    return _minute(tape, f">= -{abs(percent)!r}", _minutes(instruments, group_of, (start, end), field))


def _minutes(
    instruments: Sequence[str] | None, group_of: str | None, span: tuple[float, float | None], field: str
) -> str:
    gaps = _gaps(instruments, group_of, span, field, "instrument, minute")
    return f"select minute, median(gap) as gap from ({gaps}) group by 1"


def _minute(tape: Tape, test: str, minutes: str) -> Measured:
    return taken(tape, f"select min(minute) * 60.0 from ({minutes}) where gap {test}")


@measure("percent")
def worst_minute_excess_percent(
    tape: Tape, instrument: str, start: float = 0.0, end: float | None = None, field: str = "last"
) -> Measured:
    """The largest fall of a clock minute beyond the outside's, close to close, in log terms."""
    column = price_column(field)
    return taken(
        tape,
        "select min(gap - before) from (select gap, lag(gap) over (order by minute) as before from ("
        f"select {MINUTE} as minute, 100.0 * ln(arg_max({column}::double / outside_ticks, time_ms)) as gap "
        f"from series join instruments using (instrument) where {only(instrument)} and {column} > 0 "
        f"and outside_ticks > 0 and {within(start, end)} group by 1))",
    )
