"""Figures that together are too large for the venue's integers: refused when a case is made ready or runs.

Holds the guard around array arithmetic, and the check of what a venue is given before its first step. The
bound of each single figure is its model's (`rulebook.limits`).

Units: settlement units. Invariant: no amount that is larger than the venue counts becomes another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numba
import numpy as np

from undertow.errors import CaseError
from undertow.units import AMOUNT_LIMIT, MICROS
from undertow.venue.inject import Holders, place_population
from undertow.venue.state import State


@contextmanager
def countable(name: str) -> Iterator[None]:
    """CaseError where a figure in the lab's or the crowd's arrays is none, or fits no integer."""
    try:
        # Kernels run as plain Python wrap on purpose, and NumPy would call that an overflow.
        over: Literal["raise", "warn"] = "warn" if numba.config.DISABLE_JIT else "raise"
        with np.errstate(over=over, invalid="raise", divide="raise"):
            yield
    except (FloatingPointError, OverflowError):
        raise CaseError(
            f"{name}: its figures together cannot be counted; give plainer amounts, exponents and spreads"
        ) from None


def endow(state: State, first: int, holders: Holders) -> None:
    """`place_population`, once the money it brings fits beside what the venue has. CaseError if not."""
    settlement = int(state.accounts[first]["settlement"]) if len(holders.cash) else 0
    brought = abs(int(state.net_deposits[settlement])) + float(np.abs(holders.cash.astype(np.float64)).sum())
    if brought > AMOUNT_LIMIT or np.any(holders.cash == np.iinfo(np.int64).min):
        raise CaseError(
            f"the case brings {brought / MICROS:.4g} dollars into the venue, which counts up to "
            f"{AMOUNT_LIMIT / MICROS:.4g}; give its house and crowd less capital"
        )
    place_population(state, first, holders)
