"""Where a calibration looks: in range, the same again, on from a journal, and closer than chance."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from undertow.errors import InputError
from undertow.lab.search import Dimension, Tried, require_libraries, suggested

pytest.importorskip("optuna", reason="the extra `lab` is not installed")

DIMENSIONS = (
    Dimension("crowd.makers.capital_usd", 1e8, 1e10, True, False),
    Dimension("crowd.makers.trip_loss", 0.0, 1.0, False, False),
    Dimension("crowd.makers.firms", 2, 9, False, True),
)
OWN = {"crowd.makers.capital_usd": 2e8, "crowd.makers.trip_loss": 0.9, "crowd.makers.firms": 3.0}


def bowl(values: Mapping[str, float]) -> float:
    """Least, zero, at capital 3e9, trip loss 0.3, seven firms."""
    capital, trip, firms = values.values()
    return (capital / 3e9 - 1) ** 2 + (trip - 0.3) ** 2 * 10 + (firms - 7) ** 2 / 10


def searched(trials: int, loss: Callable[[Mapping[str, float]], float] = bowl, seed: int = 1) -> list[Tried]:
    tried: list[Tried] = []
    while len(tried) < trials:
        values = suggested(DIMENSIONS, tried, OWN, 16, seed)
        tried.append(Tried(values, loss(values)))
    return tried


@pytest.fixture(scope="module")
def tried() -> list[Tried]:
    return searched(40)


def test_the_first_trial_is_the_case_itself(tried: list[Tried]) -> None:
    assert tried[0].values == OWN


def test_every_value_is_in_range_whole_where_it_must_be_and_short(tried: list[Tried]) -> None:
    for trial in tried[1:]:
        for each in DIMENSIONS:
            value = trial.values[each.key]
            assert each.low <= value <= each.high
            assert value == float(f"{value:.6g}")
        assert trial.values["crowd.makers.firms"] % 1 == 0


def test_the_screen_spreads_over_the_ranges(tried: list[Tried]) -> None:
    screen = [trial.values["crowd.makers.trip_loss"] for trial in tried[1:17]]
    assert sorted(int(value * 4) for value in screen) == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    capital = [trial.values["crowd.makers.capital_usd"] for trial in tried[1:17]]
    assert sum(value < 1e9 for value in capital) == 8  # half of a logarithmic range


def test_the_search_does_better_than_the_screen(tried: list[Tried]) -> None:
    assert min(trial.loss for trial in tried[17:]) < 0.5 * min(trial.loss for trial in tried[:17])


def test_what_comes_next_depends_on_the_trials_and_the_seed_alone(tried: list[Tried]) -> None:
    for number in (5, 30):
        assert suggested(DIMENSIONS, tried[:number], OWN, 16, 1) == tried[number].values
        assert suggested(DIMENSIONS, tried[:number], OWN, 16, 2) != tried[number].values
    other = [Tried(trial.values, -trial.loss) for trial in tried[:30]]
    assert suggested(DIMENSIONS, other, OWN, 16, 1) != tried[30].values


def test_own_values_outside_the_range_do_no_harm() -> None:
    outside = {**OWN, "crowd.makers.capital_usd": 5.0}
    history = [Tried(outside, 0.0), *searched(20)[1:]]
    assert suggested(DIMENSIONS, history, outside, 16, 1)["crowd.makers.capital_usd"] >= 1e8


@pytest.mark.parametrize(
    ("dimension", "share", "value"),
    [(DIMENSIONS[0], 0.5, 1e9), (DIMENSIONS[1], 0.25, 0.25), (DIMENSIONS[2], 0.25, 4.0)],
)
def test_shares_of_a_range(dimension: Dimension, share: float, value: float) -> None:
    assert dimension.at(share) == pytest.approx(value)


def test_without_the_libraries_there_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    known = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name == "optuna":
            raise ImportError(name)
        return known(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match=r"needs scipy and optuna, .* pip install 'undertow\[lab\]'"):
        require_libraries()
