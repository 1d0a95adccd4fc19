"""A rulebook's figures as the venue's integers: instruments, tiers, profiles, collateral.

Holds the translation and nothing else: which integer each promise becomes, and the checks that it can. Holds
no file reading (`rulebook.load`) and no behaviour.

Units in: decimal dollars and coins, ppm; out: ticks, lots, settlement units, ppm (see `state.py`).
Invariant: a price tick times a lot is a whole number of settlement units, so the cost of a trade is exact.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.errors import RulebookError
from undertow.rulebook.collateral import CollateralAsset
from undertow.rulebook.margin import MarginClass
from undertow.rulebook.model import Rulebook
from undertow.rulebook.trading import SPOT_CLASS
from undertow.units import AMOUNT_LIMIT, MICROS, PPM
from undertow.venue.book import MAXIMUM_TICKS
from undertow.venue.dollars import money
from undertow.venue.records import InstrumentKind, SelfTrade
from undertow.venue.state import (
    ASSETS_KEPT,
    ASSETS_SOLD,
    ASSETS_TAKEN,
    BAND_RULE,
    COLLATERAL_NONE,
    COLLATERAL_RAW,
    COLLATERAL_WEIGHTED,
    FLAT_DEBT_RULE,
    FREEZE_RULE,
    MARGIN_FLAT,
    MARGIN_SQUARE_ROOT,
    MARGIN_STEPS,
    MARGIN_TIERS,
    MAXIMUM_ORDERS,
    MAXIMUM_PROFILES,
    POST_ONLY_AMEND_RULE,
    REDUCE_EACH,
    REDUCE_ONLY_RULE,
    REDUCE_TOGETHER,
    REDUCE_UNOFFERED,
    SELF_TRADE_RULE,
    TIER,
    WEIGHT_FLAT,
    WEIGHT_SQUARE_ROOT,
    WEIGHT_TIERS_BY_QUANTITY,
    WEIGHT_TIERS_BY_VALUE,
    WITHDRAWAL_NOTIONAL_PPM,
    State,
)

SELF_TRADE = {
    "allow": SelfTrade.ALLOW,
    "cancel-taker": SelfTrade.CANCEL_TAKER,
    "cancel-maker": SelfTrade.CANCEL_MAKER,
}
REDUCE_ONLY = {"each": REDUCE_EACH, "together": REDUCE_TOGETHER, "unoffered": REDUCE_UNOFFERED}
BAND = {"mark": 0, "index": 1, "opposite": 2}
COLLATERAL = {"none": COLLATERAL_NONE, "weighted": COLLATERAL_WEIGHTED, "raw": COLLATERAL_RAW}
FORCED_ASSETS = {"taken-over": ASSETS_TAKEN, "sold": ASSETS_SOLD, "kept": ASSETS_KEPT}
WEIGHT = {
    "flat": WEIGHT_FLAT,
    "sqrt": WEIGHT_SQUARE_ROOT,
    "tiers-by-quantity": WEIGHT_TIERS_BY_QUANTITY,
    "tiers-by-value": WEIGHT_TIERS_BY_VALUE,
}
ORDERS_PER_ACCOUNT = 10_000


class Listing(NamedTuple):
    """An instrument in human terms, as a case or a caller lists it."""

    name: str
    kind: InstrumentKind
    margin_class: str
    tick: Decimal  # dollars
    lot: Decimal  # coins; inverse: dollars a contract
    start: Decimal  # dollars
    settlement: int = 0
    decimals: int = 6  # of the settlement asset
    asset: str = ""  # spot: the asset whose collateral rule applies


def whole(value: Decimal, what: str) -> int:
    """`value` as an integer, or a RulebookError that names what is not whole."""
    number = int(value)
    if number != value or number <= 0:
        raise RulebookError(f"{what} is {value}, not a positive whole number; choose a coarser tick or lot")
    return number


def start_ticks(listing: Listing) -> int:
    """The start price in ticks, to the nearest."""
    return max(1, int((listing.start / listing.tick).to_integral_value()))


def instrument_figures(rulebook: Rulebook, listing: Listing) -> dict[str, int]:
    """Every static figure of an instrument, by the names of INSTRUMENT."""
    scale = Decimal(10) ** listing.decimals
    if listing.kind == InstrumentKind.INVERSE:
        unit = whole(
            listing.lot * scale / listing.tick, f"{listing.name}: contract / tick in the coin's units"
        )
        lots_per_coin = max(1, int(listing.start / listing.lot))
    else:
        unit = whole(listing.tick * listing.lot * scale, f"{listing.name}: tick x lot in settlement units")
        lots_per_coin = whole(1 / listing.lot, f"{listing.name}: lots per coin")
    maximum_ticks = min(MAXIMUM_TICKS, max(1024, 4 * start_ticks(listing)))
    worth = unit if listing.kind == InstrumentKind.INVERSE else unit * maximum_ticks
    spot = listing.kind == InstrumentKind.SPOT
    bands = SPOT_CLASS if spot and SPOT_CLASS in rulebook.orders.classes else listing.margin_class
    fees = SPOT_CLASS if spot and SPOT_CLASS in rulebook.fees.classes else listing.margin_class
    limit_band, market_band = rulebook.orders.bands(bands)
    taker, maker, liquidation = rulebook.fees.of(fees)
    figures = {
        "kind": int(listing.kind),
        "settlement": listing.settlement,
        "unit": unit,
        "lots_per_coin": lots_per_coin,
        "maximum_ticks": maximum_ticks,
        "maximum_lots": AMOUNT_LIMIT // worth,
        "minimum_notional": _minimum_notional(rulebook, listing),
        "price_band_ppm": limit_band,
        "market_band_ppm": market_band,
        "taker_fee_ppm": taker,
        "maker_fee_ppm": maker,
        "liquidation_fee_ppm": liquidation,
    }
    if spot:
        asset = rulebook.collateral.get(listing.asset or listing.name)
        return figures | (_collateral_figures(asset) if asset else {})
    return figures | _margin_figures(rulebook.margin_class(listing.margin_class), listing)


def _minimum_notional(rulebook: Rulebook, listing: Listing) -> int:
    dollars = rulebook.orders.min_notional_usd
    if listing.kind == InstrumentKind.INVERSE:
        return money(dollars / listing.start, listing.decimals)
    return money(dollars, listing.decimals)


def _margin_figures(rule: MarginClass, listing: Listing) -> dict[str, int]:
    if rule.kind == "brackets":
        largest = rule.largest_notional_micros() * 10**listing.decimals // MICROS
        return {"margin_rule": MARGIN_TIERS, "largest_notional": largest}
    if rule.kind == "sqrt":
        return {
            "margin_rule": MARGIN_SQUARE_ROOT,
            "rate_floor_ppm": rule.maintenance_floor_ppm * rule.weight_ppm // PPM,
            "rate_initial_floor_ppm": rule.initial_floor_ppm * rule.weight_ppm // PPM,
            "rate_initial_factor_ppb": rule.factor_ppb * rule.weight_ppm // PPM,
            "rate_factor_ppb": rule.factor_ppb * rule.maintenance_share_ppm // PPM * rule.weight_ppm // PPM,
            "long_cap_ppm": rule.long_cap_ppm,
        }
    if rule.kind == "steps":
        return {
            "margin_rule": MARGIN_STEPS,
            "rate_floor_ppm": rule.maintenance_ppm,
            "rate_initial_floor_ppm": rule.initial_ppm,
            "step_base": money(rule.base_coin, listing.decimals),
            "step_size": money(rule.step_coin, listing.decimals),
        }
    return {
        "margin_rule": MARGIN_FLAT,
        "rate_floor_ppm": rule.maintenance_ppm,
        "rate_initial_floor_ppm": rule.initial_ppm,
        "interest_lower": money(rule.oi_lower_usd, listing.decimals),
        "interest_upper": money(rule.oi_upper_usd, listing.decimals),
    }


def _collateral_figures(asset: CollateralAsset) -> dict[str, int]:
    initial, maintenance = asset.borrow_floors_ppm()
    initial_factor, maintenance_factor = asset.borrow_factors_ppb()
    total_weight, initial_weight = asset.weight_total_ppm, asset.weight_initial_ppm
    if asset.tiers:
        total_weight = initial_weight = asset.tiers[0].weight_ppm
    return {
        "weight_rule": WEIGHT[asset.kind],
        "weight_total_ppm": total_weight,
        "weight_initial_ppm": initial_weight,
        "weight_factor_ppb": asset.factor_ppb if asset.kind == "sqrt" else 0,
        "borrow_floor_ppm": maintenance,
        "borrow_initial_floor_ppm": initial,
        "borrow_factor_ppb": maintenance_factor,
        "borrow_initial_factor_ppb": initial_factor,
    }


def tiers_of(rulebook: Rulebook, listing: Listing) -> NDArray[np.void]:
    """The instrument's margin brackets or collateral tiers, as TIER records; none if its rule has none."""
    tiers: list[tuple[int, int, int, int]] = []
    if listing.kind == InstrumentKind.SPOT:
        asset = rulebook.collateral.get(listing.asset or listing.name)
        if asset and asset.tiers:
            by_value = asset.kind == "tiers-by-value"
            scale = Decimal(10) ** listing.decimals if by_value else 1 / listing.lot
            tiers = collateral_tiers(asset, scale, by_value)
    else:
        rule = rulebook.margin_class(listing.margin_class)
        if rule.kind == "brackets":
            whole_units = Decimal(1) / MICROS
            tiers = [
                (
                    money(t.floor_micros * whole_units, listing.decimals),
                    t.maintenance_ppm,
                    money(t.deduction_micros * whole_units, listing.decimals),
                    t.initial_ppm,
                )
                for t in rule.tiers()
            ]
    return np.array(tiers, TIER)


def collateral_tiers(
    asset: CollateralAsset, scale: Decimal, by_value: bool
) -> list[tuple[int, int, int, int]]:
    """(floor, weight, addend, 0) of each row of a slice table: amount x weight + addend is the slices' sum.

    By quantity the addend is in lots x ppm, by value in settlement units.
    """
    rows: list[tuple[int, int, int, int]] = []
    floor, addend = 0, 0
    for row in asset.tiers:
        if rows:
            step = floor * (rows[-1][1] - row.weight_ppm)
            addend += step // PPM if by_value else step
        rows.append((floor, row.weight_ppm, addend, 0))
        floor = int(row.cap * scale) if row.cap is not None else floor
    return rows


def write_profiles(state: State, rulebook: Rulebook) -> dict[str, int]:
    """Write every profile; returns name -> number, in the rulebook's order."""
    numbers = {name: number for number, name in enumerate(rulebook.profiles)}
    if len(numbers) > MAXIMUM_PROFILES:
        raise RulebookError(
            f"profiles: there are {len(numbers)}; a rulebook has {MAXIMUM_PROFILES} of them at most"
        )
    state.grow("profiles", len(numbers))
    for name, number in numbers.items():
        profile, record = rulebook.profiles[name], state.profiles[number]
        record["maintenance_multiplier_ppm"] = profile.maintenance_multiplier_ppm
        record["borrow_initial_ppm"] = profile.borrow_initial_ppm
        record["borrow_maintenance_ppm"] = profile.borrow_maintenance_ppm
        record["collateral"] = COLLATERAL[profile.collateral]
        record["borrowing"] = int(profile.borrowing)
        record["trigger_at_equality"] = int(profile.trigger_at_equality)
        record["forced_assets"] = FORCED_ASSETS[profile.forced_assets]
    return numbers


def write_rules(state: State, rulebook: Rulebook) -> None:
    """Venue-wide switches that kernels read from the counters."""
    counters = state.counters
    counters[SELF_TRADE_RULE] = int(SELF_TRADE[rulebook.orders.self_trade])
    counters[REDUCE_ONLY_RULE] = REDUCE_ONLY[rulebook.orders.reduce_only]
    counters[POST_ONLY_AMEND_RULE] = int(rulebook.orders.amend_post_only == "withdrawn")
    counters[FREEZE_RULE] = int(rulebook.orders.freeze_on_liquidation)
    counters[BAND_RULE] = BAND[rulebook.orders.band_reference]
    counters[WITHDRAWAL_NOTIONAL_PPM] = rulebook.gates.withdrawal_notional_ppm
    counters[MAXIMUM_ORDERS] = ORDERS_PER_ACCOUNT
    counters[FLAT_DEBT_RULE] = int(rulebook.insurance.debt_without_position == "left")
