"""Measures of liquidity: depth, turnover, open interest, messages that get through.

`side` is bid, ask or both; `band` is 1 or 4, the per cent from the mark within which depth is counted. Rows
where depth was not sampled (-1) are left out.
"""

from __future__ import annotations

from undertow.lab.measures.registry import (
    Measured,
    choose,
    measure,
    money_unit,
    only,
    taken,
    window,
    within,
)
from undertow.tape import Tape

_BANDS = {"1": "1pct", "4": "4pct"}
_KINDS = {"all": "true", "contracts": "kind != 'spot'", "assets": "kind = 'spot'"}


def _depth(side: str, band: int) -> str:
    suffix = choose(str(band), _BANDS, "band")
    sides = choose(side, {"bid": ("bid",), "ask": ("ask",), "both": ("bid", "ask")}, "side")
    return " + ".join(f"{name}_{suffix}" for name in sides)


def _depths(instrument: str, span: tuple[float, float | None], side: str, band: int) -> str:
    return (
        f"select time_ms, {_depth(side, band)} as depth from series join instruments using (instrument) "
        f"where {only(instrument)} and bid_{_BANDS[str(band)]} >= 0 and {window(*span)}"
    )


@measure("usd")
def depth_usd_at(tape: Tape, instrument: str, at: float, side: str = "both", band: int = 1) -> Measured:
    """Depth at a moment: the last sample up to it."""
    depths = _depths(instrument, (0.0, at), side, band)
    return taken(tape, f"select arg_max(depth, time_ms) / {money_unit(tape)}.0 from ({depths})")


@measure("usd")
def mean_depth_usd(
    tape: Tape,
    instrument: str,
    start: float = 0.0,
    end: float | None = None,
    side: str = "both",
    band: int = 1,
) -> Measured:
    """Depth on the average of a window's samples."""
    depths = _depths(instrument, (start, end), side, band)
    return taken(tape, f"select avg(depth) / {money_unit(tape)}.0 from ({depths})")


@measure("percent")
def refused_percent(tape: Tape, start: float = 0.0, end: float | None = None) -> Measured:
    """The share of messages that did not get through, on the average of a window's samples."""
    return taken(tape, f"select 100.0 * avg(failure) from weather where {window(start, end)}")


@measure("ratio")
def depth_ratio(
    tape: Tape,
    instrument: str,
    start: float = 0.0,
    end: float | None = None,
    side: str = "both",
    band: int = 1,
) -> Measured:
    """The smallest depth of a window over the depth at its start."""
    depths = _depths(instrument, (start, end), side, band)
    return taken(tape, f"select min(depth) / nullif(arg_min(depth, time_ms), 0) from ({depths})")


@measure("percent")
def depth_change_percent(
    tape: Tape,
    instrument: str,
    start: float = 0.0,
    end: float | None = None,
    side: str = "both",
    band: int = 1,
) -> Measured:
    """The smallest depth of a window against the depth at its start, in per cent."""
    depths = _depths(instrument, (start, end), side, band)
    return taken(
        tape, f"select 100.0 * (min(depth) / nullif(arg_min(depth, time_ms), 0) - 1) from ({depths})"
    )


@measure("duration")
def thin_seconds(
    tape: Tape,
    instrument: str,
    share: float,
    start: float = 0.0,
    end: float | None = None,
    side: str = "both",
    band: int = 1,
) -> Measured:
    """How long depth stood below a share of what it was at the window's start (samples times spacing)."""
    depths = _depths(instrument, (start, end), side, band)
    return taken(
        tape,
        f"with d as ({depths}), first as (select arg_min(depth, time_ms) as calm, "
        "(max(time_ms) - min(time_ms)) / nullif(count(*) - 1, 0) / 1000.0 as spacing from d) "
        f"select count(*) filter (where depth < {float(share)!r} * calm) * any_value(spacing) from d, first",
    )


@measure("usd")
def volume_usd(
    tape: Tape,
    instrument: str | None = None,
    start: float = 0.0,
    end: float | None = None,
    kind: str = "all",
) -> Measured:
    """Turnover of a window, in contracts, in assets or in all."""
    which = choose(kind, _KINDS, "kind")
    return taken(
        tape,
        f"select sum(volume) / {money_unit(tape)}.0 from series join instruments using (instrument) "
        f"where {which} and {only(instrument)} and {within(start, end)}",
    )


@measure("percent")
def sell_share_percent(
    tape: Tape, instrument: str | None = None, start: float = 0.0, end: float | None = None
) -> Measured:
    """The share of a window's turnover in which the taker sold."""
    return taken(
        tape,
        "select 100.0 * sum(sell_volume) / nullif(sum(volume), 0) from series "
        f"join instruments using (instrument) where {only(instrument)} and {within(start, end)}",
    )


@measure("ratio")
def impact_percent_per_million(
    tape: Tape, instrument: str, start: float = 0.0, end: float | None = None
) -> Measured:
    """How far a window's price fell, in per cent, for each million dollars sold net by takers."""
    return taken(
        tape,
        "select -100.0 * (arg_max(last_ticks, time_ms) / arg_min(last_ticks, time_ms) - 1) "
        f"/ nullif(sum(2 * sell_volume - volume) / {money_unit(tape)}e6, 0) from series "
        f"join instruments using (instrument) where {only(instrument)} and last_ticks > 0 "
        f"and {window(start, end)}",
    )


@measure("percent")
def open_interest_change_percent(
    tape: Tape, instrument: str | None = None, start: float = 0.0, end: float | None = None
) -> Measured:
    """Open interest at a window's end against its start, in lots valued at the first outside price."""
    return taken(
        tape,
        "select 100.0 * (sum(closed * value) / nullif(sum(opened * value), 0) - 1) from (select "
        "arg_min(open_interest_lots, time_ms) as opened, arg_max(open_interest_lots, time_ms) as closed, "
        "any_value(lot_coins * outside_start_ticks * tick_usd) as value "
        "from series join instruments using (instrument) "
        f"where kind != 'spot' and {only(instrument)} and {window(start, end)} group by instrument)",
    )
