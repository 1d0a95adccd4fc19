"""What is listed at a venue under which name, on which grid, and what it costs elsewhere.

Holds the names of instruments, settlement assets and index constituents behind the facade, and the outside
prices that the next step is given. Holds no account and no command.

Units: `Decimal` prices at the door, ticks and seconds inside. Invariant: a name is one thing only, and its
number is the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from undertow.errors import InputError
from undertow.rulebook.faults import suggest
from undertow.venue.account_view import Names
from undertow.venue.compile import Listing, instrument_figures
from undertow.venue.door import (
    EXACT,
    Instrument,
    Number,
    Settlement,
    figure_on_grid,
    known,
    share_ppm,
    table,
    text,
    whole_seconds,
)
from undertow.venue.engine import Engine
from undertow.venue.records import InstrumentKind


class Board:
    """Names and outside prices of one venue."""

    def __init__(self, engine: Engine, settlements: Mapping[str, int], constituents: int) -> None:
        self.engine = engine
        self.settlements = {
            name: Settlement(name, place, decimals)
            for place, (name, decimals) in enumerate(settlements.items())
        }
        self.instruments: dict[str, Instrument] = {}
        self.waiting: dict[str, Listing] = {}  # listed without a price
        self.constituents: dict[str, list[str]] = {}
        room = len(engine.state.instruments)
        self.prices = np.zeros((room, constituents), np.int64)
        self.ages = np.zeros((room, constituents), np.int64)

    def add(
        self,
        name: str,
        kind: InstrumentKind,
        family: tuple[str, str],
        figures: tuple[Number, Number, Number | None],
        settlement: str | None,
    ) -> None:
        """List an instrument: `family` is (margin class, asset), `figures` are (tick, lot, price or None)."""
        text(name, "the name of an instrument")
        if name in self.instruments or name in self.waiting or name in self.settlements:
            raise InputError(f"{name!r} is listed already; choose another name")
        if self.engine.step_number > 0:
            raise InputError(f"{name!r} comes too late: instruments are listed before the first step")
        if len(self.instruments) + len(self.waiting) >= len(self.prices):
            raise InputError(f"there is no room for {name!r}; open the venue with a larger instruments=N")
        wallet = self.settlement(settlement)
        tick, lot = figure_on_grid(figures[0], f"{name}: tick"), figure_on_grid(figures[1], f"{name}: lot")
        listing = Listing(
            name, kind, family[0], tick, lot, Decimal(0), wallet.number, wallet.decimals, family[1]
        )
        if figures[2] is None:
            self.waiting[name] = listing
        else:
            self._open_market(listing._replace(start=figure_on_grid(figures[2], f"{name}: price")))

    def _open_market(self, listing: Listing) -> None:
        market = self._market_of(listing)
        with localcontext(EXACT):
            place = self.engine.list(listing)
        self.instruments[listing.name] = market._replace(number=place)
        self.waiting.pop(listing.name, None)
        self.prices[place, 0] = int(self.engine.state.markets[place]["last"])

    def _market_of(self, listing: Listing) -> Instrument:
        """What listing this would give, with its grid; InputError if it would be refused."""
        if listing.tick <= listing.start:  # a tick above the price has a sentence of its own
            Instrument(listing.name, 0, listing, 0, 1 << 62).ticks(listing.start)
        with localcontext(EXACT):
            grid = instrument_figures(self.engine.rulebook, listing)
        return Instrument(listing.name, -1, listing, grid["unit"], grid["maximum_ticks"])

    def set_index(
        self,
        name: str,
        price: Number | Mapping[str, Number],
        weights: Mapping[str, Number],
        ages: Mapping[str, int],
    ) -> None:
        """Outside prices of one instrument from the next step on; the first one opens a market that waits."""
        known({**self.instruments, **self.waiting}, name, "instrument")
        prices = table(price, f"{name}: price") if isinstance(price, Mapping) else {"": price}
        if not prices:
            raise InputError(f"{name}: no constituent is given; give at least one price")
        weights, ages = table(weights, "weights"), table(ages, "ages")
        shares = {place: share_ppm(value, f"weight of {place!r}") for place, value in weights.items()}
        seconds = {place: whole_seconds(value, f"age of {place!r}", 0) for place, value in ages.items()}
        places = self._places(name, (*prices, *shares, *seconds))
        market, opening = self.instruments.get(name), None
        if market is None:
            start = figure_on_grid(next(iter(prices.values())), f"{name}: price")
            opening = self.waiting[name]._replace(start=start)
            market = self._market_of(opening)
        ticks = {place: market.ticks(value) for place, value in prices.items()}
        if opening is not None:  # what is refused opens no market
            self._open_market(opening)
        self.constituents[name] = places
        columns = {place: places.index(place) for place in (*ticks, *shares, *seconds)}
        row = self.instruments[name].number
        self.prices[row] = 0
        self.ages[row] = 0
        for place, column in columns.items():
            self.prices[row, column] = ticks.get(place, 0)
            self.ages[row, column] = seconds.get(place, 0)
            if place in shares:
                self.engine.pricing.weights[row, column] = shares[place]

    def _places(self, name: str, given: tuple[str, ...]) -> list[str]:
        """An instrument's constituents by column, new ones last; InputError if they are too many."""
        known_ones = self.constituents.get(name, [])
        places = list(dict.fromkeys((*known_ones, *given)))
        room = self.prices.shape[1]
        if len(places) > room:
            beside = ", ".join(map(repr, places[:room]))
            raise InputError(
                f"{name}: no room for constituent {places[room]!r} beside {beside}; "
                f"open the venue with a larger constituents=N"
            )
        return places

    def require_prices(self) -> None:
        """InputError if something listed has no price."""
        for name in self.waiting:
            raise InputError(f"{name!r} has no price yet; give one to `set_index`")

    def instrument(self, name: str) -> Instrument:
        """The instrument of that name."""
        if self.waiting:
            known({**self.instruments, **self.waiting}, name, "instrument")
            if name in self.waiting:
                self.require_prices()
        return known(self.instruments, name, "instrument")

    def asset(self, name: str, account: int, wallet: Settlement) -> Instrument:
        """The instrument that an asset is kept in, for a wallet that may hold it."""
        assets = {row.listing.asset: row for row in self.instruments.values() if row.spot}
        if name in assets:
            return assets[name]
        if name in self.settlements:
            raise InputError(
                f"account {account} is a wallet in {wallet.name}, not {name}; open one in {name}"
            )
        hint = suggest(name, sorted({*assets, *self.settlements}))
        raise InputError(f"asset {name!r} is unknown; {hint}")

    def settlement(self, name: str | None) -> Settlement:
        """The settlement asset of that name, the first one for None."""
        if name is None:
            return next(iter(self.settlements.values()))
        return known(self.settlements, name, "settlement asset")

    def names(self) -> Names:
        """Everything in the order of its number."""
        instruments = sorted(self.instruments.values(), key=lambda row: row.number)
        return Names(instruments, list(self.settlements.values()), list(self.engine.profiles))

    def snapshot(self) -> tuple[Any, ...]:
        """Outside prices as they are set."""
        return self.prices.copy(), self.ages.copy(), self.engine.pricing.weights.copy()

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Back to a snapshot."""
        self.prices[...], self.ages[...], self.engine.pricing.weights[...] = saved
