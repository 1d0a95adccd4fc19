"""What a run writes down while it goes: series, house, causes, accounts, through the tape.

Holds the sampling of the venue into tape rows. Decides nothing and changes nothing in the venue, except that
the volume counters start anew after each sample.

Units: as the tape's schema. Equity is at marks without haircuts, but for the spot assets that the house
holds: the mark of what it cannot sell is the last print of an empty book, so they are worth their stock price
(`stock_price`), in `house`, `held`, `accounts` and `assets` alike. Invariant: what accounts won and lost sums
to zero once deposits and the revaluation of spot assets are taken out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.crowd.view import View
from undertow.lab.build import Built
from undertow.lab.leverage import inventory, ladder
from undertow.lab.stock_price import StockPrices
from undertow.tape.writer import TapeWriter
from undertow.venue.depth import depth_near
from undertow.venue.engine import Drained
from undertow.venue.look import sizes_of, values_of, worths_of
from undertow.venue.records import OUTSIDE, SPOT_ASSET_BASE, EventKind, InstrumentKind, Role
from undertow.venue.state import COUNT_ACCOUNTS, COUNT_HOLDINGS

BANDS_PPM = np.array([10_000, 40_000], np.int64)
HOUSE_EVERY_SECONDS = 10
HOLDING_ROLES = (Role.FUND, Role.VAULT, Role.PROVIDER)
BOOKS = ("basis book", "hedge book")
MINUTE_MS = 60_000


class Recorder:
    """Samples one run into its tape."""

    def __init__(self, built: Built, tape: TapeWriter) -> None:
        self.built, self.tape = built, tape
        self.state = built.engine.state
        self.count = len(built.case.instruments)
        accounts = int(self.state.counters[COUNT_ACCOUNTS])
        self.everybody = np.arange(accounts, dtype=np.int64)
        self.start = worths_of(self.state, self.everybody)
        self._assets = np.flatnonzero(
            self.state.instruments["kind"][: self.count] == int(InstrumentKind.SPOT)
        )
        self._stock_prices = StockPrices(self._marks(self._assets), float(built.case.record_seconds))
        self._assets_start = self._assets_held()
        self._assets_in = np.zeros(self.count, np.int64)
        self._assets_out = np.zeros(self.count, np.int64)
        self.deposits = np.zeros(accounts, np.int64)
        self.withdrawals = np.zeros(accounts, np.int64)
        self.adl_lots = np.zeros(accounts, np.int64)
        self.taken = np.zeros(accounts, np.int8)
        self._house, self._seen = np.zeros(0, np.int64), 0
        self._samples: list[NDArray[np.int64]] = []  # not yet on the tape: many rows cost as much as one
        self._skies: list[dict[str, float]] = []
        self.causes = self.state.cause_totals.copy()
        self.depth = np.zeros((self.count, len(BANDS_PPM), 2), np.int64)
        self._write_instruments()
        self._holders = np.flatnonzero(np.isin(self.state.accounts["role"][:accounts], HOLDING_ROLES))
        books = [place for place, name in enumerate(built.groups) if name in BOOKS]
        self._books = np.flatnonzero(np.isin(built.group_of, books))
        self.held(0, 0)

    def _marks(self, instruments: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(self.state.markets["mark"][instruments], np.int64)

    def _above_mark(self) -> NDArray[np.int64]:
        """Money that the stock price of a lot lies above its mark, by instrument; contracts have none."""
        above = np.zeros(self.count, np.int64)
        unit = self.state.instruments["unit"][self._assets]
        above[self._assets] = (self._stock_prices.ticks() - self._marks(self._assets)) * unit
        return above

    def _worths(self, accounts: NDArray[np.int64]) -> NDArray[np.int64]:
        """What accounts own less what they owe, at marks; the house's assets at their stock price."""
        worths = np.array(worths_of(self.state, accounts), np.int64)
        house = np.flatnonzero(self.state.accounts["role"][accounts] >= int(Role.HOUSE))
        account, asset = np.repeat(accounts[house], len(self._assets)), np.tile(self._assets, len(house))
        more = sizes_of(self.state, account, asset) * self._above_mark()[asset]
        worths[house] += more.reshape(len(house), len(self._assets)).sum(axis=1)
        return worths

    def _write_instruments(self) -> None:
        rows, state = self.built.case.instruments, self.state
        collateral = self.built.rulebook.collateral
        self.tape.instruments(
            {
                "instrument": list(range(self.count)),
                "name": [row.name for row in rows],
                "kind": [row.kind for row in rows],
                "class": [row.margin_class for row in rows],
                "tick_usd": [float(row.tick_usd) for row in rows],
                "lot_coins": [float(row.lot) for row in rows],
                "unit": state.instruments["unit"][: self.count],
                "lots_per_coin": state.instruments["lots_per_coin"][: self.count],
                "is_collateral": [row.kind == "spot" and row.name in collateral for row in rows],
                "outside_start_ticks": self.built.outside_ticks[0],
                "maker_depth": self.built.crowd.maker_depth(),
            }
        )

    def sample(self, step: int, time_ms: int) -> None:
        """One row an instrument: prices, depth, volume since the last sample, open interest."""
        markets = self.state.markets[: self.count]
        depth_near(self.state, np.ascontiguousarray(markets["mark"]), BANDS_PPM, self.depth)
        asks = markets["best_ask"].copy()
        asks[asks >= self.state.instruments["maximum_ticks"][: self.count]] = 0
        block = np.empty((self.count, 16), np.int64)
        columns = [
            step,
            time_ms,
            np.arange(self.count),
            self.built.outside_ticks[step],
            markets["index"],
            markets["mark"],
            markets["last"],
            markets["best_bid"],
            asks,
            self.depth[:, 0, 0],
            self.depth[:, 0, 1],
            self.depth[:, 1, 0],
            self.depth[:, 1, 1],
            markets["volume_value"],
            markets["sell_value"],
            markets["open_interest"],
        ]
        for place, column in enumerate(columns):
            block[:, place] = column
        self._samples.append(block)
        self._stock_prices.see(self._marks(self._assets))
        for name in ("volume_lots", "volume_value", "sell_value"):
            markets[name] = 0

    def weather(self, view: View) -> None:
        """How messages and transfers fared in a step."""
        row = {
            "step": view.step,
            "time_ms": round(view.time_s * 1000),
            "messages": self.built.crowd.messages,
            "failure": view.failure,
            "transfers": view.transfers,
            "load": self.built.weather.load,
            "latency_s": view.latency_s,
        }
        self._skies.append(row)

    def _sampled(self) -> None:
        """Put samples and skies since the last call on the tape."""
        # Emptied first: an interrupted write is not made twice.
        (samples, self._samples), (skies, self._skies) = (self._samples, []), (self._skies, [])
        if samples:
            self.tape.series(np.concatenate(samples))
        if skies:
            columns = {name: [row[name] for row in skies] for name in skies[0]}
            self.tape.table("weather", columns)

    def house(self, step: int, time_ms: int) -> None:
        """One row a house account that ever held anything."""
        accounts = self._house_accounts()
        values = values_of(self.state, accounts)
        worths = self._worths(accounts)
        profits = self.built.engine.hedge.profits(self.built.engine)
        both = np.array([profits.get(account, 0) for account in accounts.tolist()], np.int64)
        block = np.empty((len(accounts), 10), np.int64)
        records = self.state.accounts[accounts]
        columns: list[Any] = [
            step,
            time_ms,
            accounts,
            records["role"],
            records["settlement"],
            records["cash"],
        ]
        columns += [worths, values[:, 2], worths - records["cash"], both]
        for place, column in enumerate(columns):
            block[:, place] = column
        self.tape.house(block)

    def _house_accounts(self) -> NDArray[np.int64]:
        """The house's accounts; roles are given when an account is opened, so only new ones are looked at."""
        count = int(self.state.counters[COUNT_ACCOUNTS])
        if count > self._seen:
            roles = self.state.accounts["role"][self._seen : count]
            fresh = np.flatnonzero(roles > int(Role.HOUSE)) + self._seen
            self._house, self._seen = np.concatenate([self._house, fresh]), count
        return self._house

    def held(self, step: int, time_ms: int) -> None:
        """What fund, vault and providers hold now; on whole minutes hedged books too."""
        whole = time_ms % MINUTE_MS == 0
        accounts = np.concatenate([self._holders, self._books]) if whole else self._holders
        account = np.repeat(accounts, self.count)
        instrument = np.tile(np.arange(self.count), len(accounts))
        lots = sizes_of(self.state, account, instrument)
        rows = np.flatnonzero(lots)
        lots, instrument = lots[rows], instrument[rows]
        mark = np.maximum(self.state.markets["mark"][instrument], 1)
        unit = self.state.instruments["unit"][instrument]
        inverse = self.state.instruments["kind"][instrument] == int(InstrumentKind.INVERSE)
        block = np.empty((len(rows), 6), np.int64)
        columns = [step, time_ms, account[rows], instrument, lots]
        value = np.where(inverse, lots * unit // mark, lots * mark * np.where(inverse, 0, unit))
        of_house = self.state.accounts["role"][account[rows]] >= int(Role.HOUSE)
        value += lots * self._above_mark()[instrument] * of_house
        for place, column in enumerate([*columns, value]):
            block[:, place] = column
        self.tape.block("held", block)

    def drained(self, parts: Drained) -> None:
        """Fills, postings, events and samples since the last call; also what they mean for each account."""
        self._sampled()
        self.tape.fills(parts.fills)
        self.tape.postings(parts.postings)
        self.tape.events(parts.events)
        postings, events = parts.postings, parts.events
        entered = postings["source"] == OUTSIDE
        left = postings["target"] == OUTSIDE
        came, went = self._money(postings[entered]), self._money(postings[left])
        np.add.at(self.deposits, postings["target"][entered], came)
        np.add.at(self.withdrawals, postings["source"][left], went)
        for rows, worth, sums in (
            (postings[entered], came, self._assets_in),
            (postings[left], went, self._assets_out),
        ):
            assets = rows["asset"] >= SPOT_ASSET_BASE
            np.add.at(sums, rows["asset"][assets] - SPOT_ASSET_BASE, worth[assets])
        closes = events["kind"] == int(EventKind.ADL_CLOSE)
        np.add.at(self.adl_lots, events["account"][closes], events["size"][closes])
        self.taken[events["account"][events["kind"] == int(EventKind.TAKEOVER)]] = 1

    def _money(self, postings: NDArray[np.void]) -> NDArray[np.int64]:
        """What each posting moved, in money: spot assets at their marks now."""
        spot = postings["asset"] >= SPOT_ASSET_BASE
        place = np.where(spot, postings["asset"] - SPOT_ASSET_BASE, 0)
        price = self.state.markets["mark"][place] * self.state.instruments["unit"][place]
        return np.asarray(postings["amount"] * np.where(spot, price, 1), np.int64)

    def _assets_held(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Lots of every spot asset that all accounts hold now, and what they are worth to them.

        The house's stock is worth its stock price, everybody else's the mark.
        """
        held = self.state.holdings[: self.state.counters[COUNT_HOLDINGS]]
        held = held[held["account"] >= 0]
        lots, of_house = np.zeros((2, self.count), np.int64)
        np.add.at(lots, held["instrument"], held["size"])
        house = held[self.state.accounts["role"][held["account"]] >= int(Role.HOUSE)]
        np.add.at(of_house, house["instrument"], house["size"])
        value = lots[self._assets] * self._marks(self._assets) * self.state.instruments["unit"][self._assets]
        value += (of_house * self._above_mark())[self._assets]
        return lots[self._assets], value

    def assets(self) -> None:
        """What all accounts together held of each spot asset, and what came in and went out."""
        (lots, value), (lots_end, value_end) = self._assets_start, self._assets_held()
        self.tape.table(
            "assets",
            {
                "instrument": self._assets,
                "settlement": self.state.instruments["settlement"][self._assets],
                "lots_start": lots,
                "lots_end": lots_end,
                "value_start": value,
                "value_end": value_end,
                "deposits": self._assets_in[self._assets],
                "withdrawals": self._assets_out[self._assets],
            },
        )

    def minute(self, time_ms: int) -> None:
        """Money moved by cause since the last call."""
        moved = self.state.cause_totals - self.causes
        rows = np.argwhere(moved)
        block = np.empty((len(rows), 4), np.int64)
        block[:, 0] = time_ms // MINUTE_MS * MINUTE_MS
        block[:, 1:3] = rows
        block[:, 3] = moved[rows[:, 0], rows[:, 1]]
        self.tape.causes(block)
        self.causes = self.state.cause_totals.copy()

    def accounts(self) -> None:
        """The accounts as they ended."""
        records = self.state.accounts[self.everybody]
        self.tape.accounts(
            {
                "account": self.everybody,
                "owner": records["owner"],
                "role": records["role"],
                "group": self.built.group_of,
                "settlement": records["settlement"],
                "profile": records["profile"],
                "equity_start": self.start,
                "deposits": self.deposits,
                "withdrawals": self.withdrawals,
                "equity_end": self._worths(self.everybody),
                "cash_end": records["cash"],
                "liquidated": records["once_liquidated"],
                "taken_over": self.taken,
                "adl_lots": self.adl_lots,
                "people": self.built.people,
            }
        )

    def leverage(self, step: int, time_ms: int) -> None:
        """Everybody's layers as they stand, and at which price of an asset its holders are liquidated."""
        engine, group_of = self.built.engine, self.built.group_of
        self.tape.table("leverage", inventory(engine, group_of, time_ms))
        self.tape.table("forced", ladder(engine, group_of, self.built.outside_ticks[step], time_ms))

    def depth_removed(self, step: int, time_ms: int) -> None:
        """How much depth each cause keeps away from the makers' books now."""
        removed = self.built.crowd.depth_removed()
        rows = np.argwhere(removed)
        block = np.empty((len(rows), 5), np.int64)
        block[:, 0], block[:, 1], block[:, 2:4] = step, time_ms, rows
        block[:, 4] = removed[rows[:, 0], rows[:, 1]]
        self.tape.block("maker", block)
