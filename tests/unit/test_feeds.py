"""Recorded tapes: read as they are, put on a grid without looking ahead, combined without trusting one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bars_file import bar, write_bars
from undertow.errors import DataError
from undertow.feeds.bars import read_bars
from undertow.feeds.manifest import Manifest, Tape, load_manifest
from undertow.feeds.outside import OutsidePrices, index_path, load_outside
from undertow.feeds.tables import IndexMinutes, read_index_minutes, read_pool
from undertow.feeds.times import utc_milliseconds, utc_text

START = utc_milliseconds("2025-10-10T20:50:00Z")


def _feed(*tapes: Tape) -> Manifest:
    return Manifest(name="test", tape=list(tapes))


def _bars_tape(venue: str, weight: float = 1.0) -> Tape:
    return Tape(
        name=venue, kind="bars", file="bars.parquet", venue=venue, weight=weight, symbols={"ADA": "ADA-USD"}
    )


def _load(folder: Path, rows: list[dict[str, object]], *tapes: Tape, seconds: int = 60) -> OutsidePrices:
    write_bars(folder / "bars.parquet", rows)
    return load_outside(folder, ["ADA"], START, START + seconds * 1_000, 1_000, _feed(*tapes))


def test_times_go_round() -> None:
    assert utc_milliseconds("1970-01-01T00:00:00Z") == 0
    assert utc_milliseconds("2025-10-10 20:50:00+00") == START == 1_760_129_400_000
    assert utc_milliseconds("2025-10-10T16:50:00-04:00") == START
    assert utc_text(START) == "2025-10-10T20:50:00Z"
    assert utc_text(START + 25) == "2025-10-10T20:50:00.025Z"


def test_bars_are_read_as_they_stand(tmp_path: Path) -> None:
    rows = [bar("20:50:00", 100.0), bar("20:50:00", 7.0, symbol="DOT-USD"), bar("20:50:05", 90.0, trades=9)]
    path = write_bars(tmp_path / "bars.parquet", rows)
    bars = read_bars(path, [("east", "ADA-USD")])["east", "ADA-USD"]
    assert bars.times_ms.tolist() == [START, START + 5_000]
    assert bars.vwap.tolist() == [100.0, 90.0]
    assert bars.low.tolist() == pytest.approx([99.0, 89.1])
    assert bars.trades.tolist() == [3.0, 9.0]


def test_a_grid_time_knows_only_the_bars_that_ended(tmp_path: Path) -> None:
    rows = [bar("20:49:50", 100.0), bar("20:50:10", 80.0), bar("20:51:00", 50.0)]
    outside = _load(tmp_path, rows, _bars_tape("east"))
    prices = outside.prices[:, 0]
    assert prices[10] == pytest.approx(100.0)
    assert prices[11] == pytest.approx(80.0)
    assert prices[60] == pytest.approx(80.0)
    assert outside.age_ms[[0, 10, 11, 60], 0].tolist() == [9_000, 19_000, 0, 49_000]
    assert not outside.uncertain.any()


def test_a_long_silence_is_bridged_by_a_straight_line_and_marked(tmp_path: Path) -> None:
    rows = [bar("20:49:59", 100.0), bar("20:51:39", 81.0)]
    outside = _load(tmp_path, rows, _bars_tape("east"), seconds=100)
    assert outside.prices[50, 0] == pytest.approx(90.0)
    assert outside.prices[100, 0] == pytest.approx(81.0)
    assert np.flatnonzero(outside.uncertain[:, 0]).tolist() == list(range(61, 100))


def test_tapes_that_agree_are_averaged_by_weight(tmp_path: Path) -> None:
    rows = [bar("20:49:59", 100.0), bar("20:49:59", 100.4, venue="west")]
    outside = _load(tmp_path, rows, _bars_tape("east", 3.0), _bars_tape("west", 1.0), seconds=10)
    assert outside.prices[:, 0] == pytest.approx(100.1, rel=1e-5)
    assert outside.source[:, 0].tolist() == [0] * 11
    assert outside.tapes == ("east", "west")
    assert not outside.uncertain.any()


def test_a_tape_far_off_hardly_moves_the_price_and_marks_it_uncertain(tmp_path: Path) -> None:
    rows = [bar("20:49:59", 100.0), bar("20:49:59", 60.0, venue="west")]
    outside = _load(tmp_path, rows, _bars_tape("east", 3.0), _bars_tape("west", 1.0), seconds=10)
    assert outside.prices[:, 0] == pytest.approx(100.0, rel=1e-3)
    assert outside.uncertain.all()


def test_a_tape_that_falls_silent_yields_to_one_that_trades(tmp_path: Path) -> None:
    rows = [bar("20:49:59", 100.0)]
    rows += [
        bar(f"20:{50 + second // 60}:{second % 60:02d}", 90.0, venue="west") for second in range(0, 170, 10)
    ]
    rows.append(bar("20:52:59", 90.0))
    outside = _load(tmp_path, rows, _bars_tape("east", 6.0), _bars_tape("west", 1.0), seconds=55)
    assert outside.prices[1, 0] == pytest.approx(100.0, rel=1e-3)
    shares = np.log(outside.prices[:, 0] / 90.0) / np.log(100.0 / 90.0)
    assert shares[0] == pytest.approx(1.0, abs=0.02)
    assert shares[55] < shares[0]


def test_a_witness_gives_no_price_but_casts_doubt(tmp_path: Path) -> None:
    rows = [bar("20:49:59", 100.0), bar("20:49:59", 90.0, venue="west")]
    outside = _load(tmp_path, rows, _bars_tape("east"), _bars_tape("west", 0.0), seconds=10)
    assert outside.prices[:, 0] == pytest.approx(100.0)
    assert outside.uncertain.all()


def test_minutes_of_an_index_pass_through_both_extremes() -> None:
    times = START + np.arange(3, dtype=np.int64) * 60_000
    minutes = IndexMinutes(
        times,
        last=np.array([100.0, 98.0, 99.0]),
        low=np.array([99.5, 90.0, 97.0]),
        high=np.array([101.0, 100.5, 103.0]),
    )
    knots_ms, prices = index_path(minutes, START, 1_000)
    assert ((knots_ms - START) // 1_000).tolist() == [0, 20, 40, 60, 80, 100, 120, 140, 160, 180]
    # first minute flat: low first; second falls: high first; third rises: low first
    assert prices.tolist() == [100.0, 99.5, 101.0, 100.0, 100.5, 90.0, 98.0, 97.0, 103.0, 99.0]
    for step_ms in (1_000, 7_000, 12_000, 15_000):
        snapped, _ = index_path(minutes, START, step_ms)
        extremes = snapped.reshape(-1)[1:].reshape(3, 3)[:, :2]
        assert not ((extremes - START) % step_ms).any(), "an extreme lies off the grid"
        assert (np.diff(snapped) > 0).all()


def test_index_and_pool_files(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text(
        "time_utc,last,low,high\n2025-10-10 20:49:00+00,100,99,101\n2025-10-10 20:50:00+00,95,94,100.5\n"
    )
    (tmp_path / "pool.csv").write_text(
        "time_utc,blockNumber,price,tick\n2025-10-10T20:49:47Z,7,1.0001,0\n2025-10-10T20:50:11Z,8,0.9990,0\n"
    )
    assert read_index_minutes(tmp_path / "index.csv").low.tolist() == [99.0, 94.0]
    assert read_pool(tmp_path / "pool.csv", "price").price.tolist() == [1.0001, 0.9990]
    feed = _feed(
        Tape(name="index", kind="index-minutes", file="index.csv", symbols={"BTC": "BTC"}),
        Tape(name="pool", kind="pool", file="pool.csv", column="price", symbols={"USDE": "USDE"}),
    )
    outside = load_outside(tmp_path, ["BTC", "USDE"], START, START + 60_000, 1_000, feed)
    assert outside.prices[[0, 20, 40, 60], 0] == pytest.approx([100.0, 100.5, 94.0, 95.0])
    assert outside.prices[[10, 11], 1] == pytest.approx([1.0001, 0.9990])


def test_what_the_tapes_do_not_reach_is_refused(tmp_path: Path) -> None:
    rows = [bar("20:50:30", 100.0)]
    assert _load(tmp_path, rows, _bars_tape("east")).prices[0, 0] == pytest.approx(
        100.0
    )  # the first stands in
    feed = _feed(_bars_tape("east"))
    with pytest.raises(DataError, match=r"feed test: no trade of ADA near 2025-10-10T20:10:00Z; start later"):
        load_outside(tmp_path, ["ADA"], START - 2_400_000, START, 1_000, feed)
    with pytest.raises(DataError, match=r"tape east: ends at 2025-10-10T20:50:31Z; .* is needed"):
        load_outside(tmp_path, ["ADA"], START, START + 2_400_000, 1_000, feed)
    with pytest.raises(DataError, match=r"feed test: no tape of SOL; there is ADA"):
        load_outside(tmp_path, ["SOL"], START, START + 1_000, 1_000, feed)


def test_the_shipped_feed_names_no_tape_of_the_stressed_venue() -> None:
    feed = load_manifest("oct-2025")
    assert {"BTC", "ETH", "SOL", "XRP", "USDE"} <= set(feed.coins())
    assert not any(
        "binance" in text.lower() for tape in feed.tape for text in (tape.file, tape.venue, tape.name)
    )


def test_the_recorded_evening(shared: Path) -> None:
    """Facts oct2025-050, -051, -079, -093, -127, -152 from the tapes they were read off."""
    if not (shared / "data" / "oct-2025").is_dir():
        pytest.skip("needs shared data/oct-2025; not found")
    coins = ["BTC", "DOGE", "LINK", "ADA", "USDE", "AVAX"]
    start, end = utc_milliseconds("2025-10-10T20:40:00Z"), utc_milliseconds("2025-10-10T22:40:00Z")
    outside = load_outside(shared / "data", coins, start, end, 1_000, "oct-2025")
    prices = dict(zip(coins, outside.prices.T, strict=True))
    assert prices["BTC"][600] == pytest.approx(116_919.1)
    assert prices["BTC"].min() == pytest.approx(106_211.6)
    assert utc_text(start + 1_000 * int(prices["BTC"].argmin())) == "2025-10-10T21:20:40Z"
    assert prices["DOGE"].min() == pytest.approx(0.15, rel=0.01)
    assert prices["LINK"].min() == pytest.approx(15.0, rel=0.01)
    falls = [prices[coin].min() / prices[coin][600] - 1.0 for coin in ("DOGE", "LINK", "ADA", "AVAX")]
    assert np.median(falls) == pytest.approx(-0.304, abs=0.03)
    assert prices["USDE"].min() > 0.9975
    # Two exchanges of one coin part company late in the evening; the calm part is certain.
    assert outside.uncertain[:600].mean() < 0.01
    assert 0.2 < outside.uncertain[1_800:, coins.index("LINK")].mean() < 0.9
