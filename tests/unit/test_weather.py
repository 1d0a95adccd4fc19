"""Weather: load that feeds back, capacity, recorded windows, and the four modes. Figures: description 6."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from pydantic import ValidationError

from undertow.lab.build import Built
from undertow.lab.venues import Running
from undertow.world.weather import Incident, Weather, WeatherRules

START = np.array([100_000.0, 1_000.0])
VOLATILITY = np.array([7e-4, 9e-4])
TURNOVER = np.array([3e10, 1e10])
PEOPLE = 1_660_000


def make_weather(step_seconds: float = 1.0, **changes: object) -> Weather:
    rules = WeatherRules(**changes)
    return Weather(rules, VOLATILITY, TURNOVER, START, PEOPLE, step_seconds)


def run(
    weather: Weather, seconds: int, messages: float = 500, liquidations: float = 0, fall: float = 0.0
) -> None:
    """So many seconds with these rates a second; the price falls by `fall` in the first of them."""
    step_s = weather.step_seconds
    for _ in range(round(seconds / step_s)):
        weather.record(round(messages * step_s), round(liquidations * step_s), START * (1.0 - fall))


def test_an_ordinary_hour_is_clear() -> None:
    weather = make_weather()
    run(weather, 600)
    sky = weather.sky(600)
    assert (sky.failure, sky.transfers) == (0.0, 1.0)
    assert weather.load == pytest.approx(1.0)
    assert sky.latency_s == pytest.approx(0.01 / (1 - 1 / 12))


def test_load_counts_moves_messages_and_liquidations() -> None:
    weather = make_weather(retries=0.0)
    run(weather, 300)
    run(weather, 50, messages=1_500, liquidations=300, fall=0.0042)
    # -0.42 % in a minute: 6 calm sigmas for three quarters of the turnover, 4.68 for the rest.
    move = -np.log(1 - 0.0042) * (0.75 / 7e-4 + 0.25 / 9e-4)
    assert weather.load == pytest.approx(1 + 0.5 * move + 0.5 * 2 + 0.01 * 300, rel=0.01)


def test_beyond_capacity_a_share_of_messages_fails() -> None:
    weather = make_weather(retries=0.0, capacity=4.0)
    run(weather, 300)
    run(weather, 50, liquidations=700)
    assert weather.load == pytest.approx(8.0, rel=0.01)
    assert weather.sky(350).failure == pytest.approx(0.5, abs=0.01)


def test_retries_feed_back() -> None:
    shares = []
    for retries in (0.0, 2.0):
        weather = make_weather(retries=retries, capacity=4.0)
        run(weather, 300)
        run(weather, 100, liquidations=400)
        shares.append(weather.sky(0).failure)
    assert 0.15 < shares[0] < shares[1]


def test_the_storm_passes() -> None:
    weather = make_weather(retries=0.5)
    run(weather, 300)
    run(weather, 30, liquidations=3_000)
    assert weather.sky(330).failure > 0.3
    run(weather, 180)
    assert weather.sky(510).failure < 0.001


def test_load_does_not_depend_on_the_step() -> None:
    failures = []
    for step_seconds in (1.0, 5.0):
        weather = make_weather(step_seconds, retries=0.0)
        run(weather, 300)
        run(weather, 60, messages=2_000, liquidations=2_000)
        failures.append(weather.sky(360).failure)
    assert failures[0] == pytest.approx(failures[1], abs=0.02)


def test_recorded_windows_are_a_function_of_time() -> None:
    incidents = (
        Incident(start_s=100, end_s=200, failing=0.4, label="refusals"),
        Incident(start_s=150, end_s=300, transfers=0.1, label="slow transfers"),
    )
    weather = make_weather(mode="recorded", incidents=incidents)
    run(weather, 100, liquidations=10**6)
    seen = {time: weather.sky(time)[:2] for time in (99, 100, 150, 199, 200, 299, 300)}
    assert seen == {
        99: (0.0, 1.0),
        100: (0.4, 1.0),
        150: (0.4, 0.1),
        199: (0.4, 0.1),
        200: (0.0, 0.1),
        299: (0.0, 0.1),
        300: (0.0, 1.0),
    }


@pytest.mark.parametrize(("mode", "failing"), [("none", False), ("load", True), ("both", True)])
def test_modes(mode: str, failing: bool) -> None:
    incident = Incident(start_s=0, end_s=1_000, failing=0.5, transfers=0.0)
    weather = make_weather(mode=mode, incidents=(incident,))
    run(weather, 300, liquidations=5_000)
    sky = weather.sky(300)
    assert (sky.failure > 0.0) == failing
    assert sky.transfers == (0.0 if mode == "both" else 1.0)
    alone = make_weather(mode="load")
    run(alone, 300, liquidations=5_000)
    if mode == "both":
        assert sky.failure == pytest.approx(1 - 0.5 * (1 - alone.sky(300).failure))


def test_its_memory_is_everything() -> None:
    first, second = make_weather(), make_weather()
    run(first, 200, messages=900, liquidations=5_000)
    for name, array in second.memory().items():
        array[...] = first.memory()[name]
    for weather in (first, second):
        run(weather, 20, messages=2_000, fall=0.02)
    assert first.sky(220) == second.sky(220) and first.sky(220).failure > 0.0


def test_a_window_ends_after_it_starts() -> None:
    with pytest.raises(ValidationError, match=r"end_s is 5.0; more than start_s \(10.0\) is needed"):
        Incident(start_s=10, end_s=5)


def test_beyond_capacity_a_queue_grows_to_its_limit_and_drains() -> None:
    weather = make_weather(retries=0.0, capacity=4.0, queue_s=3.0)
    run(weather, 300)
    assert weather.sky(300).latency_s < 0.1
    run(weather, 20, liquidations=1_000)
    assert weather.sky(320).latency_s == pytest.approx(3.0 + 0.01 / 0.05)
    run(weather, 60)
    assert weather.sky(380).latency_s < 0.1
    run(weather, 20, liquidations=1_000)
    assert make_weather(mode="recorded").sky(0).latency_s == 0.01


@pytest.mark.parametrize(("off", "failure", "transfers"), [("refusals", 0.0, 0.2), ("stalls", 0.5, 1.0)])
def test_refusals_and_stalls_can_be_taken_away_alone(off: str, failure: float, transfers: float) -> None:
    window = Incident(start_s=0, end_s=10, failing=0.5, transfers=0.2)
    sky = make_weather(mode="recorded", incidents=(window,), **{off: False}).sky(5)
    assert (sky.failure, sky.transfers) == (failure, transfers)


def test_a_liquidation_weighs_when_it_begins_and_by_its_people() -> None:
    """However long it takes: two accounts, then a third with them; one that comes back begins again."""
    running = object.__new__(Running)
    listed = iter([[3, 5], [3, 5, 9], [5, 9], [], [3]])
    engine = SimpleNamespace(candidates=lambda: np.array(next(listed), np.int32))
    people = np.arange(10, dtype=np.int64) * 10
    running.built = cast(Built, SimpleNamespace(engine=engine, people=people))
    running._in_liquidation = np.zeros(0, np.int64)
    assert [running._newly_liquidated() for _ in range(5)] == [80, 90, 0, 0, 30]
