"""Why winners were closed: the fund could not have paid, or it may hold no more.

Holds the query and its answer. Only a fund that takes positions over has two reasons; the tape says which
accounts it could not carry, so the other closes were the limit's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from undertow.lab.measures.registry import money_unit
from undertow.tape import Tape
from undertow.venue.records import EventKind
from undertow.views.report.words import holding_limit_ppm
from undertow.views.text import dollars, value_text

# An account that the fund cannot carry is said to be so in the second in which winners are closed for it.
REASONS_QUERY = f"""
with spent as (select distinct time_ms, account from events where kind = {EventKind.FUND_EXHAUSTED:d})
select s.account is not null as fund_spent,
       sum(case when i.kind = 'inverse' then e.size * i.unit * i.tick_usd
           else abs(e.price) * e.size * i.unit end)::double as notional
from events e join instruments i using (instrument)
left join spent s on s.time_ms = e.time_ms and s.account = e.counterparty
where e.kind = {EventKind.ADL_CLOSE:d} group by 1 order by 1"""


@dataclass(frozen=True)
class Reasons:
    """What was closed against winners for each reason, dollars; `limit_ppm` is of the fund's equity."""

    limit_ppm: int
    by_limit: float
    by_equity: float

    @property
    def in_words(self) -> str:
        """Both reasons, with what each came to."""
        rule = f"The fund may hold positions of up to {self._limit} of its own equity"
        if not self.by_equity:
            return f"{rule}: that limit was the reason each time, never that it could not have paid."
        if not self.by_limit:
            return f"{rule}: that limit was never the reason, but that it could not have paid."
        return (
            f"{rule}: for {dollars(self.by_limit)} that limit was the reason, for {dollars(self.by_equity)} "
            "that it could not have paid."
        )

    @property
    def clause(self) -> str:
        """The chief reason, to end a sentence with."""
        chiefly = "" if not self.by_limit or not self.by_equity else "chiefly "
        if self.by_limit >= self.by_equity:
            return (
                f"{chiefly}because the fund may not hold more than {self._limit} of its equity in positions"
            )
        return f"{chiefly}because the fund could not have paid"

    @property
    def _limit(self) -> str:
        return value_text("limit_ppm", self.limit_ppm)


def reasons_of(tape: Tape, rulebook: Mapping[str, Any]) -> Reasons | None:
    """Why winners were closed; None where nobody was, or where there can be but one reason."""
    limit = holding_limit_ppm(rulebook)
    if not limit:
        return None
    found = {bool(spent): float(amount) / money_unit(tape) for spent, amount in tape.rows(REASONS_QUERY)}
    if not found:
        return None
    return Reasons(limit, found.get(False, 0.0), found.get(True, 0.0))
