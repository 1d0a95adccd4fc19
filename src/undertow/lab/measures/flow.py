"""Measures of flow against price: how much selling a fall took, when it came, and what was traded after.

What was sold net is what takers sold less what takers bought, by the clock minute; prices are the last of
each minute. Over several instruments (`instruments`, or contracts of a `class`, or all contracts) the median
counts. Impact here is what prices moved over what was sold or bought net, sums of absolute values: a rise of
it tells a book that empties from a wave of sellers.

Units: ratios, per cent, seconds. Source: modelling notes, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from undertow.lab.measures.registry import MINUTE, Measured, among, measure, taken, within
from undertow.tape import Tape

MINUTE_S = 60


def _minutes(instruments: Sequence[str] | None, group_of: str | None, start: float, end: float | None) -> str:
    """SQL for each instrument's clock minutes: last price, lowest price, turnover, what was sold net."""
    return (
        f"select instrument, {MINUTE} as minute, arg_max(last_ticks, time_ms)::double as price, "
        "min(last_ticks)::double as low, sum(volume)::double as turnover, "
        "sum(2 * sell_volume - volume)::double as sold "
        "from series join instruments using (instrument) "
        f"where {among(instruments, group_of)} and last_ticks > 0 and {within(start, end)} group by 1, 2"
    )


def _in(start: float, end: float | None) -> str:
    """SQL for minutes that begin in a window."""
    after = f"minute >= {start / MINUTE_S!r}"
    return after if end is None else f"{after} and minute < {end / MINUTE_S!r}"


@measure("ratio")
def impact_rise(
    tape: Tape,
    base_start: float,
    base_end: float,
    start: float,
    end: float,
    instruments: Sequence[str] | None = None,
    group_of: str | None = None,
) -> Measured:
    """Price moved per dollar of net taker flow in a window, over the same in `base_from` to `base_to`."""
    first = max(min(start, base_start) - MINUTE_S, 0.0)
    minutes = _minutes(instruments, group_of, first, max(end, base_end))
    windows = {"hot": _in(start, end), "calm": _in(base_start, base_end)}
    sums = ", ".join(
        f"sum(moved) filter ({window}) / nullif(sum(abs(sold)) filter ({window}), 0) as {name}"
        for name, window in windows.items()
    ).replace("filter (", "filter (where ")
    return taken(
        tape,
        f"select median(hot / nullif(calm, 0)) from (select instrument, {sums} from (select instrument, "
        "minute, sold, abs(ln(price / lag(price) over (partition by instrument order by minute))) as moved "
        f"from ({minutes})) group by 1)",
    )


@measure("percent")
def sold_before_percent(
    tape: Tape,
    at: float,
    start: float = 0.0,
    end: float | None = None,
    instruments: Sequence[str] | None = None,
    group_of: str | None = None,
) -> Measured:
    """The part of a window's net taker selling that came before a moment."""
    minutes = _minutes(instruments, group_of, start, end)
    return taken(
        tape,
        f"select median(part) from (select 100.0 * sum(sold) filter (where {_in(start, at)}) "
        f"/ nullif(sum(sold), 0) as part from ({minutes}) group by instrument)",
    )


@measure("percent")
def fallen_after_percent(
    tape: Tape,
    at: float,
    start: float = 0.0,
    end: float | None = None,
    instruments: Sequence[str] | None = None,
    group_of: str | None = None,
) -> Measured:
    """The part of a window's fall to its low, in log price, that came after a moment."""
    minutes = _minutes(instruments, group_of, start, end)
    return taken(
        tape,
        "select median(part) from (select 100.0 * (1 - ln(arg_max(price, minute) "
        f"filter (where {_in(start, at)}) / arg_min(price, minute)) "
        "/ nullif(ln(min(low) / arg_min(price, minute)), 0)) as part "
        f"from ({minutes}) group by instrument)",
    )


@measure("ratio")
def turnover_before_low(
    tape: Tape,
    instruments: Sequence[str] | None = None,
    group_of: str | None = None,
    span_s: float = 600.0,
    start: float = 0.0,
    end: float | None = None,
) -> Measured:
    """Turnover in the `span_s` before the minute of the low, over that in the `span_s` after it."""
    span = round(span_s / MINUTE_S)
    return taken(
        tape,
        f"with m as ({_minutes(instruments, group_of, start, end)}), "
        "lowest as (select instrument, arg_min(minute, row(low, minute)) as bottom from m group by 1) "
        "select median(part) from (select sum(turnover) filter "
        f"(where minute between bottom - {span} and bottom - 1) / nullif(sum(turnover) filter "
        f"(where minute between bottom + 1 and bottom + {span}), 0) as part "
        "from m join lowest using (instrument) group by instrument)",
    )


@measure("duration")
def turnover_lead_seconds(
    tape: Tape,
    instruments: Sequence[str] | None = None,
    group_of: str | None = None,
    start: float = 0.0,
    end: float | None = None,
) -> Measured:
    """How long the minute of most turnover came before the minute of the low."""
    return taken(
        tape,
        "select median(lead) * 60.0 from (select "
        "arg_min(minute, row(low, minute)) - arg_max(minute, turnover) as lead "
        f"from ({_minutes(instruments, group_of, start, end)}) group by instrument)",
    )
