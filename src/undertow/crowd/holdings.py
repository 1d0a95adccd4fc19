"""From drawn notional to exact holdings: lots, the books that close every coin, entry prices, collateral.

Holds what population.py puts together; draws nothing that decides an account's size, leverage or side.
Units: lots, ticks, micro-dollars. Invariants: per coin the lots of all accounts sum to zero; collateral is
whole lots worth at most its share of equity; entry prices are at least one tick.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.crowd.quantiles import stratified
from undertow.crowd.rules import Floats, Holder, Integers, Listing, MarginProfile, PopulationRules
from undertow.exact import floats
from undertow.exact.floats import geometric

_IDS_PER_ACCOUNT = 128
_AGES = 64
_MOST_PROFIT = 0.8  # of the equity that is not collateral: profit cannot have paid for everything
_MOST_LOSS = 3.0
_SCALINGS = 24
MOST_COLLATERAL = 0.95  # of an account's equity: the rest is cash


class Drawn(NamedTuple):
    """Positions in money, by account."""

    offsets: Integers
    coins: NDArray[np.int16]
    notional: Floats  # micro-dollars; signed once sides are given


class Held(NamedTuple):
    """Positions in lots, by account."""

    offsets: Integers
    coins: NDArray[np.int16]
    lots: Integers


class Books(NamedTuple):
    """The accounts that close every coin."""

    equity_micros: Integers
    kind: NDArray[np.int8]
    held: Held


class Collateral(NamedTuple):
    """Assets held as collateral, by account."""

    offsets: Integers
    instrument: NDArray[np.int16]
    lots: Integers
    value_micros: Integers  # per account, at the listing's prices


def sum_rows(offsets: Integers, values: Integers) -> Integers:
    """Sum of each account's rows, exact."""
    running = np.concatenate([[0], np.cumsum(values)])
    return np.asarray(running[offsets[1:]] - running[offsets[:-1]], np.int64)


def accounts_of(offsets: Integers) -> Integers:
    """The account of each row."""
    return np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))


def _kept(offsets: Integers, keep: NDArray[np.bool_]) -> Integers:
    """Offsets after the rows not kept are gone."""
    running = np.concatenate([[0], np.cumsum(keep)]).astype(np.int64)
    return np.asarray(running[offsets], np.int64)


def joined(first: Held, second: Held) -> Held:
    """The accounts of both, one after the other."""
    return Held(
        np.concatenate([first.offsets, second.offsets[1:] + first.offsets[-1]]),
        np.concatenate([first.coins, second.coins]),
        np.concatenate([first.lots, second.lots]),
    )


def in_lots(drawn: Drawn, lot_micros: Integers, limit_micros: Floats, seed: int) -> Held:
    """Whole lots, rounded by chance so that totals keep, down at an account's limit; empty rows go."""
    account = accounts_of(drawn.offsets)
    lot = lot_micros[drawn.coins].astype(np.float64)
    chance = streams.uniform(seed, "rounding to lots", 0, account * _IDS_PER_ACCOUNT + drawn.coins)
    exact = np.abs(drawn.notional) / lot
    lots = np.floor(exact + chance).astype(np.int64)
    over = sum_rows(drawn.offsets, lots * lot_micros[drawn.coins]) > limit_micros
    lots = np.where(over[account], np.floor(exact), lots).astype(np.int64)
    keep = lots > 0
    signed = np.where(drawn.notional < 0.0, -lots, lots)[keep]
    return Held(_kept(drawn.offsets, keep), drawn.coins[keep], signed)


def closing_books(traders: Held, lot_micros: Integers, target: Floats, rules: PopulationRules) -> Books:
    """Hedge books fill each coin's long side to the open interest; basis books, short, take the rest."""
    coins = len(target)
    long, short = np.zeros(coins, np.int64), np.zeros(coins, np.int64)
    np.add.at(long, traders.coins, np.maximum(traders.lots, 0))
    np.add.at(short, traders.coins, np.maximum(-traders.lots, 0))
    whole = np.rint(target / lot_micros).astype(np.int64)
    side = np.maximum(np.maximum(whole, long), short)  # open interest, in lots
    hedge_long = side - long
    hedge_short = np.minimum(np.rint(side * rules.hedge_share).astype(np.int64), side - short)
    basis_short = side - short - hedge_short
    count = rules.basis_books + rules.hedge_books
    lots = np.zeros((count, coins), np.int64)
    lots[: rules.basis_books] = -_divided(basis_short, rules.basis_books)
    # Hedge books alternate: every coin has a long and a short one, no book is on one side of all coins.
    for parity in (0, 1):
        chosen = np.arange(coins) % 2 == parity
        long_rows = np.arange(rules.basis_books, count, 2)
        short_rows = np.arange(rules.basis_books + 1, count, 2)
        if parity:
            long_rows, short_rows = short_rows, long_rows
        lots[np.ix_(long_rows, chosen)] += _divided(hedge_long[chosen], len(long_rows))
        lots[np.ix_(short_rows, chosen)] -= _divided(hedge_short[chosen], len(short_rows))
    gross = (np.abs(lots) * lot_micros).sum(axis=1)
    equity = np.maximum(np.rint(gross / rules.book_leverage), 1e6).astype(np.int64)
    kind = np.where(np.arange(count) < rules.basis_books, Holder.BASIS_BOOK, Holder.HEDGE_BOOK).astype(
        np.int8
    )
    offsets = np.concatenate([[0], np.cumsum((lots != 0).sum(axis=1))]).astype(np.int64)
    book, coin = np.nonzero(lots)
    return Books(equity, kind, Held(offsets, coin.astype(np.int16), lots[book, coin]))


def _divided(totals: Integers, books: int) -> Integers:
    """Totals over books as 1, 1/2, 1/3...; what rounding leaves goes to the first. Shape [books, coins]."""
    weights = 1.0 / np.arange(1, books + 1)
    parts = np.floor(totals[None, :] * (weights / weights.sum())[:, None]).astype(np.int64)
    parts[0] += totals - parts.sum(axis=0)
    return np.asarray(parts, np.int64)


def entry_ticks(
    held: Held,
    prices: Integers,
    units: Integers,
    free_micros: Integers,
    trader_rows: int,
    seed: int,
    rules: PopulationRules,
) -> Integers:
    """Entry prices: the coin's price at a past hour, drawn log-uniformly; books enter at the present price.

    The past is one random walk per coin, so positions of one hour share a price. Where an account's
    unrealised profit would exceed its free equity, or its loss three times that, all its entries move
    towards the present.
    """
    account = accounts_of(held.offsets)
    rows = np.arange(len(held.lots))
    age = streams.uniform(seed, "age of a position", 0, account * _IDS_PER_ACCOUNT + held.coins)
    logs = np.empty(len(rows), np.float64)
    for coin in range(int(held.coins.max()) + 1 if len(rows) else 0):
        chosen = held.coins == coin
        logs[chosen] = np.interp(age[chosen], np.linspace(0.0, 1.0, _AGES), _past(coin, seed, rules))
    gain = np.where(rows < trader_rows, -floats.expm1(logs), 0.0)  # 1 - entry / price
    profit = held.lots * prices.astype(np.float64) * units * gain
    total = np.bincount(account, profit, len(held.offsets) - 1)
    free = np.maximum(free_micros.astype(np.float64), 0.0)
    bound = np.where(total > 0.0, _MOST_PROFIT * free, _MOST_LOSS * free)
    shrink = np.minimum(1.0, bound / np.maximum(np.abs(total), 1.0))
    entry = np.rint(prices * (1.0 - gain * shrink[account]))
    return np.maximum(entry, 1.0).astype(np.int64)


def _past(coin: int, seed: int, rules: PopulationRules) -> Floats:
    """Log of past over present price at ages evenly spaced in logarithm, youngest first."""
    days = geometric(*rules.entry_hours, _AGES) / 24.0
    scale = np.sqrt(np.diff(days, prepend=0.0)) * rules.daily_volatility
    ids = coin * _AGES + np.arange(_AGES, dtype=np.int64)
    walk: Floats = np.cumsum(streams.normal(seed, "past price", 0, ids) * scale)
    return walk


def collateral(
    listing: Listing,
    equity_micros: Integers,
    profile: NDArray[np.int8],
    kind: NDArray[np.int8],
    single: int,
    seed: int,
) -> Collateral:
    """Assets in the accounts of traders on multi-asset or portfolio margin.

    The part that is not cash is drawn between nothing and twice the mean mix (at most 0.95). A small
    account holds one asset, drawn by the mix; one of the tail has half of it so, half in the mean mix.
    Assets whose total is given are then scaled to it. ValueError when those accounts cannot hold so much.
    """
    accounts = len(equity_micros)
    shared = (profile == MarginProfile.MULTI) | (profile == MarginProfile.PORTFOLIO)
    holders = np.flatnonzero(shared & (kind == Holder.TRADER))
    equity = equity_micros[holders].astype(np.float64)
    given = (
        np.zeros(len(listing.prices_ticks))
        if listing.collateral_micros is None
        else (listing.collateral_micros.astype(np.float64))
    )
    means = np.where(given > 0.0, given / max(float(equity.sum()), 1.0), listing.collateral_share)
    assets = np.flatnonzero(means > 0.0)
    shares = means[assets]
    mix = float(shares.sum())
    if mix <= 0.0 or len(holders) == 0:
        empty = np.zeros(0, np.int64)
        return Collateral(
            np.zeros(accounts + 1, np.int64), empty.astype(np.int16), empty, np.zeros(accounts, np.int64)
        )
    part = np.minimum(2.0 * mix * stratified(seed, "collateral", len(holders)), MOST_COLLATERAL)
    pick = np.searchsorted(np.cumsum(shares / mix), stratified(seed, "collateral asset", len(holders)))
    own = np.zeros((len(holders), len(assets)))
    own[np.arange(len(holders)), np.minimum(pick, len(assets) - 1)] = 1.0
    spread = np.where(holders < single, 0.5, 0.0)[:, None]
    value = equity[:, None] * part[:, None] * (spread * shares / mix + (1.0 - spread) * own)
    lot_micros = listing.prices_ticks[assets] * listing.unit_micros[assets]
    lots = np.floor(_scaled(value, given[assets], equity) / lot_micros).astype(np.int64)
    row, column = np.nonzero(lots)
    counts = np.zeros(accounts, np.int64)
    counts[holders] = (lots > 0).sum(axis=1)
    total = np.zeros(accounts, np.int64)
    total[holders] = (lots * lot_micros).sum(axis=1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Collateral(offsets, assets[column].astype(np.int16), lots[row, column], total)


def _scaled(value: Floats, given: Floats, equity: Floats) -> Floats:
    """Columns scaled to the totals given (0: left alone), no account above its largest share of equity.

    What the cap takes from one account the next round gives to those with room.
    """
    wanted = given > 0.0
    if not wanted.any():
        return value
    scaled = value.copy()
    missing = wanted & (scaled.sum(axis=0) <= 0.0)
    scaled[:, missing] = equity[:, None]
    for _ in range(_SCALINGS):
        scaled[:, wanted] *= given[wanted] / scaled[:, wanted].sum(axis=0)
        held = scaled.sum(axis=1)
        over = held > MOST_COLLATERAL * equity
        scaled[over] *= (MOST_COLLATERAL * equity[over] / held[over])[:, None]
    short = wanted & (scaled.sum(axis=0) < 0.99 * given)
    if short.any():
        room = MOST_COLLATERAL * float(equity.sum()) / 1e6
        raise ValueError(
            f"collateral_usd is {given.sum() / 1e6:,.0f} in all; the accounts that may hold assets have room "
            f"for {room:,.0f}"
        )
    return scaled
