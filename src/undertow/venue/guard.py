"""What must hold before a step may begin: prices on their grids, open contracts within what amounts can be.

Holds the two checks and their sentences. Holds no state and changes none, so a step that is refused here
leaves the venue as it was. Orders and deposits are checked at the door (`admission`, `extent`); this is for
what nobody sends: prices from outside, marks, and what all accounts hold together.

Units: ticks, lots, settlement units; totals in float64, which cannot wrap and is right to one part in 1e15.
Invariant: while these checks pass, no price leaves its grid and the open contracts, or the assets, of a
settlement asset are worth less than `units.AMOUNT_LIMIT` in any one account.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from undertow.errors import CapacityError
from undertow.units import AMOUNT_LIMIT
from undertow.venue.compile import Listing
from undertow.venue.limits import GRID_ROOM
from undertow.venue.records import InstrumentKind
from undertow.venue.state import MAXIMUM_SETTLEMENTS, State


def require_room_for_step(state: State, listings: Sequence[Listing], outside: NDArray[np.int64]) -> None:
    """CapacityError, naming the instrument, unless the venue can take a step at these outside prices.

    `outside` is (instruments, constituents) in ticks, 0 for no price.
    """
    count = len(listings)
    if count == 0:
        return
    highest = outside.max(axis=1)
    maximum = state.instruments["maximum_ticks"][:count]
    marks = state.markets["mark"][:count]
    held = (marks >= maximum - 1) & (highest < maximum - 1)  # at the top, and not because a price outside is
    if (highest >= maximum).any() or held.any():
        row = int(np.flatnonzero((highest >= maximum) | held)[0])
        _refuse_price(listings[row], int(max(highest[row], marks[row])), int(maximum[row]))
    _require_totals(state, listings, np.maximum(marks, highest), outside)


def _refuse_price(listing: Listing, ticks: int, maximum: int) -> None:
    price, top = listing.tick * ticks, listing.tick * (maximum - 1)
    raise CapacityError(
        f"{listing.name}: a price of {price:f} reaches the top of its grid, {top:f}, "
        f"which is about {GRID_ROOM} times its start, {listing.start:f}; list it at a higher start"
    )


def _require_totals(
    state: State, listings: Sequence[Listing], highest: NDArray[np.int64], outside: NDArray[np.int64]
) -> None:
    """Open contracts, and assets, of each settlement asset together are worth less than amounts can be."""
    count = len(listings)
    records, markets = state.instruments[:count], state.markets[:count]
    inverse = records["kind"] == int(InstrumentKind.INVERSE)
    spot = records["kind"] == int(InstrumentKind.SPOT)
    deposits = state.net_deposits[MAXIMUM_SETTLEMENTS : MAXIMUM_SETTLEMENTS + count]
    lots = np.where(spot, np.maximum(deposits, 0), markets["open_interest"]).astype(np.float64)
    prices = highest.astype(np.float64)
    if inverse.any():
        lowest = np.where(outside > 0, outside, highest[:, None]).min(axis=1)
        lowest = np.maximum(np.minimum(lowest, markets["mark"]), 1)
        prices[inverse] = 1.0 / lowest[inverse]
    worth = lots * records["unit"] * prices
    book = 2 * records["settlement"].astype(np.int64) + spot
    totals = np.bincount(book, worth)
    if (totals > AMOUNT_LIMIT).any():
        worst = int(totals.argmax())
        row = int(np.where(book == worst, worth, -1.0).argmax())
        what = "deposits of assets" if worst % 2 else "open contracts"
        share = 100 * worth[row] / totals[worst]
        raise CapacityError(
            f"{listings[row].name}: at the coming prices {what} would be worth {totals[worst]:.3g} units of "
            f"settlement asset {worst // 2} together ({share:.0f} % of it here), more than "
            f"{AMOUNT_LIMIT:.3g}; run a smaller crowd, or give the settlement asset fewer decimals"
        )
