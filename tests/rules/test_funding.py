"""Funding: worked numbers of each premium, rate and payment rule, with their source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from undertow.venue import funding
from undertow.venue.records import InstrumentKind

LINEAR = int(InstrumentKind.LINEAR)
INVERSE = int(InstrumentKind.INVERSE)
HOUR = 3_600
EIGHT_HOURS = 8 * HOUR
MAXIMUM = 1_000_000_000
CLAMP = 500_000  # 0.05 % in ppb


@pytest.fixture
def vectors(shared: Path) -> dict[str, dict[str, Any]]:
    """The published and recomputed examples, by id."""
    listed = json.loads((shared / "spec" / "mechanism_vectors.json").read_text())
    return {vector["id"]: vector for vector in listed}


def rules_of(**rule: int) -> Any:
    """One FUNDING_RULE row: hourly, quoted for eight hours, sampled each second."""
    rules = np.zeros(1, funding.FUNDING_RULE)
    given = {"sample_seconds": 1, "interval_seconds": HOUR, "period_seconds": EIGHT_HOURS} | rule
    for name, value in given.items():
        rules[name] = value
    return rules


def inputs_of(**given: int) -> funding.FundingInputs:
    values = dict.fromkeys(funding.FundingInputs._fields, 0) | {"maximum_ticks": MAXIMUM} | given
    return funding.FundingInputs(**{name: np.array([value], np.int64) for name, value in values.items()})


def state_due_at(second: int) -> funding.FundingState:
    return funding.allocate_funding(np.array([second], np.int64))


@pytest.mark.parametrize("name", ["bin-funding-0", "bin-funding-1", "bin-funding-2", "bin-funding-3"])
def test_clamped_interest_scaled_to_the_interval(vectors: dict[str, dict[str, Any]], name: str) -> None:
    """F = [P + clamp(I - P, +-0.05 %)] / (8 / N): notice of 16 Sep 2025."""
    given = vectors[name]["inputs"]
    rate = funding.clamped_rate_ppb(
        round(given["P"] * 1e9), round(given["I"] * 1e9), CLAMP, given["N"] * HOUR, EIGHT_HOURS
    )
    assert rate == round(vectors[name]["expected"]["F"] * 1e9)


@pytest.mark.parametrize("name", ["bmx-funding-0", "bmx-funding-1"])
def test_clamped_interest_of_an_eight_hour_contract(vectors: dict[str, dict[str, Any]], name: str) -> None:
    """F = P + clamp(I - P, +-0.05 %): mechanisms 3."""
    given = vectors[name]["inputs"]
    rate = funding.clamped_rate_ppb(
        round(given["P"] * 1e9), round(given["I"] * 1e9), CLAMP, EIGHT_HOURS, EIGHT_HOURS
    )
    assert rate == round(vectors[name]["expected"]["F"] * 1e9)


def test_caps_on_the_rate_and_on_its_change() -> None:
    """Mechanisms 3: margins of 1 % and 0.5 % cap the rate at 0.375 % and its change at 0.375 %; after
    17 April 2020 (0.45 %) at 0.4125 % and 0.3375 %."""
    assert (
        funding.capped_rate_ppb(9_000_000, 1_000_000, 3_750_000, 3_750_000, funding.RATE_LIMIT_PPB)
        == 3_750_000
    )
    assert (
        funding.capped_rate_ppb(9_000_000, -3_000_000, 3_750_000, 3_750_000, funding.RATE_LIMIT_PPB)
        == 750_000
    )
    assert (
        funding.capped_rate_ppb(-9_000_000, 500_000, 4_125_000, 3_375_000, funding.RATE_LIMIT_PPB)
        == -2_875_000
    )
    assert funding.capped_rate_ppb(9_000_000, 0, 0, 0, funding.RATE_LIMIT_PPB) == 9_000_000


def test_average_premium_over_a_day_of_hours(vectors: dict[str, dict[str, Any]]) -> None:
    """ftx-funding: 10 coins at an average premium of 12 pay 5.00 an hour (help 360027659172).

    A tick is 0.1, a lot 0.001 coin, so a tick of a lot is 100 micros. The premium swings around 12.
    """
    vector = vectors["ftx-funding"]
    rules = rules_of(premium=funding.PREMIUM_TICKS, sample_seconds=60)
    state = state_due_at(HOUR)
    average_ticks = round(vector["inputs"]["twap_premium"] * 10)
    for minute in range(1, 61):
        swing = 40 if minute % 2 else -40
        inputs = inputs_of(index_ticks=200_000, mark_ticks=200_000 + average_ticks + swing)
        due = funding.update_funding(rules, inputs, state, minute * 60)
    assert due == 1
    assert state.rate_ppb[0] == 25_000  # 12 / 20,000 / 24, in ppb
    lots = vector["inputs"]["size"] * 1_000
    charge = (int(state.charge_ticks[0]), int(state.charge_ppb[0]))
    assert funding.funding_amount(LINEAR, 100, lots, *charge) == -vector["expected"]["long_pays"] * 1e6
    assert funding.funding_amount(LINEAR, 100, -lots, *charge) == vector["expected"]["long_pays"] * 1e6


@pytest.mark.parametrize(
    ("caps", "previous_ppb", "charge"),
    [
        ({}, 0, 5_000_000_000),  # 120 / 24 = 5 ticks an hour
        ({"cap_ppb": 20_000}, 0, 4_000_000_000),  # 0.002 % of 200,000 ticks
        ({"change_cap_ppb": 10_000}, 5_000, 3_000_000_000),  # 0.0005 % before, 0.001 % more at most
        ({"cap_ppb": 10_000, "change_cap_ppb": 10_000}, 5_000, 2_000_000_000),
    ],
)
def test_caps_hold_under_an_average_premium_too(caps: dict[str, int], previous_ppb: int, charge: int) -> None:
    """A cap of the rate is a cap of the money per coin: rate x index."""
    rules = rules_of(premium=funding.PREMIUM_TICKS, **caps)
    for sign in (1, -1):
        state = state_due_at(HOUR)
        state.rate_ppb[0] = sign * previous_ppb
        inputs = inputs_of(index_ticks=200_000, mark_ticks=200_000 + sign * 120)
        assert funding.update_funding(rules, inputs, state, HOUR) == 1
        assert (state.charge_ticks[0], state.charge_ppb[0]) == (1, sign * charge)


@pytest.mark.parametrize("cap", ["cap_ppb", "change_cap_ppb"])
def test_a_wide_cap_on_a_fine_grid_holds_nothing_back(cap: str) -> None:
    """107.3742 % of 2**34 ticks is 2**64 and a little: wrapped, the cap would be 176 ppb of the index.

    The premium is held at 10**8 ticks, a 24th of it is charged: 4,166,666.67 ticks a coin, far below the cap.
    """
    state = state_due_at(HOUR)
    index = 1 << 34
    inputs = inputs_of(index_ticks=index, mark_ticks=index + 200_000_000, maximum_ticks=1 << 36)
    rules = rules_of(premium=funding.PREMIUM_TICKS, **{cap: 1_073_742_000})
    assert funding.update_funding(rules, inputs, state, HOUR) == 1
    assert state.charge_ppb[0] == 4_166_666_666_666_667


def test_impact_premium_hourly_share_and_oracle_notional(vectors: dict[str, dict[str, Any]]) -> None:
    """hl-funding: premium 0.1 %, eight-hour rate 0.05 %, hourly 6.25e-5, two coins pay 1.25.

    Docs trading/funding. Charged on the oracle's notional, not on the mark's (mechanisms 11, trap 8).
    """
    vector = vectors["hl-funding"]
    given, expected = vector["inputs"], vector["expected"]
    rules = rules_of(
        sample_seconds=5,
        interest_ppb=round(given["interest_8h"] * 1e9),
        clamp_ppb=CLAMP,
        cap_ppb=40_000_000,
    )
    state = state_due_at(HOUR)
    inputs = inputs_of(
        index_ticks=given["oracle"],
        mark_ticks=given["oracle"] + 500,
        bid_ticks=given["impact_bid"],
        ask_ticks=given["impact_ask"],
    )
    difference = funding.impact_premium_ticks(
        given["impact_bid"], given["impact_ask"], MAXIMUM, given["oracle"], given["oracle"]
    )
    assert funding.premium_rate_ppb(difference, given["oracle"]) == round(expected["premium"] * 1e9)
    for second in range(5, HOUR + 1, 5):
        funding.update_funding(rules, inputs, state, second)
    assert state.due[0] == 1
    assert state.rate_ppb[0] == round(expected["hourly"] * 1e9)
    amount = funding.funding_amount(
        LINEAR, 1_000_000, given["size"], int(state.charge_ticks[0]), int(state.charge_ppb[0])
    )
    assert amount == -expected["long_pays"] * 1e6


def test_hourly_cap() -> None:
    """Mechanisms 4: a raw hourly 7 % becomes 4 %."""
    raw = funding.clamped_rate_ppb(560_500_000, 100_000, CLAMP, HOUR, EIGHT_HOURS)
    assert raw == 70_000_000
    assert funding.capped_rate_ppb(raw, 0, 40_000_000, 0, funding.RATE_LIMIT_PPB) == 40_000_000


def test_floor_at_zero_premium(vectors: dict[str, dict[str, Any]]) -> None:
    """hl-funding-floor: 0.00125 % an hour, 10.95 % a year (trading/funding)."""
    expected = vectors["hl-funding-floor"]["expected"]
    hourly = funding.clamped_rate_ppb(0, 100_000, CLAMP, HOUR, EIGHT_HOURS)
    assert hourly == round(expected["hourly"] * 1e9)
    assert hourly * 24 * 365 == round(expected["simple_apr"] * 1e9)
    assert (1 + hourly / 1e9) ** 8_760 - 1 == pytest.approx(expected["compounded"], abs=1e-9)


def test_guide_trade_of_an_inverse_contract(vectors: dict[str, dict[str, Any]]) -> None:
    """bmx-guide: 15,000 contracts at 750 are 20 coins; 0.25 % of them is 0.05 (contracts guide).

    A tick is 0.5 and a contract one dollar: 2e8 atoms x ticks a lot. The interest of the guide is
    (1 % - 0.25 %) / 3 a period.
    """
    vector = vectors["bmx-guide"]
    given, expected = vector["inputs"], vector["expected"]
    interest = round((given["quote_rate_day"] - given["base_rate_day"]) / 3 * 1e9)
    assert interest == round(expected["funding_rate"] * 1e9)
    rate = funding.clamped_rate_ppb(interest, interest, CLAMP, EIGHT_HOURS, EIGHT_HOURS)
    atoms = funding.funding_amount(INVERSE, 200_000_000, given["contracts"], 2 * given["entry"], rate)
    assert atoms == -round(expected["funding_paid"] * 1e8)


def test_impact_premium_from_a_mark_keeps_its_basis() -> None:
    """Mechanisms 3: [max(0, bid - M) - max(0, M - ask)] / X plus the fair basis already in M."""
    assert funding.impact_premium_ticks(10_012, 10_014, MAXIMUM, 10_010, 10_000) == 12
    assert funding.impact_premium_ticks(10_000, 10_004, MAXIMUM, 10_010, 10_000) == 4
    assert funding.impact_premium_ticks(9_990, 10_020, MAXIMUM, 10_000, 10_000) == 0
    assert funding.impact_premium_ticks(0, MAXIMUM, MAXIMUM, 10_000, 10_000) == 0


def test_middle_premium_uses_the_last_price_when_a_side_is_empty() -> None:
    rules = rules_of(premium=funding.PREMIUM_MIDDLE, period_seconds=HOUR)
    state = state_due_at(3)
    for second, ask in ((1, 10_030), (2, 0)):
        inputs = inputs_of(index_ticks=10_000, bid_ticks=10_010, ask_ticks=ask, last_ticks=10_040)
        funding.update_funding(rules, inputs, state, second)
    assert state.samples[0] == 2
    assert state.premium_sum[0] == 2_000_000 + 4_000_000


def test_an_interval_without_samples_has_premium_zero() -> None:
    rules = rules_of(interest_ppb=100_000, clamp_ppb=CLAMP)
    state = state_due_at(HOUR)
    state.next_sample[0] = 10 * HOUR
    assert funding.update_funding(rules, inputs_of(index_ticks=100), state, HOUR) == 1
    assert state.rate_ppb[0] == 12_500


def test_intervals_missed_in_one_call_are_charged_once_and_the_clock_keeps_its_grid() -> None:
    state = state_due_at(HOUR)
    assert funding.update_funding(rules_of(), inputs_of(index_ticks=100), state, 3 * HOUR + 5) == 1
    assert state.next_due[0] == 4 * HOUR
    assert funding.update_funding(rules_of(), inputs_of(index_ticks=100), state, 3 * HOUR + 6) == 0
    assert state.due[0] == 0


def test_without_an_index_nothing_is_charged() -> None:
    state = state_due_at(HOUR)
    assert funding.update_funding(rules_of(), inputs_of(), state, HOUR) == 0
    assert state.next_due[0] == 2 * HOUR


def test_payer_pays_up_receiver_receives_down_and_the_house_keeps_the_rest() -> None:
    """Lots worth one unit each at a rate of 40 %: amounts in fractions of a unit show the rounding."""
    sizes = np.array([3, -1, -2, 7], np.int64)
    instruments = np.array([0, 0, 0, 1], np.int64)
    charges = funding.Charges(
        kinds=np.array([LINEAR, LINEAR], np.int64),
        units=np.array([1, 1], np.int64),
        due=np.array([1, 0], np.int64),
        charge_ticks=np.array([1, 1], np.int64),
        charge_ppb=np.array([400_000_000, 400_000_000], np.int64),
    )
    amounts = np.full(4, 99, np.int64)
    remainders = np.full(2, 99, np.int64)
    funding.charge_positions(instruments, sizes, charges, amounts, remainders)
    assert amounts.tolist() == [-2, 0, 0, 0]  # owes 1.2, is owed 0.4 and 0.8
    assert remainders.tolist() == [2, 0]


def test_an_inverse_value_rounds_the_way_its_payment_does() -> None:
    """Ten atoms x ticks at a price of 3 ticks are 3.33 atoms: the payer's value is 4, the receiver's 3."""
    assert funding.funding_amount(INVERSE, 10, 1, 3, 1_000_000_000) == -4
    assert funding.funding_amount(INVERSE, 10, -1, 3, 1_000_000_000) == 3
    assert funding.funding_amount(INVERSE, 10, -1, 3, -1_000_000_000) == -4
    assert funding.funding_amount(INVERSE, 10, 1, 3, -1_000_000_000) == 3
