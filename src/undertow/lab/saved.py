"""Who would have been saved: the accounts of two runs of one seed, one by one, and what became of each.

Holds the pairing and its sums; the order of rows and their words are a view's. An account of the first run is
the same person in the second when it has the same place in its kind of account, stands for as many people and
starts with the same equity. Who is not the same in both is counted apart and never guessed at.

Units: money in the settlement asset's smallest unit, as exact integers; `first` and `second` are what
accounts won in either run, deposits and withdrawals aside. Invariant: sums over fates, kinds, sizes and bands
are the same sums; with the house, the unpaired and what spot assets gained or lost they close to the last
unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from undertow.tape import RunFolder, Tape
from undertow.tape.query import DROPPED
from undertow.venue.records import Role

MICRO_DECIMALS = 6
SIZES = (1_000, 10_000, 100_000, 1_000_000)  # whole settlement units a person, upper ends
BANDS_PERCENT = (50, 10, 1)  # of the equity at the start
By = Literal["fate", "kind", "size", "band"]

_ACCOUNTS = (
    'select "group", role, settlement, people, liquidated, equity_start, '
    "equity_end - equity_start - deposits + withdrawals as result from accounts order by account"
)


class Fate(StrEnum):
    """What became of an account in the two runs."""

    SAVED = "saved"  # liquidated in the first alone
    LOST = "newly lost"  # liquidated in the second alone
    BOTH = "liquidated in both"
    NEITHER = "liquidated in neither"


_FATES = tuple(Fate)


@dataclass(frozen=True)
class Lives:
    """Accounts that share a row: how many, for how many people, and what they won in either run.

    `better` and `worse` are the sums of what those gained who did better in the second run than in the first,
    and of what those lost who did worse; the change is their sum.
    """

    accounts: int
    people: int
    first: int
    second: int
    better_people: int
    better: int
    worse_people: int
    worse: int

    @property
    def change(self) -> int:
        """What they won in the second run less what they won in the first."""
        return self.second - self.first

    def __add__(self, other: Lives) -> Lives:
        """Both rows as one."""
        return Lives(*(one + two for one, two in zip(self._row(), other._row(), strict=True)))

    def _row(self) -> tuple[int, ...]:
        return (
            self.accounts,
            self.people,
            self.first,
            self.second,
            self.better_people,
            self.better,
            self.worse_people,
            self.worse,
        )


NOBODY = Lives(0, 0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Cell:
    """Accounts of one fate, kind, size and band of change."""

    fate: Fate
    kind: str
    size: str
    band: str
    lives: Lives


@dataclass(frozen=True)
class Saved:
    """Two runs of one seed, account by account. `why_not` says why they cannot be paired; then it is empty.

    `unpaired` are customers without the same person in the other run: (accounts, what they won) in either.
    `house` is what each role of the house won in either. Money is None where the runs settle in different
    assets or hold several: counts stand, sums would mix units.
    """

    names: tuple[str, str]
    cells: tuple[Cell, ...]
    house: dict[str, tuple[int, int]]
    unpaired: tuple[tuple[int, int], tuple[int, int]]
    settlement: str
    decimals: int
    in_one_unit: bool
    why_not: str = ""

    def by(self, what: By) -> dict[str, Lives]:
        """Sums by fate, kind of account, size at the start or band of change, in the order of the cells."""
        found: dict[str, Lives] = {}
        for cell in self.cells:
            key = str(getattr(cell, what))
            found[key] = found.get(key, NOBODY) + cell.lives
        return found

    def of(self, fate: Fate, **where: str) -> Lives:
        """Accounts of one fate, of one `kind`, `size` or `band` if named."""
        found = NOBODY
        for cell in self.cells:
            if cell.fate is fate and all(getattr(cell, key) == value for key, value in where.items()):
                found += cell.lives
        return found

    @property
    def total(self) -> Lives:
        """Everybody who is the same person in both."""
        found = NOBODY
        for cell in self.cells:
            found += cell.lives
        return found

    @property
    def remainder(self) -> int:
        """What all changes come to together: nothing, but for spot assets that gained or lost otherwise."""
        house = sum(second - first for first, second in self.house.values())
        (_, before), (_, after) = self.unpaired
        return self.total.change + house + after - before


def saved(first: Tape, second: Tape, names: tuple[str, str] = ("", "")) -> Saved:
    """Pair the accounts of two runs. Never raises for runs that cannot be paired: `why_not` says so."""
    tapes = (first, second)
    units = [_unit(tape) for tape in tapes]
    settlement, decimals = units[0]
    why = _why_not(tapes)
    if why:
        return Saved(names, (), {}, ((0, 0), (0, 0)), settlement, decimals, False, why)
    tables = [_customers(tape) for tape in tapes]
    in_one_unit = _alike(*units) and all(table.one_settlement for table in tables)
    cells, unpaired = _cells(tables[0], tables[1], 10**decimals)
    house = {
        role: (tables[0].house.get(role, 0), tables[1].house.get(role, 0))
        for role in dict.fromkeys([*tables[0].house, *tables[1].house])
    }
    return Saved(names, cells, house, unpaired, settlement, decimals, in_one_unit)


def saved_in(first: RunFolder, second: RunFolder, names: tuple[str, str] = ("", "")) -> Saved:
    """Pair the accounts of two run folders; a tape that was dropped is a reason why not."""
    for folder in (first, second):
        if folder.read().get("tape") == DROPPED:
            why = f"{folder.name} kept no accounts, as its tape was dropped (--keep-tapes keeps it)"
            return Saved(names, (), {}, ((0, 0), (0, 0)), "USD", MICRO_DECIMALS, False, why)
    with Tape(first) as one, Tape(second) as two:
        return saved(one, two, names)


def size_words(place: int) -> str:
    """A class of equity at the start, a person: the k-th counted from the smallest."""
    if place == 0:
        return f"below {SIZES[0]:,}"
    if place == len(SIZES):
        return f"{SIZES[-1]:,} and more"
    return f"{SIZES[place - 1]:,} to {SIZES[place]:,}"


def band_words(place: int) -> str:
    """A band of change over the equity at the start, from much better to much worse."""
    steps = len(BANDS_PERCENT)
    if place == steps:
        return f"within {BANDS_PERCENT[-1]} % of what they had"
    number = place if place < steps else 2 * steps - place
    way = "better" if place < steps else "worse"
    if number == 0:
        return f"{way} by more than {BANDS_PERCENT[0]} %"
    return f"{way} by {BANDS_PERCENT[number]} to {BANDS_PERCENT[number - 1]} %"


def _unit(tape: Tape) -> tuple[str, int]:
    settlement = tape.record.get("settlement", {})
    return str(settlement.get("name", "USD")), int(settlement.get("decimals", MICRO_DECIMALS))


def _alike(one: tuple[str, int], other: tuple[str, int]) -> bool:
    """Whether two settlement assets count in the same unit; a dollar is a dollar, whoever issued it."""
    dollars = all(name.startswith("USD") for name, _ in (one, other))
    return one[1] == other[1] and (dollars or one[0] == other[0])


def _why_not(tapes: Sequence[Tape]) -> str:
    """Why two runs are not the same people, in words; empty where they may be."""
    one, two = (tape.record for tape in tapes)
    for key in ("seed", "accounts"):
        if one.get(key) != two.get(key):
            return f"they are not the same people, with {key} {one.get(key)} and {two.get(key)}"
    for tape in tapes:
        if "accounts" not in tape.tables:
            return f"{tape.folder.name} recorded no accounts"
    return ""


@dataclass(frozen=True)
class _Table:
    """One run's customers by kind, each kind in the order in which its accounts were opened."""

    kinds: dict[str, dict[str, NDArray[np.int64]]]
    house: dict[str, int]
    one_settlement: bool


def _customers(tape: Tape) -> _Table:
    rows = tape.fetch(_ACCOUNTS)
    columns = {name: np.asarray(column, np.int64) for name, column in rows.items()}
    groups = tape.record.get("groups", [])
    customer = columns["role"] == int(Role.CUSTOMER)
    kinds = {}
    for code in np.unique(columns["group"][customer]).tolist():
        chosen = customer & (columns["group"] == code)
        name = str(groups[code]) if 0 <= code < len(groups) else "customer"
        kinds[name] = {key: column[chosen] for key, column in columns.items()}
    house: dict[str, int] = {}
    for role, result in zip(columns["role"].tolist(), columns["result"].tolist(), strict=True):
        if role != Role.CUSTOMER:
            name = Role(role).name.lower().replace("_", " ")
            house[name] = house.get(name, 0) + result
    return _Table(kinds, house, len(np.unique(columns["settlement"])) <= 1)


def _cells(
    first: _Table, second: _Table, unit: int
) -> tuple[tuple[Cell, ...], tuple[tuple[int, int], tuple[int, int]]]:
    """The accounts that are the same in both as cells, and the others' numbers and results."""
    cells: list[Cell] = []
    apart = [[0, 0], [0, 0]]
    for kind in dict.fromkeys([*first.kinds, *second.kinds]):
        sides = [table.kinds.get(kind) for table in (first, second)]
        counts = [0 if side is None else len(side["people"]) for side in sides]
        both = min(counts)
        same = np.zeros(both, bool)
        if sides[0] is not None and sides[1] is not None:
            same = np.ones(both, bool)
            for key in ("people", "equity_start"):
                same &= sides[0][key][:both] == sides[1][key][:both]
            pair = [{key: column[:both][same] for key, column in side.items()} for side in sides if side]
            cells += _of_kind(kind, pair[0], pair[1], unit)
        for place, side in enumerate(sides):
            if side is not None:
                left = np.ones(counts[place], bool)
                left[:both] = ~same
                apart[place][0] += int(left.sum())
                apart[place][1] += _total(side["result"][left])
    order = {fate: place for place, fate in enumerate(_FATES)}
    cells.sort(key=lambda cell: order[cell.fate])
    return tuple(cells), ((apart[0][0], apart[0][1]), (apart[1][0], apart[1][1]))


def _of_kind(kind: str, one: dict[str, Any], two: dict[str, Any], unit: int) -> list[Cell]:
    before, after = one["liquidated"] > 0, two["liquidated"] > 0
    fate = np.where(before, np.where(after, 2, 0), np.where(after, 1, 3))
    whole = one["equity_start"] // np.maximum(one["people"], 1) // unit
    size = np.searchsorted(np.array(SIZES, np.int64), whole, side="right")
    moved = two["result"] - one["result"]
    start = np.maximum(one["equity_start"], 0)
    steps = len(BANDS_PERCENT)
    # More than half of it, more than a tenth of it, ...: how many of the limits each change passes.
    passed = sum((np.abs(moved) > start // (100 // percent)).astype(np.int64) for percent in BANDS_PERCENT)
    band = np.where(moved > 0, steps - passed, steps + passed)
    cells = []
    for place in np.unique(np.stack([fate, size, band]), axis=1).T.tolist():
        chosen = (fate == place[0]) & (size == place[1]) & (band == place[2])
        people, change = one["people"][chosen], moved[chosen]
        lives = Lives(
            int(chosen.sum()),
            _total(people),
            _total(one["result"][chosen]),
            _total(two["result"][chosen]),
            _total(people[change > 0]),
            _total(change[change > 0]),
            _total(people[change < 0]),
            _total(change[change < 0]),
        )
        cells.append(Cell(_FATES[place[0]], kind, size_words(place[1]), band_words(place[2]), lives))
    return cells


def _total(column: NDArray[np.int64]) -> int:
    """An exact sum: a column of micro-dollars of everybody may pass what a machine integer holds."""
    return sum(column.tolist())
