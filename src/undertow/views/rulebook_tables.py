"""A rulebook on a terminal: its tables in words, where each is from, and what of it is a guess.

Holds layout only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from undertow.rulebook.model import Rulebook
from undertow.views.plain_tables import add_row, plain_table, print_table
from undertow.views.text import label, sections

HEAD = ("name", "title", "summary", "sources", "overridden")


def rulebook_in_words(console: Console, rulebook: Rulebook) -> None:
    """Title and summary, every table with its sources, and the list of sources."""
    console.print(f"[bold]{escape(rulebook.title)}[/bold]  ({escape(rulebook.name)})", highlight=False)
    console.print(f"{escape(rulebook.summary.strip())}\n", highlight=False)
    content = rulebook.model_dump(mode="json", exclude_unset=True)
    tables = {label(key): value for key, value in content.items() if isinstance(value, Mapping)}
    for section in sections(content, skip=HEAD):
        table = plain_table(section.title.capitalize(), "", left=(0, 1))
        for key, text in section.rows:
            add_row(table, key, text)
        print_table(console, table)
        if note := _origin(tables.get(section.title, {})):
            console.print(note, highlight=False, soft_wrap=True, markup=False)
        console.print()
    table = plain_table("Source", "Standing", "Title", left=(0, 1, 2))
    for name, source in rulebook.sources.items():
        add_row(table, name, source.standing, source.title)
    print_table(console, table)
    if rulebook.overridden:
        console.print(f"changed: {', '.join(rulebook.overridden)}", highlight=False, markup=False)


def _origin(table: Mapping[str, Any]) -> str:
    """Which sources a table cites, and which of its figures are inferred."""
    source = table.get("source")
    if source is None:
        return ""
    names = source if isinstance(source, str) else ", ".join(source)
    inferred = table.get("inferred")
    guessed = f"; inferred: {', '.join(inferred)}" if inferred else ""
    return f"source: {names}{guessed}"
