"""Prices written down: anchors are met, noise keeps its promises, shocks are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from undertow.world.prices import (
    Anchor,
    CoinPath,
    Shape,
    paths_from_anchors,
    shaped,
)

MINUTE = 60_000
BTC = CoinPath(
    "BTC",
    [Anchor(0, price_usd=100_000.0), Anchor(20 * MINUTE, fall=0.1, low=True), Anchor(60 * MINUTE, fall=0.03)],
    volatility_bp=8.0,
)


def test_anchors_are_met_exactly_and_nothing_is_below_the_low() -> None:
    path = paths_from_anchors([BTC], 3_600, 1_000, seed=7)[:, 0]
    assert path.shape == (3_601,)
    assert path[[0, 1_200, 3_600]] == pytest.approx([100_000.0, 90_000.0, 97_000.0], rel=1e-12)
    assert path.min() == pytest.approx(90_000.0, rel=1e-12)


def test_without_noise_and_reference_the_path_is_straight_in_log_price() -> None:
    quiet = BTC._replace(volatility_bp=0.0)
    path = np.log(paths_from_anchors([quiet], 1_200, 1_000, seed=7)[:, 0])
    assert np.diff(path) == pytest.approx(np.log(0.9) / 1_200, rel=1e-9)


def test_a_coin_with_one_fact_follows_the_reference_by_its_beta() -> None:
    follower = CoinPath("ALT", [Anchor(0, price_usd=2.0)], beta=1.5, reference="BTC")
    paths = paths_from_anchors([BTC, follower], 3_600, 1_000, seed=7)
    moves = np.log(paths / paths[0])
    assert moves[:, 1] == pytest.approx(1.5 * moves[:, 0], abs=1e-12)


def test_noise_has_the_stated_size_and_is_pinned() -> None:
    noisy = CoinPath(
        "ALT", [Anchor(0, price_usd=1.0), Anchor(600 * MINUTE, price_usd=1.0)], volatility_bp=20.0
    )
    path = np.log(paths_from_anchors([noisy], 36_000, 1_000, seed=7)[:, 0])
    assert path[0] == path[-1] == pytest.approx(0.0, abs=1e-12)
    assert np.std(np.diff(path[::60])) * 1e4 == pytest.approx(20.0, rel=0.1)


def test_a_longer_step_sees_the_same_path() -> None:
    fine = paths_from_anchors([BTC], 3_600, 1_000, seed=7)
    coarse = paths_from_anchors([BTC], 720, 5_000, seed=7)
    assert coarse == pytest.approx(fine[::5], rel=1e-12)


def test_another_seed_another_coin_another_noise() -> None:
    first = paths_from_anchors([BTC, BTC._replace(coin="BCH")], 3_600, 1_000, seed=7)
    second = paths_from_anchors([BTC], 3_600, 1_000, seed=8)
    assert not np.allclose(first[:, 0], second[:, 0], rtol=1e-5)
    assert not np.allclose(first[:, 0], first[:, 1], rtol=1e-5)


def test_anchors_before_the_start_pin_the_walk_that_runs_into_it() -> None:
    early = CoinPath(
        "BTC",
        [Anchor(-10 * MINUTE, price_usd=100.0), Anchor(10 * MINUTE, price_usd=100.0)],
        volatility_bp=8.0,
    )
    path = paths_from_anchors([early], 600, 1_000, seed=7)[:, 0]
    assert path[0] != pytest.approx(100.0, rel=1e-6)
    assert path[-1] == pytest.approx(100.0, rel=1e-12)


def test_a_class_gives_its_falls_where_the_coin_has_no_fact_of_its_own() -> None:
    alt = Shape(1.7, "BTC", 50.0, [Anchor(20 * MINUTE, fall=0.3), Anchor(30 * MINUTE, fall=0.2)])
    coin = shaped("ADA", [Anchor(0, price_usd=0.8), Anchor(20 * MINUTE, price_usd=0.6)], alt)
    assert [(anchor.time_ms, anchor.price_usd, anchor.fall) for anchor in coin.anchors] == [
        (0, 0.8, None),
        (20 * MINUTE, 0.6, None),
        (30 * MINUTE, None, 0.2),
    ]
    path = paths_from_anchors([BTC, coin], 1_800, 1_000, seed=7)[:, 1]
    assert path[[1_200, 1_800]] == pytest.approx([0.6, 0.64], rel=1e-12)


@pytest.mark.parametrize(
    ("coin", "message"),
    [
        (CoinPath("ADA", []), "ADA: no anchor; at least one with a price is needed"),
        (
            CoinPath("ADA", [Anchor(0, fall=0.1)]),
            "ADA: the first anchor gives no price; falls are measured from it",
        ),
        (
            CoinPath("ADA", [Anchor(0, price_usd=1.0), Anchor(5)]),
            "ADA: the anchor at 5 ms needs either a price or a fall",
        ),
        (
            CoinPath("ADA", [Anchor(0, price_usd=1.0), Anchor(5, fall=1.0)]),
            "ADA: the anchor at 5 ms gives 0.0; above zero is needed",
        ),
        (
            CoinPath("ADA", [Anchor(0, price_usd=1.0), Anchor(0, fall=0.1)]),
            "ADA: the anchor at 0 ms does not come after the one before",
        ),
        (
            CoinPath("ADA", [Anchor(0, price_usd=1.0)], beta=1.0, reference="BTC"),
            "ADA: reference 'BTC' must stand before it in the list",
        ),
    ],
)
def test_anchors_that_make_no_path_are_refused(coin: CoinPath, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        paths_from_anchors([coin], 10, 1_000, seed=1)
    assert str(caught.value) == message
