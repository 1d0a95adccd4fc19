"""Who paid: every account's result, added up by who it was, exactly.

A result is equity at the end less equity at the start, deposits and withdrawals aside. Trades, fees, funding,
fund and ADL only move money between accounts. So over all accounts of one settlement asset the results add up
to what the spot assets among their holdings gained or lost in price, which nobody was paid. Both sides are
computed from the tape, from different tables, and must agree. What an account lost beyond its own money was
not paid by it: it stands apart.

Units: the settlement asset's smallest unit, Python integers. Invariant: `Paid.difference` is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from undertow.tape import Tape
from undertow.venue.records import Cause, EventKind, Role
from undertow.views.report.crowd import group_name, plural

UNPAID = "Left unpaid by accounts below zero"

_ROLE_NAMES = {
    Role.HOUSE: "House",
    Role.FUND: "Insurance fund",
    Role.FEES: "Fee account",
    Role.CLEARING: "Clearing account",
    Role.PROVIDER: "Backstop providers",
    Role.VAULT: "Liquidator vault",
    Role.LENDING: "Lending pool",
    Role.TREASURY: "Treasury",
}
_CAUSE_NAMES = {cause: cause.name.replace("_", " ").capitalize() for cause in Cause} | {
    Cause.ADL: "Auto-deleveraging",
    Cause.INSURANCE_IN: "Paid into the insurance fund",
    Cause.INSURANCE_OUT: "Paid by the insurance fund",
    Cause.TAKEOVER: "Passed with positions taken over",
    Cause.TRADE: "Trading",
}
_KIND_NAMES = {"liquidated": "liquidated", "adl": "closed by ADL", "other": "untouched"}


@dataclass(frozen=True)
class Payer:
    """One row: who, how many accounts, what they had and what became of it.

    `kind`: liquidated, adl, other, house or unpaid. `end` is start + deposited + result.
    """

    who: str
    kind: str
    accounts: int
    start: int
    deposited: int
    end: int
    result: int


@dataclass(frozen=True)
class Paid:
    """Everybody's results in one settlement asset, and what they must add up to."""

    payers: list[Payer]
    revalued: int  # what all spot assets held gained in price

    @property
    def total(self) -> int:
        """The sum of all results."""
        return sum(payer.result for payer in self.payers)

    @property
    def difference(self) -> int:
        """By how much the books are off: zero, unless the engine is at fault."""
        return self.total - self.revalued


@dataclass(frozen=True)
class FundLine:
    """One line of the insurance fund's statement."""

    label: str
    amount: int


@dataclass(frozen=True)
class Winner:
    """One account that auto-deleveraging closed."""

    account: int
    group: str
    instruments: str
    closes: int
    notional: int
    forgone: int


@dataclass(frozen=True)
class Shortfall:
    """What accounts fell short by in one instrument, by who covered it."""

    instrument: str
    by_fund: int  # paid in money
    by_fund_taken: int  # below zero when it took the wallet over
    by_winners: int
    by_nobody: int


def who_paid_query(settlement: int) -> str:
    """SQL behind `who_paid`."""
    return f"""
select case when role != {Role.CUSTOMER:d} then 'house' when liquidated > 0 then 'liquidated'
            when adl_lots > 0 then 'adl' else 'other' end as kind,
       case when role = {Role.CUSTOMER:d} then "group" else role end as code,
       count(*) as accounts, sum(equity_start) as start, sum(deposits - withdrawals) as deposited,
       sum(equity_end) as ended, sum(least(equity_end, 0)) as below_zero
from accounts where settlement = {settlement} group by all order by all"""


def revalued_query(settlement: int) -> str:
    """SQL for what the spot assets held gained in price: their worth, less what came in and went out."""
    return (
        "select coalesce(sum(value_end - value_start - deposits + withdrawals), 0) from assets "
        f"where settlement = {settlement}"
    )


FUND_QUERY = f"""
with fund as (select account from accounts where role = {Role.FUND:d} and settlement = 0),
moves as (
    select cause, amount from postings where target in (from fund) and source not in (from fund)
    union all
    select cause, -amount from postings where source in (from fund) and target not in (from fund))
select cause, sum(amount) from moves where cause not in ({Cause.DEPOSIT:d}, {Cause.WITHDRAWAL:d})
group by all order by all"""

CAUSES_QUERY = """
select cause, sum(amount) as amount from causes where settlement = 0 group by all order by all"""

WINNERS_QUERY = f"""
select e.account, any_value(a."group") as code, string_agg(distinct i.name, ', ' order by i.name) as coins,
       count(*) as closes, sum(e.amount) as forgone,
       sum(case when i.kind = 'inverse' then e.size * i.unit * i.tick_usd
           else abs(e.price) * e.size * i.unit end)::hugeint as notional
from events e join instruments i using (instrument) left join accounts a on a.account = e.account
where e.kind = {EventKind.ADL_CLOSE:d} group by 1 order by notional desc, 1"""

BOTH_QUERY = f"""
select count(*) from accounts where role = {Role.CUSTOMER:d} and adl_lots > 0 and liquidated > 0"""

SHORTFALLS_QUERY = f"""
select coalesce(i.name, 'the whole account') as name,
       coalesce(sum(amount) filter (e.kind = {EventKind.FUND_OUT:d} and e.detail = 0), 0) as by_fund,
       coalesce(sum(amount) filter (e.kind = {EventKind.FUND_OUT:d} and e.detail = 1), 0) as by_fund_taken,
       coalesce(sum(amount) filter (
           e.kind in ({EventKind.SOCIALISED_LOSS:d}, {EventKind.CLAWBACK:d})), 0) as by_winners,
       coalesce(sum(amount) filter (e.kind = {EventKind.BAD_DEBT:d}), 0) as by_nobody
from events e left join instruments i using (instrument)
where e.kind in ({EventKind.FUND_OUT:d}, {EventKind.SOCIALISED_LOSS:d}, {EventKind.CLAWBACK:d},
                 {EventKind.BAD_DEBT:d})
group by 1 order by by_fund + by_fund_taken + by_winners + by_nobody desc, 1"""


def settlements(tape: Tape) -> list[int]:
    """Settlement assets that accounts use, the main one first."""
    return [int(row[0]) for row in tape.rows("select distinct settlement from accounts order by 1")]


def who_paid(tape: Tape, settlement: int = 0) -> Paid:
    """Everyone's results by who they were, largest loss first."""
    groups = tape.record.get("groups", [])
    rows = []
    unpaid = 0
    for kind, code, accounts, *amounts in tape.rows(who_paid_query(settlement)):
        start, deposited, ended, below_zero = (int(amount) for amount in amounts)
        below = below_zero if kind != "house" else 0
        unpaid += below
        end = ended - below
        if not (start or deposited or end or kind != "house"):
            continue  # a house account that never held anything
        rows.append(
            Payer(
                who=_name(kind, int(code), groups),
                kind=kind,
                accounts=int(accounts),
                start=start,
                deposited=deposited,
                end=end,
                result=end - start - deposited,
            )
        )
    if unpaid:
        rows.append(Payer(UNPAID, "unpaid", 0, 0, 0, unpaid, unpaid))
    rows.sort(key=lambda row: (row.result, row.who))
    return Paid(rows, int(tape.value(revalued_query(settlement))))


def fund_statement(tape: Tape) -> list[FundLine]:
    """The insurance fund from its first equity to its last; the lines between add up to the change."""
    opened, closed, moved, accounts = tape.rows(
        "select coalesce(sum(equity_start), 0), coalesce(sum(equity_end), 0), "
        "coalesce(sum(deposits - withdrawals), 0), count(*) from accounts "
        f"where role = {Role.FUND:d} and settlement = 0"
    )[0]
    if not accounts:
        return []
    lines = [FundLine("Equity at the start", int(opened))]
    for cause, amount in tape.rows(FUND_QUERY):
        if amount:
            lines.append(FundLine(cause_name(int(cause)), int(amount)))
    if moved:
        lines.append(FundLine("Deposits less withdrawals", int(moved)))
    rest = int(closed) - sum(line.amount for line in lines)
    if rest:
        lines.append(FundLine("Result of positions it held", rest))
    return [*lines, FundLine("Equity at the end", int(closed))]


def moved_by_cause(tape: Tape) -> list[tuple[str, int]]:
    """How much money moved for each cause, largest first."""
    rows = [(cause_name(int(cause)), int(amount)) for cause, amount in tape.rows(CAUSES_QUERY) if amount]
    return sorted(rows, key=lambda row: -abs(row[1]))


def winners(tape: Tape) -> list[Winner]:
    """Accounts closed by auto-deleveraging, largest notional first."""
    groups = tape.record.get("groups", [])
    return [
        Winner(
            int(account),
            group_name(int(code or 0), groups),
            str(coins),
            int(closes),
            int(notional),
            int(forgone),
        )
        for account, code, coins, closes, forgone, notional in tape.rows(WINNERS_QUERY)
    ]


def shortfalls(tape: Tape) -> list[Shortfall]:
    """Shortfalls by instrument, largest first."""
    return [
        Shortfall(str(row[0]), *(int(amount) for amount in row[1:])) for row in tape.rows(SHORTFALLS_QUERY)
    ]


def cause_name(code: int) -> str:
    """A posting's cause in words."""
    return _CAUSE_NAMES[Cause(code)]


def role_name(role: int) -> str:
    """A house account's role in words."""
    return _ROLE_NAMES.get(Role(role), Role(role).name.capitalize())


def _name(kind: str, code: int, groups: Sequence[str]) -> str:
    if kind == "house":
        return role_name(code)
    return f"{plural(group_name(code, groups))}, {_KIND_NAMES[kind]}".capitalize().replace(" adl", " ADL")
