"""Measures of collateral: what was taken from its owners, and how far below the outside.

Units: dollars of the settlement asset.
"""

from __future__ import annotations

from collections.abc import Sequence

from undertow.lab.measures.registry import Measured, among, measure, money_unit, taken, window
from undertow.tape import Tape
from undertow.venue.records import EventKind, Origin


@measure("usd")
def forced_discount_usd(
    tape: Tape, instruments: Sequence[str], start: float = 0.0, end: float | None = None
) -> Measured:
    """What assets lost their owners by force: lots times the outside price less the price they went at.

    Counts what was taken over, sold by liquidation orders or converted; not what the house sold later.
    """
    forced = f"{Origin.LIQUIDATION:d}, {Origin.CONVERSION:d}"
    return taken(
        tape,
        "select coalesce(sum(size * unit * (outside_ticks - price)::double), 0) "
        f"/ {money_unit(tape)}.0 from (select time_ms, instrument, size, price from fills "
        f"where origin in ({forced}) and {window(start, end)} union all "
        "select time_ms, instrument, size, price from events "
        f"where kind = {EventKind.TAKEOVER:d} and side > 0 and {window(start, end)}) as went "
        "join instruments using (instrument) "
        "asof join (select instrument, time_ms, outside_ticks from series) as seen "
        "on went.instrument = seen.instrument and went.time_ms >= seen.time_ms "
        f"where kind = 'spot' and {among(instruments, None)}",
    )
