"""Hidden leverage: layers of known accounts, totals that leave nobody out, rungs of the ladder.

Figures: the crowd's description 2.2; a loop of 5 dies at 0.88, one of 3.5 on a loan at 0.785.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from support.vectors import funded, plain_venue, trade
from undertow.lab.leverage import classes_of, customers_of, depths_of, inventory, ladder
from undertow.lab.measures import measured
from undertow.tape import RunFolder, Tape, TapeWriter
from undertow.tape.schema import NO_EQUITY, LoopDepth
from undertow.venue.facade import Venue
from undertow.venue.layers import CONTRACTS, EQUITY, OWED, OWNED, SHORT, layers_of
from undertow.views.report.leverage import leverage_of

USD = 1_000_000
PRESET = "binance-2025"
ASSETS = ("USDe", "ETH")  # instruments 0 and 1; 2 is the contract
INDEX = {"collateral.USDe.price": {"kind": "index"}, "collateral.ETH.price": {"kind": "index"}}


class Known(NamedTuple):
    """A venue of five holders, and their accounts."""

    venue: Venue
    margin: int  # 100,000 at 5 in USDe
    loan: int  # 100,000 at 3.5 in USDe
    cross: int  # 60,000 USDe and 4 ETH at 10,000 as margin of a contract of 300,000
    bare: int  # 50,000 in dollars, a contract of 100,000
    holder: int  # 7,000 USDe, nothing else


def borrowed(venue: Venue, profile: str, assets: str, own: str) -> int:
    account = venue.open_account(profile=profile)
    venue.deposit(account, "USDe", assets)
    venue.set_privileges(account, exempt=True, credit_limit=assets)
    assert venue.withdraw(account, "USDT", Decimal(assets) - Decimal(own)).accepted
    venue.set_privileges(account, exempt=False, credit_limit="0")
    return account


@pytest.fixture(scope="module")
def known() -> Known:
    venue = plain_venue(PRESET, INDEX)
    venue.list_asset("USDe", tick="0.0001", lot="0.1", price="1")
    venue.list_asset("ETH", tick="0.1", lot="0.001", price="10000")
    venue.list_perpetual("X-PERP", tick="1", lot="1", price="100")
    cross = venue.open_account(profile="portfolio")
    venue.deposit(cross, "USDe", "60000")
    venue.deposit(cross, "ETH", "4")
    bare = funded(venue, "50000")
    trade(venue, "X-PERP", cross, bare, "1000", "100")
    trade(venue, "X-PERP", cross, funded(venue, "1000000", role="provider"), "2000", "100")
    holder = venue.open_account(profile="single")
    venue.deposit(holder, "USDe", "7000")
    return Known(
        venue,
        borrowed(venue, "spot-margin", "500000", "100000"),
        borrowed(venue, "loan", "350000", "100000"),
        cross,
        bare,
        holder,
    )


def groups(known: Known) -> NDArray[np.int8]:
    return np.ones(64, np.int8)


def test_layers_of_an_account_are_what_it_owns_owes_and_holds(known: Known) -> None:
    accounts = np.array([known.margin, known.cross, known.bare], np.int64)
    layers = layers_of(known.venue.engine.state, accounts) // USD
    assert layers[:, OWNED].tolist() == [500_000, 100_000, 0]
    assert layers[:, OWED].tolist() == [400_000, 0, 0]
    assert layers[:, SHORT].tolist() == [0, 0, 0]
    assert layers[:, CONTRACTS].tolist() == [0, 300_000, 100_000]
    assert layers[:, EQUITY].tolist() == [100_000, 100_000, 50_000]


def test_totals_are_those_of_all_customers_each_counted_once(known: Known) -> None:
    rows = inventory(known.venue.engine, groups(known), 5_000)
    assert rows["accounts"].sum() == 5
    assert {name: int(rows[name].sum()) // USD for name in ("equity", "owned", "owed", "contracts")} == {
        "equity": 357_000,
        "owned": 957_000,
        "owed": 650_000,
        "contracts": 400_000,
    }
    assert set(rows["time_ms"]) == {5_000} and known.margin in customers_of(known.venue.engine)


def test_an_account_with_two_assets_stands_in_both_by_their_value(known: Known) -> None:
    rows = inventory(known.venue.engine, groups(known), 0)
    portfolio = list(known.venue.engine.profiles).index("portfolio")
    mine = rows["profile"] == portfolio
    by_asset = dict(zip(rows["asset"][mine].tolist(), (rows["contracts"][mine] // USD).tolist(), strict=True))
    assert by_asset == {0: 180_000, 1: 120_000}
    assert rows["accounts"][mine].tolist() == [1, 0]  # counted with the larger


@pytest.mark.parametrize(
    ("owned", "owed", "depth"),
    [
        (0, 50, LoopDepth.NONE),
        (100, 0, LoopDepth.ONE),
        (200, 100, LoopDepth.UP_TO_2),
        (350, 250, LoopDepth.UP_TO_3_5),
        (351, 250, LoopDepth.UP_TO_3_5),
        (500, 400, LoopDepth.UP_TO_5),
        (501, 401, LoopDepth.OVER_5),
        (100, 100, LoopDepth.OVER_5),
        (100, 200, LoopDepth.OVER_5),
    ],
)
def test_depth_is_assets_over_own_money_in_them(owned: int, owed: int, depth: LoopDepth) -> None:
    assert depths_of(np.array([owned]), np.array([owed])).tolist() == [int(depth)]


def test_classes_of_leverage_hold_their_lower_end() -> None:
    amounts = np.array([99, 100, 299, 300, 1_999, 2_000, 5, 0])
    equity = np.array([100, 100, 100, 100, 100, 100, 0, -5])
    assert classes_of(amounts, equity).tolist() == [0, 1, 2, 3, 6, 7, NO_EQUITY, NO_EQUITY]


def test_the_ladder_has_each_loop_on_the_rung_where_it_dies(known: Known) -> None:
    engine = known.venue.engine
    rows = ladder(engine, groups(known), np.array([10_000, 100_000, 100]), 0)
    usde = rows["asset"] == 0
    names = list(engine.profiles)
    rungs = {
        names[profile]: (level, owned // USD)
        for profile, level, owned in zip(
            rows["profile"][usde], rows["level_ppm"][usde], rows["owned"][usde], strict=True
        )
    }
    assert rungs["spot-margin"] == (880_000, 500_000)
    assert rungs["loan"] == (780_000, 350_000)  # 0.7849, in whole per cent
    assert rungs["single"] == (0, 7_000)  # nothing owed: at no price
    # Its ETH alone, 38,000 after the haircut, carries 1.05 times the 5,900 that 300,000 of the contract need.
    assert rungs["portfolio"] == (0, 60_000)


@pytest.fixture
def tape(known: Known, tmp_path: Path) -> Tape:
    """A run of two moments in which nothing happens."""
    engine = known.venue.engine
    run = RunFolder.create(
        tmp_path / "run",
        {
            "start_utc": "2025-10-10T20:40:00Z",
            "groups": ["house", "trader"],
            "profiles": list(engine.profiles),
        },
    )
    writer = TapeWriter(run)
    writer.instruments(
        {
            "instrument": [0, 1],
            "name": list(ASSETS),
            "kind": ["spot", "spot"],
            "class": ["", ""],
            "tick_usd": [0.0001, 0.1],
            "lot_coins": [0.1, 0.001],
            "unit": [10, 100],
            "lots_per_coin": [10, 1000],
            "is_collateral": [True, True],
            "outside_start_ticks": [10_000, 100_000],
            "maker_depth": [0, 0],
        }
    )
    for time_ms in (0, 60_000):
        writer.table("leverage", inventory(engine, groups(known), time_ms))
        writer.table("forced", ladder(engine, groups(known), np.array([10_000, 100_000, 100]), time_ms))
    writer.finish()
    return Tape(run)


def test_measures_and_report_read_the_same_tables(tape: Tape) -> None:
    def value(name: str, **arguments: object) -> float:
        found = measured(tape, name, arguments).value
        assert found is not None
        return found

    assert value("effective_leverage") == pytest.approx((957 + 400) / 357)
    assert value("shown_leverage", moment="end") == pytest.approx(400 / 357)
    assert value("hidden_share_percent") == pytest.approx(100 * 957 / 1357)
    assert value("hidden_usd") == pytest.approx(950_000)  # not the 7,000 of the holder
    assert value("effective_leverage", product="loan") == pytest.approx(3.5)
    prices = (0.9, 0.88, 0.79, 0.78)
    forced = [value("forced_usd", instrument="USDe", price_usd=price) for price in prices]
    assert forced == pytest.approx([0.0, 500_000, 500_000, 850_000])
    shown = leverage_of(tape)
    assert shown is not None
    assert shown.total.accounts == 5 and shown.total.effective == pytest.approx(1357 / 357)
    assert shown.ladders[0].asset == "USDe" and shown.ladders[0].down_to(88) == pytest.approx(500_000)
    assert shown.effective.sum() == pytest.approx(shown.shown.sum()) == pytest.approx(357_000)


def test_the_questions_of_the_page_have_answers(tape: Tape, repository: Path) -> None:
    page = (repository / "docs" / "how-to" / "hidden-leverage.md").read_text()
    depths, rungs = (tape.rows(question) for question in re.findall(r"^```sql\n(.*?)^```", page, re.M | re.S))
    assert [(row[0], row[1]) for row in depths] == [(0, 1), (1, 2), (3, 1), (4, 1)]
    shown = leverage_of(tape)
    assert shown is not None
    reported = [(row.accounts, row.equity, row.owned, row.owed, row.contracts) for row in shown.depths]
    assert [row[1:6] for row in depths] == [pytest.approx(row) for row in reported]
    assert [(row[1], row[3]) for row in rungs if row[0] == "USDe"] == [(0.88, 500_000), (0.78, 850_000)]


def test_a_run_without_the_tables_has_no_inventory(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", {"start_utc": "2025-10-10T20:40:00Z"})
    TapeWriter(run).finish()
    assert leverage_of(Tape(run)) is None
