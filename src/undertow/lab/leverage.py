"""The inventory of hidden leverage: every customer's layers, added up by product, asset, depth and class.

    gross      what moves with some price: assets owned, assets owed, contracts, each without sign, at marks
    equity     everything owned less everything owed, at marks, no haircuts; profits of contracts included
    shown      contracts over equity: the leverage a screen shows
    effective  gross over equity
    depth      assets owned over what of them is own money: owned / (owned - owed)
    hidden     gross less contracts: exposure that the leverage of contracts does not show

The layers multiply: who has looped to depth m and uses it as margin of contracts at leverage l holds assets m
and contracts l per unit of own money. The ladder says at which price of one asset, all else as it is, its
holders are liquidated by the venue's own formula, with what they own of it and their contracts.

Holds the adding up. Holds no valuation (`venue.layers`) and no text. Units: settlement units, ppm.
Invariants: over all rows of one moment accounts, equity, assets, debts and contracts are those of all
customers, each counted once; an account with several assets stands in each one's rows by their value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow.tape.schema import LEVERAGE_ENDS, NO_EQUITY, LoopDepth
from undertow.units import PPM
from undertow.venue.engine import Engine
from undertow.venue.layers import (
    CONTRACTS,
    EQUITY,
    FORCED_ACCOUNT,
    FORCED_LOTS,
    FORCED_TICKS,
    OWED,
    OWNED,
    SHORT,
    forced_prices,
    layers_of,
)
from undertow.venue.records import InstrumentKind, Role
from undertow.venue.state import COUNT_ACCOUNTS, COUNT_HOLDINGS

Integers = NDArray[np.int64]

LEVEL_PPM = 10_000  # a rung of the ladder
DEPTH_ENDS_PPM = (2_000_000, 3_500_000, 5_000_000)


def depths_of(owned: Integers, owed: Integers) -> Integers:
    """LoopDepth of accounts that own and owe so much."""
    own = owned - owed
    depth_ppm = np.where(own > 0, owned / np.maximum(own, 1) * PPM, np.inf)
    looped = LoopDepth.UP_TO_2 + np.searchsorted(DEPTH_ENDS_PPM, np.floor(depth_ppm), side="left")
    held = np.where(owed > 0, looped, int(LoopDepth.ONE))
    return np.where(owned > 0, held, int(LoopDepth.NONE)).astype(np.int64)


def classes_of(amount: Integers, equity: Integers) -> Integers:
    """The class of leverage of so much over equity (LEVERAGE_ENDS)."""
    over = np.maximum(equity, 1)
    found = np.searchsorted(LEVERAGE_ENDS, amount / over, side="right")
    return np.where(equity > 0, found, NO_EQUITY).astype(np.int64)


def customers_of(engine: Engine) -> Integers:
    """Every customer's account."""
    roles = engine.state.accounts["role"][: int(engine.state.counters[COUNT_ACCOUNTS])]
    return np.flatnonzero(roles == int(Role.CUSTOMER)).astype(np.int64)


def inventory(engine: Engine, group_of: NDArray[np.int8], time_ms: int) -> dict[str, Integers]:
    """Rows of the table `leverage` as the venue stands now."""
    customers = customers_of(engine)
    layers = layers_of(engine.state, customers)
    places = np.full(int(engine.state.counters[COUNT_ACCOUNTS]), -1, np.int64)
    places[customers] = np.arange(len(customers))
    place, asset, worth = _assets(engine, places)
    order = np.lexsort((asset, -worth, place))  # the largest asset of an account first
    bare = np.flatnonzero(layers[:, OWNED] == 0)
    place = np.concatenate([place[order], bare])
    asset = np.concatenate([asset[order], np.full(len(bare), -1, np.int64)])
    worth = np.concatenate([worth[order], np.zeros(len(bare), np.int64)])
    first = np.ones(len(place), np.bool_)
    first[1:] = place[1:] != place[:-1]
    gross = layers[:, OWNED] + layers[:, SHORT] + layers[:, CONTRACTS]
    accounts = customers[place]
    keys = {
        "profile": engine.state.accounts["profile"][accounts].astype(np.int64),
        "group": group_of[accounts].astype(np.int64),
        "asset": asset,
        "depth": depths_of(layers[:, OWNED], layers[:, OWED])[place],
        "shown": classes_of(layers[:, CONTRACTS], layers[:, EQUITY])[place],
        "effective": classes_of(gross, layers[:, EQUITY])[place],
    }
    share = np.where(layers[place, OWNED] > 0, worth / np.maximum(layers[place, OWNED], 1), 1.0)
    values = {
        "accounts": first.astype(np.int64),
        "equity": _divided(layers[:, EQUITY], place, share, first),
        "owned": worth,
        "owed": _divided(layers[:, OWED], place, share, first),
        "short": _divided(layers[:, SHORT], place, share, first),
        "contracts": _divided(layers[:, CONTRACTS], place, share, first),
    }
    return _added_up(keys, values, time_ms)


def ladder(
    engine: Engine, group_of: NDArray[np.int8], outside_ticks: Integers, time_ms: int
) -> dict[str, Integers]:
    """Rows of the table `forced` as the venue stands now; levels are prices over the outside price.

    An account stands at the highest level, in whole per cent, at which it is liquidated; level 0: at none.
    """
    state = engine.state
    columns: list[Integers] = []
    for instrument in _spot(engine):
        found = forced_prices(state, instrument)
        roles = state.accounts["role"][found[:, FORCED_ACCOUNT]]
        found = found[roles == int(Role.CUSTOMER)]
        account = found[:, FORCED_ACCOUNT]
        outside = max(int(outside_ticks[instrument]), 1)
        level = found[:, FORCED_TICKS] * PPM // outside
        worth = (
            found[:, FORCED_LOTS]
            * int(state.markets["mark"][instrument])
            * int(state.instruments["unit"][instrument])
        )
        columns.append(
            np.stack(
                [
                    np.full(len(found), instrument, np.int64),
                    np.full(len(found), outside, np.int64),
                    level // LEVEL_PPM * LEVEL_PPM,
                    state.accounts["profile"][account].astype(np.int64),
                    group_of[account].astype(np.int64),
                    worth,
                    layers_of(state, np.ascontiguousarray(account))[:, CONTRACTS],
                ]
            )
        )
    rows = np.concatenate(columns, axis=1) if columns else np.zeros((7, 0), np.int64)
    keys = dict(zip(("asset", "outside_ticks", "level_ppm", "profile", "group"), rows, strict=False))
    values = {"accounts": np.ones(rows.shape[1], np.int64), "owned": rows[5], "contracts": rows[6]}
    return _added_up(keys, values, time_ms)


def _spot(engine: Engine) -> list[int]:
    return [row for row, listing in enumerate(engine.listings) if listing.kind == InstrumentKind.SPOT]


def _assets(engine: Engine, places: Integers) -> tuple[Integers, Integers, Integers]:
    """What customers own of assets, one row a balance: place of the account, instrument, worth."""
    state = engine.state
    held = state.holdings[: int(state.counters[COUNT_HOLDINGS])]
    rows = np.flatnonzero(
        (held["size"] > 0) & (held["account"] >= 0) & np.isin(held["instrument"], _spot(engine))
    )
    place = places[held["account"][rows]]
    rows, place = rows[place >= 0], place[place >= 0]
    instrument = held["instrument"][rows].astype(np.int64)
    worth = held["size"][rows] * state.markets["mark"][instrument] * state.instruments["unit"][instrument]
    return place, instrument, worth


def _divided(
    total: Integers, place: Integers, share: NDArray[np.float64], first: NDArray[np.bool_]
) -> Integers:
    """Each account's total over its rows by share, the first row taking what rounding leaves."""
    parts = np.trunc(total[place] * share).astype(np.int64)
    given = np.zeros(len(total), np.int64)
    np.add.at(given, place, parts)
    parts[first] += total[place[first]] - given[place[first]]
    return parts


def _added_up(keys: dict[str, Integers], values: dict[str, Integers], time_ms: int) -> dict[str, Integers]:
    """One row for each combination of keys that occurs, values summed, in the order of the keys."""
    code = np.zeros(len(next(iter(keys.values()))), np.int64)
    for column in keys.values():
        low = int(column.min(initial=0))
        code = code * (int(column.max(initial=0)) - low + 1) + (column - low)
    _codes, where, inverse = np.unique(code, return_index=True, return_inverse=True)
    summed: dict[str, Any] = {name: column[where] for name, column in keys.items()}
    for name, amounts in values.items():
        summed[name] = np.zeros(len(where), np.int64)
        np.add.at(summed[name], inverse.reshape(-1), amounts)
    return {"time_ms": np.full(len(where), time_ms, np.int64), **summed}
