"""Who was liquidated, by kind of account: each kind counted against itself, traders in people too.

Holds the query, its rows and the sentence made of them. Accounts of customers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from undertow.tape import Tape
from undertow.venue.records import Role
from undertow.views.text import figures

TRADER = "trader"
_PLURALS = {
    "arbitrage": "arbitrage firms",
    "noise": "noise traders",
    "patient": "patient bidders",
    "redemption": "redeeming firms",
}

STRUCK_QUERY = f"""
select "group", count(*) as accounts, count(*) filter (liquidated > 0) as liquidated,
       coalesce(sum(people) filter (liquidated > 0), 0) as people
from accounts where role = {Role.CUSTOMER:d} group by 1 order by 1"""


@dataclass(frozen=True)
class Struck:
    """One kind of account; `people` are those whom its liquidated accounts stand for."""

    group: str
    accounts: int
    liquidated: int
    people: int

    @property
    def count(self) -> str:
        """How many of how many."""
        return f"{self.liquidated:,} of {self.accounts:,}"

    @property
    def stands_for(self) -> str:
        """The people in words, empty where every account is its own."""
        if self.people <= self.liquidated:
            return ""
        return f"{figures(self.people)} people"


def struck(tape: Tape) -> list[Struck]:
    """Kinds of account of which some were liquidated, and traders in any case; traders first."""
    groups = tape.record.get("groups", [])
    rows = [
        Struck(group_name(int(code), groups), int(accounts), int(liquidated), int(people))
        for code, accounts, liquidated, people in tape.rows(STRUCK_QUERY)
    ]
    kept = [row for row in rows if row.liquidated or row.group == TRADER]
    return sorted(kept, key=lambda row: (row.group != TRADER, -row.liquidated, row.group))


def in_words(rows: Sequence[Struck]) -> str:
    """Who was liquidated, as the subject of a sentence; empty if nobody was."""
    parts = []
    for row in rows:
        if row.liquidated:
            people = f" (standing for {row.stands_for})" if row.stands_for else ""
            parts.append(f"{row.count} accounts of {plural(row.group)}{people}")
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def plural(group: str) -> str:
    """Several of one kind of account."""
    return _PLURALS.get(group, f"{group}s")


def group_name(code: int, groups: Sequence[str]) -> str:
    """The kind of account that a code of the tape names."""
    return str(groups[code]) if 0 <= code < len(groups) else "customer"
