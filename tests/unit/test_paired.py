"""Draws paired by seed: worked numbers of a change, its interval and its signs."""

from __future__ import annotations

import pytest

from undertow.lab.paired import change, sign_flip, sign_test, t_quantile

FIRST = [212, 41, 388, 175, 52, 301, 230, 97]
SECOND = [150, 38, 290, 171, 60, 214, 166, 90]


def test_a_worked_change() -> None:
    """Bad debt in millions at seeds 1 to 8 under two rules; every number recomputed by hand elsewhere."""
    found = change(FIRST, SECOND)
    assert found.mean == pytest.approx(-39.625)
    assert found.deviation == pytest.approx(42.577, abs=5e-4)
    assert found.interval == pytest.approx((-75.22, -4.03), abs=5e-3)
    assert found.pairing == pytest.approx(12.0, abs=5e-2)
    assert found.correlation == pytest.approx(0.983, abs=5e-4)
    assert found.sign_p == pytest.approx(0.0703, abs=5e-5)
    assert found.flip_p == 0.046875
    assert (found.pairs, found.fell, found.rose, found.one_sign) == (8, 7, 1, 7)
    assert found.share_one_sign == 7 / 8


def test_the_other_way_round_turns_the_signs_and_nothing_else() -> None:
    one, two = change(FIRST, SECOND), change(SECOND, FIRST)
    assert one.mean is not None and two.mean is not None and one.mean == -two.mean
    assert one.differences == tuple(-each for each in two.differences if each is not None)
    assert (one.rose, one.sign_p, one.flip_p, one.pairing) == (two.fell, two.sign_p, two.flip_p, two.pairing)


def test_a_pair_without_a_value_has_no_difference() -> None:
    found = change([1.0, None, 3.0], [2.0, 5.0, None])
    assert found.differences == (1.0, None, None)
    assert (found.pairs, found.mean, found.interval, found.pairing) == (1, 1.0, None, None)
    nothing = change([None], [1.0])
    assert (nothing.pairs, nothing.mean, nothing.share_one_sign) == (0, None, None)
    with pytest.raises(ValueError, match="shorter"):
        change([1.0], [])


def test_draws_that_do_not_move_are_no_evidence() -> None:
    found = change([1.0, 2.0], [1.0, 2.0])
    assert (found.sign_p, found.flip_p, found.interval, found.one_sign) == (None, 1.0, (0.0, 0.0), 0)


@pytest.mark.parametrize(("agreeing", "chance"), [(5, 0.0625), (6, 0.03125), (8, 0.0078125)])
def test_below_six_draws_signs_prove_nothing(agreeing: int, chance: float) -> None:
    assert sign_test(agreeing, 0) == sign_test(0, agreeing) == chance
    assert sign_flip([1.0] * agreeing) == chance


@pytest.mark.parametrize(
    ("freedom", "t"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (7, 2.365), (10, 2.228), (15, 2.131), (120, 1.980)],
)
def test_quantiles_are_those_of_the_tables(freedom: int, t: float) -> None:
    assert t_quantile(freedom) == pytest.approx(t, abs=6e-4)
