"""What a crowd amounts to, as a table on a terminal.

Holds layout only; the amounts and the judgement are the case's (`undertow.case.amounts`).
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from undertow.case.amounts import CrowdAmount, in_words, shown
from undertow.views.plain_tables import add_row, plain_table, print_table
from undertow.views.text import dollars


def amounts_table(console: Console, found: Sequence[CrowdAmount]) -> None:
    """Every amount of a crowd with its share of the venue, and whether the case states it."""
    table = plain_table("What the crowd amounts to", "", "", "", left=(0, 2, 3))
    for row in found:
        amount = row.amount
        text = dollars(amount.value) if "_usd" in amount.name else shown(amount.value)
        origin = "stated; does not fit the venue" if row.odd else "stated" if amount.stated else "by size"
        add_row(table, row.key, text, in_words(row), origin)
    print_table(console, table)
