"""Measures over many instruments at once: how many fell how far, and when they were lowest.

`instruments` names them; else contracts of a `class`, else all contracts. `field` as in the measures of
price. Units: per cent, seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

from undertow.lab.measures.registry import Measured, among, measure, only, price_column, taken, window
from undertow.tape import Tape


def _lows(chosen: str, span: tuple[float, float | None], field: str) -> str:
    """SQL for each instrument's first price, lowest price and the time of it."""
    column = price_column(field)
    return (
        f"select instrument, arg_min({column}, time_ms)::double as first, min({column})::double as low, "
        f"min_by(time_ms, {column}::hugeint * 10000000000 + time_ms) / 1000.0 as at_s "
        "from series join instruments using (instrument) "
        f"where {chosen} and {column} > 0 and {window(*span)} group by 1"
    )


@measure("percent")
def fallen_share_percent(
    tape: Tape,
    depth_percent: float,
    instruments: Sequence[str] | None = None,
    group_of: str | None = None,
    start: float = 0.0,
    end: float | None = None,
    field: str = "last",
) -> Measured:
    """The share of instruments that fell by more than `depth_percent` from a window's first price."""
    lows = _lows(among(instruments, group_of), (start, end), field)
    return taken(
        tape,
        f"select 100.0 * avg(case when low < first * (1 - {float(depth_percent)!r} / 100) then 1 else 0 end) "
        f"from ({lows})",
    )


@measure("time")
def median_time_of_low(
    tape: Tape,
    instruments: Sequence[str] | None = None,
    group_of: str | None = None,
    start: float = 0.0,
    end: float | None = None,
    field: str = "last",
) -> Measured:
    """The median over instruments of `time_of_low`."""
    return taken(
        tape, f"select median(at_s) from ({_lows(among(instruments, group_of), (start, end), field)})"
    )


@measure("duration")
def low_lag_seconds(
    tape: Tape,
    instrument: str,
    instruments: Sequence[str] | None = None,
    group_of: str | None = None,
    start: float = 0.0,
    end: float | None = None,
    field: str = "last",
) -> Measured:
    """How long after one instrument's low the others had theirs, at the median; negative: before it."""
    others = _lows(among(instruments, group_of), (start, end), field)
    own = _lows(only(instrument), (start, end), field)
    return taken(tape, f"select median(at_s) - (select min(at_s) from ({own})) from ({others})")
