"""Worked numbers of the shared vector file: kept beside the tests that use them, and compared with it.

Holds venues in which nothing moves but what the number is about, and the two ways a stated rounding may go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

from undertow.rulebook.load import load_rulebook, with_overrides
from undertow.venue.facade import Venue

FILE = "spec/mechanism_vectors.json"

# No fee, no band, a mark that is the index, and liquidation in one go: only the rule under test is left.
PLAIN: dict[str, Any] = {
    "fees.taker_ppm": 0,
    "fees.maker_ppm": 0,
    "fees.liquidation_ppm": 0,
    "orders.price_band_ppm": 0,
    "orders.market_band_ppm": 0,
    "orders.min_notional_usd": 0,
    "mark.method": "oracle",
    "mark.update_seconds": 1,
    "index.outlier_ppm": 0,
    "index.minimum_constituents": 1,
}
AT_ONCE: dict[str, Any] = {
    "liquidation.pacing": "one-shot",
    "liquidation.slicing": "whole-position",
    "liquidation.fill": "partial",
    "liquidation.limit": "bankruptcy",
}


def plain_venue(
    preset: str, changes: Mapping[str, Any] | None = None, *, paced: bool = False, **options: Any
) -> Venue:
    """A venue under a preset without fees, bands, mark formula and (unless `paced`) pacing; and `changes`."""
    rulebook = load_rulebook(preset)
    wanted = dict(PLAIN) if paced else {**PLAIN, **AT_ONCE}
    if not paced and rulebook.backstop.kind not in ("none", "fund"):
        wanted["backstop.kind"] = "none"
    for table in ("fees", "orders"):
        wanted |= {
            f"{table}.classes.{name}.{key}": 0
            for name, own in getattr(rulebook, table).classes.items()
            for key in sorted(own.model_fields_set - {"source", "inferred"})
        }
    if rulebook.index.clamp.kind != "none":
        wanted["index.clamp.kind"] = "none"
    return Venue(with_overrides(rulebook, {**wanted, **(changes or {})}), **options)


def trade(venue: Venue, instrument: str, buyer: int, seller: int, size: str, price: str) -> None:
    """One trade between two accounts at a price."""
    asked = venue.place(seller, instrument, side="sell", size=size, price=price)
    assert asked.accepted, asked
    taken = venue.place(buyer, instrument, side="buy", size=size, price=price)
    assert taken.accepted and taken.filled == Decimal(size), taken


def funded(venue: Venue, amount: str, **how: Any) -> int:
    """A new account with cash."""
    account = venue.open_account(**how)
    assert venue.deposit(account, venue.account(account).settlement, amount).accepted
    return account


def down(value: float, step: str) -> Decimal:
    """The published number, rounded down to a multiple of `step`."""
    return (Decimal(repr(value)) / Decimal(step)).to_integral_value(ROUND_FLOOR) * Decimal(step)


def up(value: float, step: str) -> Decimal:
    """The published number, rounded up to a multiple of `step`."""
    return (Decimal(repr(value)) / Decimal(step)).to_integral_value(ROUND_CEILING) * Decimal(step)


def assert_as_published(shared: Path, numbers: Mapping[str, Mapping[str, Any]]) -> None:
    """Every number of a test module is that of the shared file, under the same id and key."""
    rows = {row["id"]: row["expected"] for row in json.loads((shared / FILE).read_text())}
    found = {name: {key: rows[name][key] for key in expected} for name, expected in numbers.items()}
    assert found == {name: dict(expected) for name, expected in numbers.items()}
