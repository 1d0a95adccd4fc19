"""The tape's tables: names, columns, types and the order of both.

Holds layouts only. Codes (`kind`, `cause`, `role`, ...) are those of `undertow.venue.records`; prices are
ticks, sizes lots, money the smallest unit of the settlement asset (micro-dollars for a dollar wallet),
times milliseconds since the start of the case. -1 in a depth column means that the depth was not sampled; 0
in a price column means that there is none.

Invariant: a table's columns, in this order and with these types, are what `TapeWriter` writes and what the
content hash runs over; appending a column is a change of format.
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

import numpy as np

from undertow.rulebook.one_file import ONLY_ITS_COLUMNS, one_file
from undertow.venue.records import EVENT, FILL, POSTING

Columns = dict[str, np.dtype[np.generic]]

# How much a tape holds; `run.json` names it. The rows of a level are the same at every level above it.
LAB = "lab"  # postings of trades and fees are summed by cause and minute, all others stand one by one
FULL = "full"  # every posting
TAPE_LEVELS = (LAB, FULL)

_BIG = np.dtype(np.int64)
_INT = np.dtype(np.int32)
_SHORT = np.dtype(np.int16)
_BYTE = np.dtype(np.int8)
_FLOAT = np.dtype(np.float64)
_FLAG = np.dtype(np.bool_)
TEXT: np.dtype[np.generic] = np.dtype(object)  # a column of str


class Stage(IntEnum):
    """Where in the waterfall a position or a loss went; the `stage` of the table `waterfall`."""

    ORDERS = 0  # liquidation orders filled in the book
    TAKEOVER = 1  # taken over by a backstop provider, the vault or the fund
    ADL = 2  # closed against a winner
    FUND = 3  # shortfalls the insurance fund paid
    UNCOVERED = 4  # socialised, clawed back or left as bad debt
    DISPOSAL = 5  # the house selling what it took over


class LoopDepth(IntEnum):
    """Assets over own money in them, of an account; the `depth` of the table `leverage`."""

    NONE = 0  # no assets
    ONE = 1  # assets, nothing owed
    UP_TO_2 = 2
    UP_TO_3_5 = 3
    UP_TO_5 = 4
    OVER_5 = 5


# Upper ends of the classes of leverage in the table `leverage`: class k lies below LEVERAGE_ENDS[k], the next
# one has no end, and the one after that has no equity.
LEVERAGE_ENDS = (1, 2, 3, 5, 7, 10, 20)
NO_EQUITY = len(LEVERAGE_ENDS) + 1


def _of(layout: np.dtype[np.void], first: Columns | None = None) -> Columns:
    """A record layout as columns; `time` gets its unit into its name."""
    columns: Columns = dict(first or {})
    for name in layout.names or ():
        columns["time_ms" if name == "time" else name] = layout[name]
    return columns


TABLES: dict[str, Columns] = {
    "instruments": {
        "instrument": _SHORT,
        "name": TEXT,
        "kind": TEXT,  # spot, linear, inverse
        "class": TEXT,
        "tick_usd": _FLOAT,
        "lot_coins": _FLOAT,
        "unit": _BIG,
        "lots_per_coin": _BIG,
        "is_collateral": _FLAG,
        "outside_start_ticks": _BIG,
        "maker_depth": _BIG,  # what makers quote in calm, both sides out to their reach
    },
    "series": {
        "step": _INT,
        "time_ms": _BIG,
        "instrument": _SHORT,
        "outside_ticks": _BIG,
        "index_ticks": _BIG,
        "mark_ticks": _BIG,
        "last_ticks": _BIG,
        "bid_ticks": _BIG,
        "ask_ticks": _BIG,
        "bid_1pct": _BIG,
        "ask_1pct": _BIG,
        "bid_4pct": _BIG,
        "ask_4pct": _BIG,
        "volume": _BIG,
        "sell_volume": _BIG,
        "open_interest_lots": _BIG,
    },
    "house": {
        "step": _INT,
        "time_ms": _BIG,
        "account": _INT,
        "role": _BYTE,
        "settlement": _SHORT,
        "cash": _BIG,
        "equity": _BIG,
        "gross_notional": _BIG,
        "inventory_value": _BIG,
        "profit_both": _BIG,  # over both venues, of a backstop that hedges elsewhere; else 0
    },
    "held": {  # by the fund, the vault, providers, and by hedged books
        "step": _INT,
        "time_ms": _BIG,
        "account": _INT,
        "instrument": _SHORT,
        "lots": _BIG,
        "value": _BIG,  # of the lots at the mark, signed; the house's assets at their stock price
    },
    "events": _of(EVENT, {"sequence": _BIG}),
    "fills": _of(FILL),
    "postings": _of(POSTING),
    "causes": {"time_ms": _BIG, "settlement": _SHORT, "cause": _BYTE, "amount": _BIG},
    "accounts": {
        "account": _INT,
        "owner": _INT,
        "role": _BYTE,
        "group": _BYTE,
        "settlement": _SHORT,
        "profile": _BYTE,
        "equity_start": _BIG,
        "deposits": _BIG,
        "withdrawals": _BIG,
        "equity_end": _BIG,
        "cash_end": _BIG,
        "liquidated": _BYTE,
        "taken_over": _BYTE,
        "adl_lots": _BIG,
        "people": _INT,  # whom it stands for; 0: the house
    },
    "assets": {  # a spot asset of the venue, over all accounts, from the start of the run to its end
        "instrument": _SHORT,
        "settlement": _SHORT,
        "lots_start": _BIG,
        "lots_end": _BIG,
        "value_start": _BIG,  # at the mark, what the house holds at its stock price
        "value_end": _BIG,
        "deposits": _BIG,  # at the mark when they came in
        "withdrawals": _BIG,
    },
    "leverage": {
        "time_ms": _BIG,
        "profile": _BYTE,
        "group": _BYTE,
        "asset": _SHORT,  # instrument; -1: no assets
        "depth": _BYTE,
        "shown": _BYTE,
        "effective": _BYTE,
        "accounts": _BIG,
        "equity": _BIG,
        "owned": _BIG,
        "owed": _BIG,
        "short": _BIG,
        "contracts": _BIG,
    },
    "forced": {
        "time_ms": _BIG,
        "asset": _SHORT,
        "level_ppm": _INT,  # price over outside price, in whole per cent; 0: at no price
        "outside_ticks": _BIG,
        "profile": _BYTE,
        "group": _BYTE,
        "accounts": _BIG,
        "owned": _BIG,
        "contracts": _BIG,
    },
    "maker": {
        "step": _INT,
        "time_ms": _BIG,
        "instrument": _SHORT,
        "cause": _BYTE,
        "depth_removed": _BIG,
    },
    "weather": {
        "step": _INT,
        "time_ms": _BIG,
        "messages": _BIG,  # tried by the crowd in this step
        "failure": _FLOAT,  # share of messages that fail
        "transfers": _FLOAT,  # 1: transfers work, 0: stalled
        "load": _FLOAT,  # in multiples of an ordinary hour
        "latency_s": _FLOAT,  # age at which a message sent now is heard
    },
    "waterfall": {
        "step": _INT,
        "time_ms": _BIG,
        "instrument": _SHORT,
        "stage": _BYTE,
        "side": _BYTE,
        "lots": _BIG,
        "notional": _BIG,
        "count": _BIG,
        "amount": _BIG,
    },
}

_SQL_TYPES = {
    _BIG: "BIGINT",
    _INT: "INTEGER",
    _SHORT: "SMALLINT",
    _BYTE: "TINYINT",
    _FLOAT: "DOUBLE",
    _FLAG: "BOOLEAN",
    TEXT: "VARCHAR",
}


def sql_type(dtype: np.dtype[np.generic]) -> str:
    """The DuckDB type of a column."""
    return _SQL_TYPES[dtype]


def quoted(text: str) -> str:
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def rows_of(*files: Path) -> str:
    """The rows of these files, one after the other, as a table of SQL."""
    return f"read_parquet([{', '.join(quoted(one_file(file)) for file in files)}], {ONLY_ITS_COLUMNS})"


def column_list(table: str) -> str:
    """A table's columns as an SQL select list, each quoted (`group` is a keyword)."""
    return ", ".join(f'"{name}"' for name in TABLES[table])
