"""A population from a user's own file: who holds what, one row a position, CSV or Parquet.

Holds the reading, its checks and the books that close what the file leaves open. Draws nothing.

Columns: `account` (any text or number; rows of one account belong together), `cash_usd` (of the account, the
same in all its rows), `instrument` and `size_coins` (signed; both empty for an account that holds cash
alone), `entry_price` (of a contract, in dollars; empty for an asset). May also be there: `profile` (cross,
multi, portfolio, isolated; cross if left out) and `people` (whom the account stands for; 1 if left out).

Units: dollars and coins in the file, lots and micro-dollars after. Invariant: every contract nets to zero,
because basis and hedge books take the other side of what the file leaves open.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.crowd import holdings
from undertow.crowd.population import Population
from undertow.crowd.rules import Holder, Integers, MarginProfile, PopulationRules
from undertow.errors import DataError
from undertow.rulebook.one_file import ONLY_ITS_COLUMNS, one_file
from undertow.units import AMOUNT_LIMIT, MICROS

NEEDED = ("account", "cash_usd", "instrument", "size_coins", "entry_price")
ALLOWED = {"profile": "'cross'", "people": "1"}  # with what stands where the column is not there
TEXTS = ("account", "instrument", "profile")
PROFILES = {profile.name.lower(): profile for profile in MarginProfile}
PEOPLE_LIMIT = 1_000_000
ROWS_LIMIT = 20_000_000


class Listed(NamedTuple):
    """What a file's rows may name, by instrument."""

    names: tuple[str, ...]
    spot: NDArray[np.bool_]
    prices_ticks: Integers
    unit_micros: Integers  # micro-dollars a tick and lot
    tick_usd: NDArray[np.float64]
    lot_coins: NDArray[np.float64]


class _Rows(NamedTuple):
    """The file's rows, those of an account together, accounts numbered in the order of the file."""

    path: Path
    account: Integers
    cash_micros: Integers
    instrument: Integers  # -1: cash alone
    lots: Integers
    entry_ticks: Integers
    profile: Integers
    people: Integers


def read_population(path: Path, listed: Listed, rules: PopulationRules) -> Population:
    """The population of a file, largest accounts first, with the books that close it.

    DataError names the file, the row and the column of the first fault, and what would be right.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large, or none, is refused by its row
        rows = _checked(path, listed, _read(path))
    traders, assets, cash, profile, people = _by_account(rows, listed)
    lot_micros = listed.prices_ticks * listed.unit_micros
    books = holdings.closing_books(traders, lot_micros, np.zeros(len(listed.names)), rules)
    held = holdings.joined(traders, books.held)
    price, unit = listed.prices_ticks[held.coins], listed.unit_micros[held.coins]
    count, book_count = len(cash), len(books.kind)
    entry = np.concatenate([rows.entry_ticks[_contracts(rows, listed)], price[len(traders.lots) :]])
    profit = holdings.sum_rows(held.offsets, held.lots * (price - entry) * unit)
    gross = holdings.sum_rows(held.offsets, np.abs(held.lots) * price * unit)
    worth = np.zeros(count + book_count, np.int64)
    worth[:count] = holdings.sum_rows(assets.offsets, assets.lots * lot_micros[assets.coins])
    cash = np.concatenate([cash, books.equity_micros - profit[count:]])
    equity = cash + profit + worth
    below = np.flatnonzero(equity[:count] <= 0)
    if len(below):
        raise DataError(
            f"{path}: accounts worth nothing or less at the start: {len(below)}, the first with row "
            f"{_first_row(rows, int(below[0]))}; every account needs something of its own"
        )
    order = np.concatenate([np.argsort(-equity[:count], kind="stable"), np.arange(count, count + book_count)])
    positions = _reordered(held.offsets, order, held.coins, held.lots, entry)
    filled = np.concatenate([assets.offsets, np.full(book_count, assets.offsets[-1])])
    collateral = _reordered(filled, order, assets.coins, assets.lots)
    kind = np.concatenate([np.full(count, Holder.TRADER, np.int8), books.kind])
    profiles = np.concatenate([profile, np.full(book_count, MarginProfile.PORTFOLIO)]).astype(np.int8)
    members = np.concatenate([people, np.ones(book_count, np.int64)])[order]
    single = int(np.argmax(members[:count] != 1)) if (members[:count] != 1).any() else count
    return Population(
        equity_micros=equity[order],
        leverage=gross[order] / equity[order],
        profile=profiles[order],
        kind=kind[order],
        members=members,
        cash_micros=cash[order],
        position_offsets=positions[0],
        position_instrument=positions[1].astype(np.int16),
        position_lots=positions[2],
        position_entry_ticks=positions[3],
        collateral_offsets=collateral[0],
        collateral_instrument=collateral[1].astype(np.int16),
        collateral_lots=collateral[2],
        median_equity_usd=float(np.median(equity[:count])) / MICROS,
        tail_accounts=single,
    )


def _read(path: Path) -> dict[str, NDArray[Any]]:
    """The file's columns as text or floats, in the order of the file."""
    import duckdb

    readers = {
        ".csv": f"read_csv(?, all_varchar = true, header = true, {ONLY_ITS_COLUMNS})",
        ".parquet": f"read_parquet(?, {ONLY_ITS_COLUMNS})",
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: is no population; give a file that ends in .csv or .parquet")
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; give a CSV or Parquet file")
    with duckdb.connect() as database:
        try:
            there = database.execute(f"select * from {reader} limit 0", [one_file(path)]).fetchnumpy()
            _check_columns(path, list(there))
            wanted = {name: name for name in NEEDED} | {
                name: name if name in there else default for name, default in ALLOWED.items()
            }
            parts = [
                f"cast({what} as varchar) as {name}" if name in TEXTS
                else f"try_cast(nullif(cast({what} as varchar), '') as double) as {name}, "
                f"coalesce(cast({what} as varchar), '') != '' as {name}_given"
                for name, what in wanted.items()
            ]  # fmt: skip
            query = f"select {', '.join(parts)} from {reader} limit {ROWS_LIMIT + 1}"
            found: dict[str, NDArray[Any]] = database.execute(query, [one_file(path)]).fetchnumpy()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{path}: not readable ({reason}); give a CSV or Parquet file") from None
    if not len(found["account"]):
        raise DataError(f"{path}: has no row; one a position is needed")
    if len(found["account"]) > ROWS_LIMIT:
        raise DataError(f"{path}: has more than {ROWS_LIMIT:,} rows; give fewer, with `people`")
    return found


def _check_columns(path: Path, there: list[str]) -> None:
    missing = [name for name in NEEDED if name not in there]
    odd = [name for name in there if name not in (*NEEDED, *ALLOWED)]
    if missing or odd:
        wrong = f"has no column {missing[0]}" if missing else f"has a column {odd[0]}, which means nothing"
        may = ", ".join(ALLOWED)
        raise DataError(f"{path}: {wrong}; the columns are {', '.join(NEEDED)}, and may be {may}")


def _checked(path: Path, listed: Listed, found: dict[str, NDArray[Any]]) -> _Rows:
    """The columns as numbers; accounts stay in the order in which the file names them first."""

    def refuse(name: str, wrong: NDArray[np.bool_], right: str) -> None:
        if np.any(wrong):
            raise DataError(f"{path}: row {int(np.argmax(wrong)) + 1}, column {name}: {right}")

    count = len(found["account"])
    texts = {
        name: np.ma.filled(np.ma.asarray(found[name]), "") for name in ("account", "instrument", "profile")
    }
    refuse("account", texts["account"] == "", "is empty; every row names its account")
    numbers = {}
    for name in ("cash_usd", "size_coins", "entry_price", "people"):
        values = np.ma.filled(np.ma.asarray(found[name], np.float64), np.nan)
        given = np.asarray(np.ma.filled(found[f"{name}_given"], False), np.bool_)
        refuse(name, given & ~np.isfinite(values), "is no number")
        numbers[name] = values
    place = {name: number for number, name in enumerate(listed.names)}
    instrument = np.array(
        [place.get(str(name), -2) if name else -1 for name in texts["instrument"]], np.int64
    )
    refuse("instrument", instrument == -2, f"is not listed; one of {', '.join(listed.names)}")
    held = instrument >= 0
    named = {"": MarginProfile.CROSS} | PROFILES
    profile = np.array([named.get(str(name).lower(), -1) for name in texts["profile"]], np.int64)
    refuse("profile", profile < 0, f"must be one of {', '.join(PROFILES)}")
    people = np.where(np.isnan(numbers["people"]), 1.0, numbers["people"])
    refuse(
        "people",
        (people < 1) | (people > PEOPLE_LIMIT) | (people % 1 != 0),
        f"must be a whole number from 1 to {PEOPLE_LIMIT:,}",
    )
    cash = numbers["cash_usd"]
    refuse("cash_usd", np.isnan(cash), "is empty; write 0 for none")
    refuse("cash_usd", np.abs(cash) * MICROS * people > AMOUNT_LIMIT, "is more than the venue can count")
    size, entry = numbers["size_coins"], numbers["entry_price"]
    refuse("size_coins", held & (np.isnan(size) | (size == 0)), "is empty or zero; leave the row out")
    refuse("size_coins", ~held & ~np.isnan(size), "is given without an instrument")
    at = np.maximum(instrument, 0)
    contract = held & ~listed.spot[at]
    refuse("entry_price", contract & ~(entry > 0), "must be the price at which the position was opened")
    refuse("entry_price", held & listed.spot[at] & ~np.isnan(entry), "is given for an asset; leave it empty")
    lots = np.where(held, np.rint(np.nan_to_num(size) / listed.lot_coins[at]), 0.0)
    refuse("size_coins", held & (lots == 0), "is less than half a lot")
    ticks = np.where(contract, np.rint(np.nan_to_num(entry) / listed.tick_usd[at]), 1.0)
    refuse("entry_price", contract & (ticks < 1), "is less than half a tick")
    limit = AMOUNT_LIMIT / (np.maximum(listed.prices_ticks[at], ticks) * listed.unit_micros[at])
    refuse("size_coins", np.abs(lots) > limit, "is worth more than the venue can count")
    worth = np.abs(lots) * np.maximum(listed.prices_ticks[at], ticks) * listed.unit_micros[at]
    if max(float(worth.sum()), float((np.abs(cash) * people).sum()) * MICROS) > AMOUNT_LIMIT:
        raise DataError(f"{path}: its rows together are worth more than the venue can count; give less")
    _names, first, number = np.unique(texts["account"].astype(str), return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    account = rank[number]
    order = np.argsort(account, kind="stable")
    columns = (account, np.rint(cash * MICROS), instrument, lots, ticks, profile, people)
    rows = _Rows(path, *(np.asarray(column[order], np.int64) for column in columns))
    _check_accounts(rows, order, count)
    return rows


def _check_accounts(rows: _Rows, order: Integers, count: int) -> None:
    """What is said of an account is said alike in all its rows, and names an instrument once."""
    same = np.concatenate([[False], rows.account[1:] == rows.account[:-1]])
    told = {"cash_usd": rows.cash_micros, "profile": rows.profile, "people": rows.people}
    for name, values in told.items():
        differs = same & (values != np.concatenate([[0], values[:-1]]))
        if differs.any():
            row = int(order[int(np.argmax(differs))]) + 1
            raise DataError(f"{rows.path}: row {row}, column {name}: differs from the account's row before")
    pairs = rows.account * 65_536 + rows.instrument + 1
    _values, first = np.unique(pairs, return_index=True)
    if len(first) < count:
        twice = np.setdiff1d(np.arange(count), first)[0]
        row = int(order[int(twice)]) + 1
        raise DataError(f"{rows.path}: row {row}, column instrument: the account has another row of it")


def _contracts(rows: _Rows, listed: Listed) -> NDArray[np.bool_]:
    held = rows.instrument >= 0
    return held & ~listed.spot[np.maximum(rows.instrument, 0)]


def _by_account(
    rows: _Rows, listed: Listed
) -> tuple[holdings.Held, holdings.Held, Integers, Integers, Integers]:
    """Positions, assets, cash, profile and people by account."""
    count = int(rows.account[-1]) + 1
    first = np.searchsorted(rows.account, np.arange(count))
    contract = _contracts(rows, listed)
    asset = (rows.instrument >= 0) & ~contract
    parts = [
        holdings.Held(
            np.concatenate([[0], np.cumsum(np.bincount(rows.account[chosen], minlength=count))]),
            rows.instrument[chosen].astype(np.int16),
            rows.lots[chosen],
        )
        for chosen in (contract, asset)
    ]
    return parts[0], parts[1], rows.cash_micros[first], rows.profile[first], rows.people[first]


def _first_row(rows: _Rows, account: int) -> int:
    return int(np.searchsorted(rows.account, account)) + 1


def _reordered(offsets: Integers, order: Integers, *columns: Any) -> list[Integers]:
    """Offsets and columns of a CSR with its accounts in another order."""
    counts = np.diff(offsets)[order]
    starts = np.repeat(offsets[:-1][order], counts)
    within = np.arange(len(starts)) - np.repeat(np.cumsum(counts) - counts, counts)
    moved = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return [moved, *(np.asarray(column[starts + within], np.int64) for column in columns)]
