"""Measures of the waterfall: who was liquidated, what each stage dealt with, who paid.

Money is in dollars of the settlement asset. "Liquidated dollars" can mean four things, each with its own
measure: filled orders, takeovers, ADL, and (accounts) who was liquidated at all. Events of an instrument
are chosen by its name.
"""

from __future__ import annotations

from undertow.lab.measures.registry import MINUTE, Measured, choose, measure, money_unit, only, taken, window
from undertow.tape import Tape
from undertow.tape.schema import Stage
from undertow.venue.records import EventKind, Role

STAGES = {
    "orders": Stage.ORDERS,
    "takeover": Stage.TAKEOVER,
    "adl": Stage.ADL,
    "disposal": Stage.DISPOSAL,
}
_ROLES = {role.name.lower(): role for role in Role}
_HOUSE_EQUITY = (
    "(select time_ms, sum(equity) as equity from house where role = {role:d} and settlement = 0 group by 1)"
)


@measure("count")
def liquidated_accounts(tape: Tape, instrument: str | None = None, group: str | None = None) -> Measured:
    """Accounts that were put under liquidation at least once; `group` is a kind of account."""
    of_group = _of_group(tape, group)
    if instrument is None:
        return taken(tape, f"select count(*) from accounts where liquidated > 0 and {of_group}")
    among = "" if group is None else f" and account in (select account from accounts where {of_group})"
    return taken(
        tape,
        "select count(distinct account) from events join instruments using (instrument) "
        f"where events.kind = {EventKind.LIQUIDATION_ORDER:d} and {only(instrument)}{among}",
    )


@measure("count")
def liquidated_people(tape: Tape, group: str | None = None) -> Measured:
    """People whom accounts stand for that were put under liquidation at least once."""
    return taken(
        tape,
        f"select coalesce(sum(people), 0) from accounts where liquidated > 0 and {_of_group(tape, group)}",
    )


def _of_group(tape: Tape, group: str | None) -> str:
    """SQL for accounts of one kind, or of all; a run that names no kinds has none of it."""
    if group is None:
        return "true"
    codes = {str(name): code for code, name in enumerate(tape.record.get("groups", []))}
    return f'"group" = {choose(group, codes, "group") if codes else -1}'


@measure("usd")
def stage_notional_usd(
    tape: Tape, stage: str, instrument: str | None = None, start: float = 0.0, end: float | None = None
) -> Measured:
    """Notional one stage of the waterfall dealt with: orders, takeover, adl or disposal."""
    code = choose(stage, STAGES, "stage")
    unit = money_unit(tape)
    return taken(
        tape,
        f"select coalesce(sum(case when kind = 'inverse' then lots * unit * tick_usd / {unit}.0 "
        f"else notional / {unit}.0 end), 0) from waterfall join instruments using (instrument) "
        f"where stage = {code:d} and {only(instrument)} and {window(start, end)}",
    )


def _liquidations(instrument: str | None, start: float, end: float | None) -> str:
    """SQL for liquidated contracts: what orders filled (side: the taker's) and what was taken over."""
    return (
        f"select time_ms, notional, case when stage = {Stage.ORDERS:d} then -side else side end as held "
        "from waterfall join instruments using (instrument) "
        f"where kind != 'spot' and stage in ({Stage.ORDERS:d}, {Stage.TAKEOVER:d}) "
        f"and {only(instrument)} and {window(start, end)}"
    )


@measure("percent")
def long_liquidation_percent(
    tape: Tape, instrument: str | None = None, start: float = 0.0, end: float | None = None
) -> Measured:
    """The share of longs in liquidated contracts: orders filled and positions taken over, by notional."""
    found = _liquidations(instrument, start, end)
    return taken(
        tape,
        "select 100.0 * coalesce(sum(notional) filter (where held > 0), 0) / nullif(sum(notional), 0) "
        f"from ({found})",
    )


@measure("percent")
def liquidated_before_percent(
    tape: Tape, at: float, instrument: str | None = None, start: float = 0.0, end: float | None = None
) -> Measured:
    """The share of a window's liquidated contracts, by notional, that came before a moment."""
    found = _liquidations(instrument, start, end)
    return taken(
        tape,
        f"select 100.0 * coalesce(sum(notional) filter (where time_ms < {round(at * 1000)}), 0) "
        f"/ nullif(sum(notional), 0) from ({found})",
    )


@measure("usd")
def liquidation_notional_usd(
    tape: Tape, instrument: str | None = None, start: float = 0.0, end: float | None = None
) -> Measured:
    """Liquidation orders filled in the book."""
    return stage_notional_usd(tape, "orders", instrument, start, end)


@measure("usd")
def takeover_notional_usd(
    tape: Tape, instrument: str | None = None, start: float = 0.0, end: float | None = None
) -> Measured:
    """Positions taken over by a provider, the vault or the fund, at their takeover price."""
    return stage_notional_usd(tape, "takeover", instrument, start, end)


@measure("usd")
def adl_notional_usd(
    tape: Tape, instrument: str | None = None, start: float = 0.0, end: float | None = None
) -> Measured:
    """Positions of winners closed by auto-deleveraging, at the closing price."""
    return stage_notional_usd(tape, "adl", instrument, start, end)


@measure("count")
def adl_accounts(tape: Tape, instrument: str | None = None) -> Measured:
    """Accounts of winners that auto-deleveraging closed, wholly or in part."""
    return taken(
        tape,
        "select count(distinct account) from events join instruments using (instrument) "
        f"where events.kind = {EventKind.ADL_CLOSE:d} and {only(instrument)}",
    )


@measure("usd")
def adl_forgone_usd(tape: Tape, start: float = 0.0, end: float | None = None) -> Measured:
    """Profit against the mark that winners gave up when they were closed."""
    return _event_amount(tape, (EventKind.ADL_CLOSE,), start, end)


@measure("usd")
def fund_paid_usd(tape: Tape, start: float = 0.0, end: float | None = None) -> Measured:
    """Shortfalls the insurance fund paid."""
    return _event_amount(tape, (EventKind.FUND_OUT,), start, end)


@measure("usd")
def bad_debt_usd(tape: Tape, start: float = 0.0, end: float | None = None) -> Measured:
    """Shortfalls nobody paid."""
    return _event_amount(tape, (EventKind.BAD_DEBT,), start, end)


@measure("usd")
def socialised_usd(tape: Tape, start: float = 0.0, end: float | None = None) -> Measured:
    """Losses spread over customers: socialised or clawed back."""
    return _event_amount(tape, (EventKind.SOCIALISED_LOSS, EventKind.CLAWBACK), start, end)


def _event_amount(tape: Tape, kinds: tuple[EventKind, ...], start: float, end: float | None) -> Measured:
    codes = ", ".join(f"{kind:d}" for kind in kinds)
    query = (
        f"select coalesce(sum(amount), 0) / {money_unit(tape)}.0 from events "
        f"where kind in ({codes}) and {window(start, end)}"
    )
    return taken(tape, query)


@measure("usd")
def fund_draw_usd(tape: Tape, start: float = 0.0, end: float | None = None) -> Measured:
    """The insurance fund's equity at a window's start less its lowest equity in it."""
    equity = _HOUSE_EQUITY.format(role=Role.FUND)
    return taken(
        tape,
        f"select (arg_min(equity, time_ms) - min(equity)) / {money_unit(tape)}.0 from {equity} "
        f"where {window(start, end)}",
    )


@measure("usd")
def fund_change_usd(tape: Tape) -> Measured:
    """The insurance fund's equity at the end less at the start; negative when it paid."""
    return role_result_usd(tape, "fund")


@measure("usd")
def role_result_usd(tape: Tape, role: str) -> Measured:
    """What accounts of one role (fund, vault, fees, customer, ...) won, deposits and withdrawals aside."""
    code = choose(role, _ROLES, "role")
    return taken(
        tape,
        f"select sum(equity_end - equity_start - deposits + withdrawals) / {money_unit(tape)}.0 "
        f"from accounts where role = {code:d} and settlement = 0",
    )


@measure("usd")
def liquidated_loss_usd(tape: Tape) -> Measured:
    """What accounts that were liquidated lost, as a positive number."""
    return taken(
        tape,
        "select -coalesce(sum(equity_end - equity_start - deposits + withdrawals), 0) "
        f"/ {money_unit(tape)}.0 from accounts "
        f"where role = {Role.CUSTOMER:d} and liquidated > 0 and settlement = 0",
    )


@measure("count")
def negative_accounts(tape: Tape) -> Measured:
    """Customers' accounts that ended below zero."""
    return taken(tape, f"select count(*) from accounts where role = {Role.CUSTOMER:d} and equity_end < 0")


@measure("time")
def time_of_peak_liquidation(tape: Tape, stage: str = "orders", instrument: str | None = None) -> Measured:
    """Start of the clock minute in which a stage dealt with most notional."""
    code = choose(stage, STAGES, "stage")
    return taken(
        tape,
        f"select {MINUTE} * 60.0 from waterfall join instruments using (instrument) "
        f"where stage = {code:d} and {only(instrument)} group by 1 order by sum(notional) desc, 1 limit 1",
    )


@measure("duration")
def withdrawals_closed_seconds(tape: Tape) -> Measured:
    """How long withdrawals were closed, until the end of the tape where they were not opened again."""
    return taken(
        tape,
        "select coalesce(sum(until - time_ms), 0) / 1000.0 from (select kind, time_ms, "
        "coalesce(lead(time_ms) over (order by sequence), (select max(time_ms) from series)) as until "
        f"from events where kind in ({EventKind.WITHDRAWALS_CLOSED:d}, {EventKind.WITHDRAWALS_OPEN:d})) "
        f"where kind = {EventKind.WITHDRAWALS_CLOSED:d}",
    )


@measure("count")
def rejected_commands(tape: Tape, start: float = 0.0, end: float | None = None) -> Measured:
    """Commands the venue refused."""
    return taken(
        tape, f"select count(*) from events where kind = {EventKind.REJECTION:d} and {window(start, end)}"
    )
