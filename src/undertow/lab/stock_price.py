"""The price at which a run's records value the house's spot assets: the median of five minutes' marks.

An asset that the house could not sell is worth what its market has said for a while, not what the last print
in an empty book said, and the mark of such an asset is that print. Holds the memory of marks and the median.
Holds no valuation of contracts (their mark is the rulebook's) and decides nothing on the venue, which values
collateral as its rulebook says.

Units: ticks, seconds. Invariant: marks that stand for less than half of the window do not move the price.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 300


class StockPrices:
    """Marks of the spot assets in the last `WINDOW_S`, seen every `every_s` seconds."""

    def __init__(self, marks: NDArray[np.int64], every_s: float) -> None:
        self._ring = np.empty((max(1, round(WINDOW_S / every_s)), len(marks)), np.int64)
        self._seen = 0
        self.see(marks)

    def see(self, marks: NDArray[np.int64]) -> None:
        """Take in the marks of a moment."""
        self._ring[self._seen % len(self._ring)] = marks
        self._seen += 1

    def ticks(self) -> NDArray[np.int64]:
        """The stock price of each asset; of two middle marks the lower one."""
        known = self._ring[: min(self._seen, len(self._ring))]
        return np.asarray(np.sort(known, axis=0)[(len(known) - 1) // 2], np.int64)
