"""The index: worked numbers of each rule, with their source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from undertow.venue import index
from undertow.venue.fixed_point import decay_ppb, smoothed


@pytest.fixture
def vectors(shared: Path) -> dict[str, dict[str, Any]]:
    """The published and recomputed examples, by id."""
    listed = json.loads((shared / "spec" / "mechanism_vectors.json").read_text())
    return {vector["id"]: vector for vector in listed}


def one_index(
    prices: list[int], weights: list[int] | None = None, ages: list[int] | None = None, **rule: int
) -> Any:
    """The state after one update of one instrument whose last index was 77."""
    state = index.allocate_index(1, len(prices))
    state.index_ticks[0] = 77
    rules = np.zeros(1, index.INDEX_RULE)
    for name, value in rule.items():
        rules[name] = value
    constituents = index.Constituents(
        np.array([prices], np.int64),
        np.array([weights or [1] * len(prices)], np.int64),
        np.array([ages or [0] * len(prices)], np.int64),
    )
    index.update_indices(rules, constituents, state)
    return state


def test_a_constituent_beyond_the_tolerance_is_left_out(vectors: dict[str, dict[str, Any]]) -> None:
    """bmx-index-excl: 150, 100, 100 at 25 % gives 100 from the two that agree (index protection posts)."""
    vector = vectors["bmx-index-excl"]
    prices = list(vector["inputs"]["prices"].values())
    tolerance = int(vector["inputs"]["tolerance"] * 1_000_000)
    state = one_index(prices, [333_333] * 3, method=index.WEIGHTED_MEAN, outlier_ppm=tolerance)
    assert state.index_ticks[0] == vector["expected"]["index"]
    active = [name for name, kept in zip(vector["inputs"]["prices"], state.kept[0], strict=True) if kept]
    assert active == vector["expected"]["active"]


def test_exactly_at_the_tolerance_is_still_in() -> None:
    """'More than 25 % from the median' is dropped: mechanisms 3."""
    rule = {"method": index.MEAN, "outlier_ppm": 250_000}
    assert one_index([125, 100, 100], **rule).used[0] == 3
    assert one_index([126, 100, 100], **rule).used[0] == 2


def test_two_constituents_get_half_the_tolerance_and_then_the_index_freezes() -> None:
    """Mechanisms 3: 2 constituents, half tolerance, freeze; here 12.5 % either side of their middle."""
    rule = {"method": index.MEAN, "outlier_ppm": 250_000}
    assert one_index([875, 1_125], **rule).index_ticks[0] == 1_000
    frozen = one_index([874, 1_126], **rule)
    assert frozen.index_ticks[0] == 77
    assert frozen.used[0] == 0


def test_a_single_constituent_freezes_the_index_where_two_are_needed() -> None:
    """Mechanisms 3: 1 constituent, freeze; a feed older than 15 minutes is removed."""
    rule = {"method": index.MEAN, "minimum_constituents": 2, "stale_seconds": 900}
    assert one_index([100, 102], ages=[0, 900], **rule).index_ticks[0] == 101
    assert one_index([100, 102], ages=[0, 901], **rule).index_ticks[0] == 77


def test_weighted_median_takes_the_price_that_carries_the_middle_of_the_weight() -> None:
    """Mechanisms 4: spot weights 3, 2, 2, 1, 1, 1, 1; half of 11 is passed at the third price."""
    prices = [101, 99, 103, 98, 97, 105, 104]
    weights = [3, 2, 2, 1, 1, 1, 1]
    assert one_index(prices, weights, method=index.WEIGHTED_MEDIAN).index_ticks[0] == 101


def test_weight_split_in_two_equal_halves_gives_the_middle() -> None:
    assert one_index([100, 104], [1, 1], method=index.WEIGHTED_MEDIAN).index_ticks[0] == 102


def test_half_ticks_go_to_the_even_neighbour() -> None:
    assert one_index([100, 101], method=index.MEDIAN).index_ticks[0] == 100
    assert one_index([101, 102], method=index.MEDIAN).index_ticks[0] == 102


def test_missing_prices_are_no_constituents() -> None:
    assert one_index([0, 300, 100], [1, 0, 1], method=index.MEAN).index_ticks[0] == 100


def test_band_around_the_smoothed_index(vectors: dict[str, dict[str, Any]]) -> None:
    """ftx-index-ewma: 100 to 500 in one step, 20 % around a 300 s average, steps of 60 s.

    One tick is 0.01 here. The smoothed level carries 1e-6 ticks and its weight 1e-9, so the smoothed band
    agrees to 1e-8 relative, and the index is the nearest tick of it.
    """
    vector = vectors["ftx-index-ewma"]
    given = vector["inputs"]
    rules = np.zeros(1, index.INDEX_RULE)
    rules["band_ppm"] = int(given["band"] * 1_000_000)
    rules["alpha_ppb"] = decay_ppb(given["dt_s"] * 1_000, given["tau_s"] * 1_000)
    state = index.allocate_index(1, 1)
    state.ewma_microticks[0] = given["ewma0"] * 100 * 1_000_000
    column = np.array([[given["raw"] * 100]], np.int64)
    constituents = index.Constituents(column, np.ones_like(column), np.zeros_like(column))
    for expected in vector["expected"]["bounded"]:
        held = index.bounded_microticks(given["raw"] * 100, int(state.ewma_microticks[0]), 200_000)
        assert held / 100_000_000 == pytest.approx(expected, rel=1e-8)
        index.update_indices(rules, constituents, state)
        assert state.index_ticks[0] == round(expected * 100)
    assert state.raw_ticks[0] == 50_000


def test_weight_of_a_step_is_one_minus_the_exponential() -> None:
    """1 - exp(-60/300) = 0.18126924692201815 (mechanisms 1.1), to nine digits."""
    assert decay_ppb(60_000, 300_000) == 181_269_247
    assert decay_ppb(0, 300_000) == 0
    assert decay_ppb(1_000, 0) == 1_000_000_000


def test_half_a_microtick_of_smoothing_goes_to_the_even_step() -> None:
    """Steps of 0.5, 1.5 and -0.5 microticks become 0, 2 and 0; a wide gap rounds the same way."""
    half = 500_000_000
    assert [smoothed(7, 7 + gap, half) for gap in (1, 3, -1)] == [7, 9, 7]
    assert smoothed(0, 3_000_000_001, half) == 1_500_000_000
    assert smoothed(0, 3_000_000_003, half) == 1_500_000_002


def test_wrapped_token_before_and_after_the_change(vectors: dict[str, dict[str, Any]]) -> None:
    """bin-index-wbeth: 20 % own pair, 80 % through the reference; afterwards the conversion rate alone."""
    vector = vectors["bin-index-wbeth"]
    given = vector["inputs"]
    pair_ppm, staking_ppm = (int(given[key] * 1_000_000) for key in ("wbetheth", "staking_rate"))
    through_pair = index.converted_ticks(given["ethusdt"] * 100, pair_ppm, 1_000_000)
    before = index.blended_ticks(given["wbethusdt"] * 100, through_pair, 200_000)
    assert before == vector["expected"]["before"] * 100
    after = index.converted_ticks(given["ethusdt"] * 100, staking_ppm, 1_000_000)
    assert after == vector["expected"]["after"] * 100
