"""The price of the house's stock: what a market said for a while, not what it said last."""

from __future__ import annotations

import numpy as np
import pytest

from undertow.lab.stock_price import WINDOW_S, StockPrices


def after(marks: list[int], every_s: float = 1.0) -> int:
    """The price after these marks of one asset."""
    prices = StockPrices(np.array([marks[0]], np.int64), every_s)
    for mark in marks[1:]:
        prices.see(np.array([mark], np.int64))
    return int(prices.ticks()[0])


@pytest.mark.parametrize("every_s", [1.0, 10.0, 60.0])
def test_less_than_half_the_window_does_not_move_it(every_s: float) -> None:
    """0.95 for long, then prints of 0.32 in an empty book: the stock is worth 0.95 until they are most."""
    window = round(WINDOW_S / every_s)
    long = [9_500] * 2 * window
    assert after([*long, *[3_200] * ((window - 1) // 2)], every_s) == 9_500
    assert after([*long, *[3_200] * (window // 2 + 1)], every_s) == 3_200


def test_swings_leave_the_middle() -> None:
    assert after([9_000, 3_233, 9_608] * 100) == 9_000
    assert after([9_608, 3_233] * 150) == 3_233  # of two middle marks the lower


def test_a_young_run_knows_what_it_has_seen() -> None:
    assert after([10_000]) == 10_000
    assert after([10_000, 9_000, 8_000]) == 9_000


def test_each_asset_has_its_own() -> None:
    prices = StockPrices(np.array([100, 5], np.int64), 1.0)
    for _ in range(2):
        prices.see(np.array([50, 9], np.int64))
    assert prices.ticks().tolist() == [50, 9]
