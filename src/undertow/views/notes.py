"""Notes on a run that a reader must know before its numbers: what is not the crash's doing, what is one draw.

Holds the sentences only; what they count is in run.json and in the ensemble beside the run.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertow.lab.drawn import Drawn
from undertow.lab.standing import Standing
from undertow.units import MICROS
from undertow.views.text import MISSING, dollars, figures, in_unit, span

HANDFUL = 5  # accounts; so few move no number


def start_note(record: Mapping[str, Any]) -> str:
    """Who was below maintenance margin before the first step, in one line; empty where it is a handful."""
    found = record.get("below_at_start") or {}
    if found.get("accounts", 0) <= HANDFUL:
        return ""
    groups = ", ".join(
        f"{name} {row['accounts']:,} ({row['people']:,} people)"
        for name, row in found.get("groups", {}).items()
    )
    settled = (record.get("settlement") or {}).get("name", "USD")
    stake = [
        f"{_money(found[key] / MICROS, settled)} {word}"
        for key, word in (("contracts_micros", "in contracts"), ("owed_micros", "owed"))
        if found[key]
    ]
    assets = found.get("not_taken") or []
    why = f"; it does not take as collateral: {', '.join(assets)}" if assets else ""
    return (
        f"{found['accounts']:,} accounts are below maintenance margin before the first step, with "
        f"{' and '.join(stake)}: {groups}. They fall by rulebook {record.get('rulebook', '')}, not by the "
        f"crash{why}"
    )


def draw_note(record: Mapping[str, Any], standing: Standing | None, folder: Path) -> str:
    """That a run in a folder is one draw of many, and where the others are or how to have them."""
    said = (
        f"One draw of many: another seed than {record.get('seed', 1)} draws another crowd, and other numbers."
    )
    if standing is not None:
        return f"{said} {standing.draws} draws of the same case are in {standing.folder.name}."
    command = draws_command(record, folder)
    return f"{said} How far they lie apart: {command}" if command else said


def draws_command(record: Mapping[str, Any], folder: Path = Path()) -> str:
    """The command that plays a run's case at eight seeds; a case that does not ship is the run's own copy.

    The copy is named by `folder`, where the run is seen from: without one, from its own folder.

    Empty for a venue beside another: draws are of one venue.
    """
    if record.get("beside_of"):
        return ""
    given, settings = record.get("given"), record.get("settings") or {}
    words = ["undertow", "score", str(given or folder / "case.toml"), "--draws", "8"]
    if str(record.get("data", "facts")) not in ("facts", ""):
        words += ["--data", "DIR"]
    if given:
        words += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return shlex.join(words)


def reach_text(drawn: Drawn) -> str:
    """From where to where an outcome reaches over draws."""
    if drawn.least is None or drawn.largest is None:
        return MISSING
    least, largest = (in_unit(value, drawn.unit) for value in (drawn.least, drawn.largest))
    return least if least == largest else span(least, largest)


def draws_text(drawn: Drawn) -> str:
    """An outcome over draws in one line: how many, from where to where, and their mean."""
    if drawn.mean is None:
        return ""
    count = len(drawn.known)
    if drawn.least == drawn.largest:
        return f"the same in {count} draws"
    return f"{count} draws: {reach_text(drawn)}, mean {in_unit(drawn.mean, drawn.unit)}"


def _money(amount: float, settled: str) -> str:
    """An amount of the asset that the venue settles in."""
    return dollars(amount) if settled.startswith("USD") else f"{figures(amount)} {settled}"
