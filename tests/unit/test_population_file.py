"""A population from a user's file: worked numbers, what closes it, and faults named by row and column."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from undertow.crowd.population_file import Listed, read_population
from undertow.crowd.rules import Holder, MarginProfile, PopulationRules
from undertow.errors import DataError

# Ticks of a cent; lots of a thousandth of a bitcoin and of a hundredth of an ether.
LISTED = Listed(
    names=("BTC-PERP", "ETH"),
    spot=np.array([False, True]),
    prices_ticks=np.array([10_000_000, 400_000], np.int64),
    unit_micros=np.array([10, 100], np.int64),
    tick_usd=np.array([0.01, 0.01]),
    lot_coins=np.array([0.001, 0.01]),
)
RULES = PopulationRules()
HEADER = "account,cash_usd,instrument,size_coins,entry_price,profile,people\n"
ROWS = [
    "small,100,,,,,",
    "anna,5000,BTC-PERP,0.5,98000,cross,",
    "bert,20000,BTC-PERP,-0.2,101000,multi,3",
    "bert,20000,ETH,2.5,,multi,3",
]


def written(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    path = folder / "people.csv"
    path.write_text(header + "\n".join(rows) + "\n")
    return path


def test_who_holds_what(tmp_path: Path) -> None:
    """Anna: 5,000 + 0.5 x 2,000 = 6,000. Bert, three people: 20,000 + 0.2 x 1,000 + 2.5 x 4,000 = 30,200."""
    found = read_population(written(tmp_path, ROWS), LISTED, RULES)
    assert found.equity_micros[:3].tolist() == [30_200_000_000, 6_000_000_000, 100_000_000]
    assert found.cash_micros[:3].tolist() == [20_000_000_000, 5_000_000_000, 100_000_000]
    assert found.members[:3].tolist() == [3, 1, 1]
    assert found.profile[:3].tolist() == [MarginProfile.MULTI, MarginProfile.CROSS, MarginProfile.CROSS]
    assert found.position_offsets[:4].tolist() == [0, 1, 2, 2]
    assert found.position_lots[:2].tolist() == [-200, 500]
    assert found.position_entry_ticks[:2].tolist() == [10_100_000, 9_800_000]
    assert found.collateral_offsets[:4].tolist() == [0, 1, 1, 1]
    assert (found.collateral_instrument.tolist(), found.collateral_lots.tolist()) == ([1], [250])
    assert found.leverage[:3].tolist() == pytest.approx([20_000 / 30_200, 50_000 / 6_000, 0.0])


def test_books_close_what_the_file_leaves_open(tmp_path: Path) -> None:
    found = read_population(written(tmp_path, ROWS), LISTED, RULES)
    assert found.position_lots.sum() == 0
    assert set(found.kind[3:].tolist()) == {Holder.BASIS_BOOK, Holder.HEDGE_BOOK}
    assert (found.equity_micros > 0).all()


def test_parquet_says_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS)
    other = tmp_path / "people.parquet"
    duckdb.sql(f"copy (select * from read_csv('{path}')) to '{other}'")
    first, second = (read_population(one, LISTED, RULES) for one in (path, other))
    for name, column in first._asdict().items():
        assert np.array_equal(column, getattr(second, name)), name


@pytest.mark.parametrize("name", ["people[1].csv", "p*.csv", "p?ople.csv", "~.csv", "cash_usd=7/people.csv"])
def test_a_file_is_read_whatever_it_and_its_folder_are_called(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "people1.csv").write_text(HEADER + "decoy,1,,,,,\n")
    (tmp_path / "pxople.csv").write_text(HEADER + "decoy,1,,,,,\n")
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    written(tmp_path, ROWS).rename(path)
    monkeypatch.chdir(path.parent)
    found = read_population(Path(path.name), LISTED, RULES)
    assert found.cash_micros[:3].tolist() == [20_000_000_000, 5_000_000_000, 100_000_000]


def test_columns_that_may_be_left_out(tmp_path: Path) -> None:
    header = "account,cash_usd,instrument,size_coins,entry_price\n"
    found = read_population(written(tmp_path, ["1,10,,,"], header), LISTED, RULES)
    assert (found.profile[0], found.members[0]) == (MarginProfile.CROSS, 1)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["a,1,DOGE,1,2,,"], "row 1, column instrument: is not listed; one of BTC-PERP, ETH"),
        (["a,1,,,,,", "b,x,,,,,"], "row 2, column cash_usd: is no number"),
        (["a,,,,,,"], "row 1, column cash_usd: is empty; write 0 for none"),
        (["a,1e308,,,,,"], "row 1, column cash_usd: is more than the venue can count"),
        (["a,1e30,,,,,"], "row 1, column cash_usd: is more than the venue can count"),
        (["a,inf,,,,,"], "row 1, column cash_usd: is no number"),
        (["a,1,BTC-PERP,,5,,"], "row 1, column size_coins: is empty or zero; leave the row out"),
        (["a,1,BTC-PERP,1,,,"], "row 1, column entry_price: must be the price at which"),
        (["a,1,BTC-PERP,1,-5,,"], "row 1, column entry_price: must be the price at which"),
        (["a,1,ETH,1,5,,"], "row 1, column entry_price: is given for an asset"),
        (["a,1,BTC-PERP,0.0001,5,,"], "row 1, column size_coins: is less than half a lot"),
        (["a,1,BTC-PERP,1e15,5,,"], "row 1, column size_coins: is worth more than the venue can count"),
        (["a,1,BTC-PERP,1e308,5,,"], "row 1, column size_coins: is worth more than the venue can count"),
        (["a,1,BTC-PERP,1,1e308,,"], "row 1, column size_coins: is worth more than the venue can count"),
        ([f"{name},9e11,,,,," for name in "ab"], "its rows together are worth more than the venue can count"),
        (
            [f"{name},1,BTC-PERP,{size}6e6,100000,," for name, size in (("a", ""), ("b", "-"))],
            "its rows together are worth more than the venue can count",
        ),
        (["a,1,,2,,,"], "row 1, column size_coins: is given without an instrument"),
        (["a,1,,,,margin,"], "row 1, column profile: must be one of cross, multi, portfolio, isolated"),
        (["a,1,,,,,0.5"], "row 1, column people: must be a whole number from 1"),
        ([",1,,,,,"], "row 1, column account: is empty"),
        (["a,1,ETH,1,,,", "b,1,,,,,", "a,2,ETH,1,,,"], "row 3, column cash_usd: differs from"),
        (["a,1,ETH,1,,,", "b,1,,,,,", "a,1,ETH,1,,,"], "row 3, column instrument: the account has another"),
        (["a,-5,,,,,"], "accounts worth nothing or less at the start: 1, the first with row 1"),
        ([], "has no row"),
    ],
)
def test_faults_name_row_and_column(tmp_path: Path, rows: list[str], sentence: str) -> None:
    path = written(tmp_path, rows)
    with pytest.raises(DataError) as caught:
        read_population(path, LISTED, RULES)
    assert str(caught.value).startswith(f"{path}: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "header", "sentence"),
    [
        ("people.csv", "account,cash_usd\n", "has no column instrument"),
        ("people.csv", HEADER.replace("people", "shoe"), "has a column shoe, which means nothing"),
        ("people.xlsx", HEADER, "give a file that ends in .csv or .parquet"),
        ("people.parquet", HEADER, "not readable"),
    ],
)
def test_a_file_that_is_no_population(tmp_path: Path, name: str, header: str, sentence: str) -> None:
    path = tmp_path / name
    path.write_text(header + "a" + "," * header.count(",") + "\n")
    with pytest.raises(DataError, match=sentence):
        read_population(path, LISTED, RULES)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_population(tmp_path / "gone.csv", LISTED, RULES)
