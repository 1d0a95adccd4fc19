"""A small market for tests of behaviours: three instruments, views by hand, and a desk that answers as told.

No engine and no kernel: an actor's decisions are tested on what it is shown.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.crowd.gauges import Gauges
from undertow.crowd.view import Market, View

BTC, ADA, USDE = 0, 1, 2
START_TICKS = np.array([1_169_000, 77_360, 10_000], np.int64)
COUNT = len(START_TICKS)


def make_market() -> Market:
    """A large coin, a small coin, a spot asset; a lot of each is worth about 117, 0.77 and 0.1 dollars."""
    return Market(
        name=("BTC-PERP", "ADA-PERP", "USDE"),
        perpetual=np.array([True, True, False]),
        unit=np.array([100, 10, 10], np.int64),
        tick_usd=np.array([0.1, 0.00001, 0.0001]),
        maximum_ticks=4 * START_TICKS,
        open_interest_usd=np.array([15.7e9, 0.47e9, 0.0]),
        turnover_usd=np.array([28.6e9, 0.85e9, 0.13e9]),
        volatility=np.array([7e-4, 9e-4, 0.5e-4]),
        spot=np.array([-1, -1, -1]),
    )


def make_gauges(step_seconds: float = 1.0) -> Gauges:
    """Gauges that have seen nothing but the start."""
    return Gauges(make_market(), START_TICKS, step_seconds)


def make_view(step: int, **changes: Any) -> View:
    """A calm view with a spread of two ticks; `price` and `outside` as multiples of the start."""
    seconds = float(changes.pop("step_seconds", 1.0))
    price = START_TICKS * np.asarray(changes.pop("price", 1.0))
    outside = START_TICKS * np.asarray(changes.pop("outside", 1.0))
    middle = np.rint(np.broadcast_to(price, (COUNT,))).astype(np.int64)
    return View(
        step=step,
        time_s=step * seconds,
        step_seconds=seconds,
        outside_ticks=np.broadcast_to(outside, (COUNT,)).astype(np.float64),
        bid_ticks=middle - 1,
        ask_ticks=middle + 1,
        last_ticks=middle,
        mark_ticks=middle,
        failure=0.0,
        transfers=1.0,
    )._replace(**changes)


class ToldDesk:
    """Answers what it was told: lots by (account, instrument), worth and values by account."""

    def __init__(self, worth_usd: float = 1e9, visible_usd: float = 1e9) -> None:
        self.lots: dict[tuple[int, int], int] = {}
        self.worth_usd: dict[int, float] = {}
        self.value_usd: dict[int, tuple[float, float, float]] = {}
        self.usual_worth_usd, self.visible_usd = worth_usd, visible_usd
        self.usual_value_usd = (1_000.0, 0.0, 0.0)  # equity, maintenance, gross

    def sizes(self, accounts: NDArray[np.int64], instruments: NDArray[np.int64]) -> NDArray[np.int64]:
        pairs = zip(accounts.tolist(), instruments.tolist(), strict=True)
        return np.array([self.lots.get(pair, 0) for pair in pairs], np.int64)

    def worths(self, accounts: NDArray[np.int64]) -> NDArray[np.int64]:
        found = [self.worth_usd.get(account, self.usual_worth_usd) for account in accounts.tolist()]
        return np.array([round(usd * 1e6) for usd in found], np.int64)

    def values(self, accounts: NDArray[np.int64]) -> NDArray[np.int64]:
        found = [self.value_usd.get(account, self.usual_value_usd) for account in accounts.tolist()]
        return np.rint(np.array(found).reshape(-1, 3) * 1e6).astype(np.int64)

    def visible(self, band: float) -> NDArray[np.int64]:
        return np.full((COUNT, 2), round(self.visible_usd * 1e6), np.int64)

    def open(self, actor: Any, first: int = 100) -> Any:
        """Give an actor its wallets and what they hold in spot assets."""
        opening = actor.opening()
        for instrument, lots in opening.assets:
            for place in range(opening.count):
                self.lots[(first + place, instrument)] = int(lots[place])
        for place in range(opening.count):
            self.worth_usd[first + place] = float(opening.cash_micros[place]) / 1e6
        actor.opened(first)
        return actor


def usd_of(commands: NDArray[np.void]) -> NDArray[np.float64]:
    """Dollars of each order at its own price."""
    unit = make_market().unit[commands["instrument"]]
    return commands["size"] * commands["price"] * unit / 1e6
