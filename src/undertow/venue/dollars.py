"""Dollar figures of a rulebook in a wallet's own units.

Holds the one conversion, at the door (`money`, exact decimals) and inside kernels (`in_units`, for rules that
hold for wallets of several settlement assets). Holds no figure.

Units: a rulebook's `*_usd` figures count whole units of the wallet's settlement asset (dollars where it is a
dollar, coins where it is a coin), in rules of several assets as millionths of one; settlement units have as
many places as the asset has decimals. Rounding: down. Invariant: a figure is worth the same in wallets of any
number of decimals, to the smallest unit.
"""

from __future__ import annotations

from decimal import Decimal

from undertow._jit import kernel
from undertow.units import AMOUNT_LIMIT, mul_ppm_floor
from undertow.venue.state import State


def money(value: Decimal, decimals: int = 6) -> int:
    """A figure in the smallest units of an asset with so many decimals; millionths unless told."""
    return int(value.scaleb(decimals))


@kernel
def in_units(state: State, settlement: int, millionths: int) -> int:
    """A figure in millionths of a whole unit as settlement units, at most AMOUNT_LIMIT."""
    scale = state.unit_scale[settlement]
    if scale > 1_000_000 and millionths // 1_000_000 >= AMOUNT_LIMIT // scale:
        return AMOUNT_LIMIT
    return mul_ppm_floor(millionths, scale)
