"""Measures of how a waterfall ran: when each stage was reached, how fast it passed, whom it touched.

A stage (orders, takeover, adl, disposal) is reached when a given share of a window's notional has gone
through it: the first close of all may be anybody's. People are those whom accounts stand for. Units:
seconds, per cent, dollars.
"""

from __future__ import annotations

from undertow.lab.measures.losses import STAGES
from undertow.lab.measures.registry import Measured, choose, measure, money_unit, only, taken, window
from undertow.tape import Tape
from undertow.venue.records import EventKind

_PAID = (EventKind.FUND_OUT, EventKind.BAD_DEBT)
_SHORT = (*_PAID, EventKind.SOCIALISED_LOSS, EventKind.CLAWBACK)


def _running(stage: str, start: float, end: float | None) -> str:
    """SQL for a stage's moments in a window: seconds, notional, and the share dealt with until then."""
    code = choose(stage, STAGES, "stage")
    return (
        "select time_ms / 1000.0 as at_s, usd, sum(usd) over (order by time_ms) / sum(usd) over () as done "
        "from (select time_ms, sum(case when kind = 'inverse' then lots * unit * tick_usd "
        "else notional end) as usd from waterfall join instruments using (instrument) "
        f"where stage = {code:d} and {window(start, end)} group by 1)"
    )


def _reached(stage: str, percent: float, start: float, end: float | None) -> str:
    share = f"{float(percent)!r} / 100 - 1e-12"
    return f"(select min(at_s) from ({_running(stage, start, end)}) where done >= {share})"


@measure("time")
def stage_reached(
    tape: Tape, stage: str, percent: float = 0.0, start: float = 0.0, end: float | None = None
) -> Measured:
    """When a stage had dealt with `percent` of its notional in a window; 0: its first moment."""
    return taken(tape, f"select {_reached(stage, percent, start, end)}")


@measure("duration")
def stage_delay_seconds(
    tape: Tape, stage: str, after: str, percent: float = 0.0, start: float = 0.0, end: float | None = None
) -> Measured:
    """`stage_reached`, from the first moment of the stage `after` in the same window."""
    first, then = _reached(after, 0.0, start, end), _reached(stage, percent, start, end)
    return taken(tape, f"select {then} - {first}")


@measure("percent")
def stage_within_percent(
    tape: Tape,
    stage: str,
    seconds: float,
    percent: float = 0.0,
    start: float = 0.0,
    end: float | None = None,
) -> Measured:
    """The share of a stage's notional in a window dealt with at most `seconds` after `stage_reached`."""
    last = f"{_reached(stage, percent, start, end)} + {float(seconds)!r}"
    return taken(
        tape,
        f"select 100.0 * coalesce(sum(usd) filter (where at_s <= {last}), 0) / nullif(sum(usd), 0) "
        f"from ({_running(stage, start, end)})",
    )


@measure("usd")
def adl_mean_price(tape: Tape, instrument: str, start: float = 0.0, end: float | None = None) -> Measured:
    """The mean price at which winners were closed, by size."""
    return taken(
        tape,
        "select sum(price::hugeint * size)::double / sum(size) * any_value(tick_usd) "
        "from events join instruments using (instrument) "
        f"where events.kind = {EventKind.ADL_CLOSE:d} and {only(instrument)} and {window(start, end)}",
    )


@measure("count")
def adl_people(tape: Tape, start: float = 0.0, end: float | None = None) -> Measured:
    """People whose positions auto-deleveraging closed, wholly or in part."""
    return _people(tape, (EventKind.ADL_CLOSE,), start, end)


@measure("count")
def emptied_people(tape: Tape, start: float = 0.0, end: float | None = None) -> Measured:
    """People who were left with nothing: taken over, or below zero when their last contract was closed."""
    return _people(tape, (EventKind.TAKEOVER, *_PAID), start, end)


@measure("count")
def shortfall_people(tape: Tape, start: float = 0.0, end: float | None = None) -> Measured:
    """People whose accounts were below zero when their last contract was closed or taken."""
    return _people(tape, _PAID, start, end)


@measure("usd")
def shortfall_usd(tape: Tape, start: float = 0.0, end: float | None = None) -> Measured:
    """What accounts were below zero by then, whoever paid it: fund or vault, winners, nobody."""
    codes = ", ".join(f"{kind:d}" for kind in _SHORT)
    return taken(
        tape,
        f"select coalesce(sum(amount), 0) / {money_unit(tape)}.0 from events "
        f"where kind in ({codes}) and {window(start, end)}",
    )


def _people(tape: Tape, kinds: tuple[EventKind, ...], start: float, end: float | None) -> Measured:
    codes = ", ".join(f"{kind:d}" for kind in kinds)
    return taken(
        tape,
        "select coalesce(sum(people), 0) from accounts where account in "
        f"(select account from events where kind in ({codes}) and {window(start, end)})",
    )
