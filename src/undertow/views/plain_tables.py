"""A plain table on a terminal, and the list of cases, which must be there at once.

Holds layout only, and imports nothing that is slow to load.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, JustifyMethod
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from undertow.case.shipped import Heading

NARROWEST = 120  # columns of a table that is read in a file or a pipe
WIDEST = 200


def case_list(console: Console, cases: Sequence[Heading]) -> None:
    """The cases that ship, by name."""
    table = plain_table("Case", "Title", "Rulebook", "Facts", left=(0, 1, 2))
    for case in cases:
        add_row(table, case.name, case.title, case.rulebook, str(case.facts))
    print_table(console, table)


def print_table(console: Console, table: Table) -> None:
    """A table; where no terminal sets the width, as wide as it needs, up to a limit."""
    if not console.is_terminal:
        console.width = WIDEST
        console.width = max(NARROWEST, Measurement.get(console, console.options, table).maximum)
    console.print(table)
    if not console.is_terminal:
        console.width = NARROWEST


def add_row(table: Table, *cells: str | Text) -> None:
    """A row whose texts are shown as they are: square brackets in a file are no markup."""
    table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def plain_table(*headings: str, left: Sequence[int] = (0,)) -> Table:
    """A plain table; columns named in `left` are texts, the others numbers.

    The first column holds a name or key, which stays in one piece, so that it can be copied.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(headings))
    for place, heading in enumerate(headings):
        justify: JustifyMethod = "left" if place in left else "right"
        table.add_column(Text(heading), justify=justify, overflow="fold", no_wrap=place == 0)
    return table
