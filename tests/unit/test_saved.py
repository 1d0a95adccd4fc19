"""Who would have been saved: the same person found in both runs, and sums that close to the last unit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.synthetic_run import Sizes, make_synthetic_run
from undertow.lab.saved import Fate, Saved, saved, saved_in
from undertow.tape import RunFolder, Tape, TapeWriter
from undertow.venue.records import Role

MICROS = 1_000_000
GROUPS = ["house", "trader", "maker"]


def written(folder: Path, rows: list[tuple[str, int, int, int, int]], **record: Any) -> Tape:
    """A run of accounts (kind, people, equity at the start, at the end, whether liquidated), in dollars."""
    plain: Mapping[str, Any] = {
        "start_utc": "2025-10-10T20:40:00Z",
        "groups": GROUPS,
        "seed": 1,
        "accounts": len(rows),
        "settlement": {"name": "USDT", "decimals": 6},
    }
    run = RunFolder.create(folder, {**plain, **record})
    writer, count = TapeWriter(run), len(rows)
    zeros = [0] * count
    plain_columns = ("owner", "settlement", "profile", "deposits", "withdrawals", "taken_over", "adl_lots")
    writer.accounts(
        {
            **{name: list(zeros) for name in plain_columns},
            "account": list(range(count)),
            "role": [int(Role.FUND if kind == "house" else Role.CUSTOMER) for kind, *_ in rows],
            "group": [GROUPS.index(kind) for kind, *_ in rows],
            "people": [people for _, people, *_ in rows],
            "equity_start": [start * MICROS for _, _, start, *_ in rows],
            "equity_end": [end * MICROS for *_, end, _ in rows],
            "cash_end": [end * MICROS for *_, end, _ in rows],
            "liquidated": [hit for *_, hit in rows],
        }
    )
    writer.finish()
    return Tape(run)


FIRST = [
    ("house", 0, 1000, 1000, 0),
    ("trader", 10, 500, 0, 1),  # loses all; lives under the other rule
    ("trader", 3, 50_000, 60_000, 0),  # wins; is liquidated under the other rule
    ("trader", 1, 400, 100, 1),  # liquidated in both
    ("maker", 1, 2_000_000, 1_990_800, 0),
]
SECOND = [
    ("house", 0, 1000, 900, 0),
    ("trader", 10, 500, 450, 0),
    ("trader", 3, 50_000, 10_000, 1),
    ("trader", 1, 400, 0, 1),
    ("maker", 1, 2_000_000, 2_040_550, 0),
]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("pair")
    return saved(written(folder / "a", FIRST), written(folder / "b", SECOND))


def test_each_fate_has_its_people_and_its_money(pair: Saved) -> None:
    fates = {fate: (one.people, one.first, one.second, one.change) for fate, one in pair.by("fate").items()}
    assert fates == {
        "saved": (10, -500 * MICROS, -50 * MICROS, 450 * MICROS),
        "newly lost": (3, 10_000 * MICROS, -40_000 * MICROS, -50_000 * MICROS),
        "liquidated in both": (1, -300 * MICROS, -400 * MICROS, -100 * MICROS),
        "liquidated in neither": (1, -9_200 * MICROS, 40_550 * MICROS, 49_750 * MICROS),
    }
    assert pair.of(Fate.SAVED, kind="trader").people == 10
    assert pair.of(Fate.SAVED, kind="maker").accounts == 0


def test_size_is_that_of_a_person_and_a_band_is_over_what_he_had(pair: Saved) -> None:
    assert {size: one.accounts for size, one in pair.by("size").items()} == {
        "below 1,000": 2,
        "10,000 to 100,000": 1,
        "1,000,000 and more": 1,
    }
    assert {band: one.accounts for band, one in pair.by("band").items()} == {
        "better by more than 50 %": 1,  # 450 of 500
        "worse by more than 50 %": 1,  # 50,000 of 50,000
        "worse by 10 to 50 %": 1,  # 100 of 400
        "better by 1 to 10 %": 1,  # 49,750 of 2,000,000
    }


def test_what_was_gained_is_what_was_lost(pair: Saved) -> None:
    """Customers +100 together, the fund -100: nothing is left over, to the micro-dollar."""
    assert pair.total.change == 100 * MICROS
    assert pair.house == {"fund": (0, -100 * MICROS)}
    assert pair.remainder == 0
    assert (pair.total.better, pair.total.worse) == (50_200 * MICROS, -50_100 * MICROS)
    assert (pair.total.better_people, pair.total.worse_people) == (11, 4)


@pytest.mark.parametrize("by", ["fate", "kind", "size", "band"])
def test_every_margin_has_the_same_sum(by: Any, tmp_path: Path) -> None:
    """Of two made-up runs whose results sum to zero each, some of whose accounts changed hands."""
    one = make_synthetic_run(tmp_path / "a", Sizes(accounts=400, fills=50, steps=600))
    with Tape(one) as tape:
        rows = tape.fetch("select * from accounts order by account")
    changed = {name: np.array(column) for name, column in rows.items()}
    customers = np.flatnonzero(changed["role"] == int(Role.CUSTOMER))
    shift = np.random.default_rng(3).integers(-(10**12), 10**12, len(customers))
    shift[-1] -= shift.sum()
    changed["equity_end"][customers] += shift
    changed["liquidated"][customers[::3]] ^= 1
    changed["equity_start"][customers[5]] += 7  # somebody else, by seven micro-dollars
    other = RunFolder.create(tmp_path / "b", {**one.read(), "status": "partial", "tables": []})
    writer = TapeWriter(other)
    writer.accounts(changed)
    writer.finish()
    found = saved_in(one, other)
    assert not found.why_not and found.unpaired[0][0] == found.unpaired[1][0] == 1
    margin = found.by(by).values()
    assert sum(lives.change for lives in margin) == found.total.change
    assert sum(lives.accounts for lives in margin) == found.total.accounts == len(customers) - 1
    assert all(lives.change == lives.better + lives.worse for lives in margin)
    assert found.remainder == -7  # what he has more at the start is no result of the second run


def test_people_are_found_whatever_the_house_opened_before_them(tmp_path: Path) -> None:
    """Another rulebook has other house accounts, so the same trader has another number."""
    house = [("house", 0, 1000, 1000, 0), ("house", 0, 0, 0, 0)]
    found = saved(
        written(tmp_path / "a", FIRST), written(tmp_path / "b", [*house, *SECOND[1:]], accounts=len(FIRST))
    )
    assert found.unpaired == ((0, 0), (0, 0))
    assert found.of(Fate.SAVED).people == 10


@pytest.mark.parametrize(
    ("change", "why"),
    [({"seed": 2}, "with seed 1 and 2"), ({"accounts": 9}, "with accounts 5 and 9")],
)
def test_other_people_are_not_paired(change: dict[str, int], why: str, tmp_path: Path) -> None:
    found = saved(written(tmp_path / "a", FIRST), written(tmp_path / "b", SECOND, **change))
    assert why in found.why_not and found.cells == ()


def test_money_of_two_assets_is_not_added_up(tmp_path: Path) -> None:
    one = written(tmp_path / "a", FIRST)
    for name, alike in (("USD", True), ("XBT", False)):
        other = written(tmp_path / name, SECOND, settlement={"name": name, "decimals": 6})
        found = saved(one, other)
        assert found.in_one_unit is alike
        assert found.of(Fate.SAVED).people == 10  # counts stand


def test_a_draw_that_kept_no_tape_says_so(tmp_path: Path) -> None:
    tapes = [written(tmp_path / name, FIRST) for name in "ab"]
    tapes[1].folder.update(tape="dropped")
    assert "--keep-tapes" in saved_in(tapes[0].folder, tapes[1].folder).why_not
