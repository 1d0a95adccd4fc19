"""Notes on a run that a reader must know before its numbers: what is not the crash's doing.

Holds the sentences only; what they count is in run.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undertow.units import MICROS
from undertow.views.text import dollars, figures

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


def _money(amount: float, settled: str) -> str:
    """An amount of the asset that the venue settles in."""
    return dollars(amount) if settled.startswith("USD") else f"{figures(amount)} {settled}"
