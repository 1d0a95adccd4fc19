"""A rulebook's figures as the venue's integers: instruments, tiers, profiles, collateral.

Holds the translation and nothing else: which integer each promise becomes, and the checks that it can. Holds
no file reading (`rulebook.load`) and no behaviour.

Units in: decimal dollars and coins, ppm; out: ticks, lots, settlement units, ppm (see `state.py`).
Invariants: a price tick times a lot is a whole number of settlement units, so the cost of a trade is exact;
every figure is inside `limits`. A threshold beyond what an amount can be is held there: nothing reaches it.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.errors import InputError, RulebookError
from undertow.rulebook.collateral import CollateralAsset
from undertow.rulebook.margin import MarginClass
from undertow.rulebook.model import Rulebook
from undertow.rulebook.trading import SPOT_CLASS
from undertow.units import AMOUNT_LIMIT, MICROS, PPM
from undertow.venue.book import MAXIMUM_TICKS
from undertow.venue.limits import (
    ASSET_SHARE,
    GRID_ROOM,
    HIGHEST_RATE_PPM,
    LEAST_TICKS,
    MAXIMUM_PROFILES,
    most_lots,
)
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
    MATCH_EQUITY,
    MATCH_MARGIN,
    MATCH_RULE,
    MAXIMUM_ORDERS,
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
MATCH = {"equity": MATCH_EQUITY, "margin": MATCH_MARGIN}
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


def whole(value: Fraction, what: str) -> int:
    """`value` as an integer, or a RulebookError that names what is not whole."""
    if value.denominator != 1 or value <= 0:
        shown = f"{Decimal(value.numerator) / Decimal(value.denominator):.6g}"
        raise RulebookError(f"{what} is {shown}, not a positive whole number; choose a coarser tick or lot")
    return value.numerator


def held(value: Fraction, limit: int = AMOUNT_LIMIT) -> int:
    """A threshold rounded down, or the limit that nothing passes."""
    return min(int(value), limit)


def start_ticks(listing: Listing) -> int:
    """The start price in ticks, to the nearest; InputError for a tick above it."""
    if listing.tick > listing.start:
        wrong = f"{listing.name}: tick is {listing.tick:f}, above the price, {listing.start:f}"
        raise InputError(f"{wrong}; choose a smaller tick")
    return round(Fraction(listing.start) / Fraction(listing.tick))


def _grid(listing: Listing) -> dict[str, int]:
    """Unit, coins of a lot, and how far prices and sizes may go; InputError if not even one lot fits."""
    inverse = listing.kind == InstrumentKind.INVERSE
    tick, lot = Fraction(listing.tick), Fraction(listing.lot)
    start, scale = Fraction(listing.start), 10**listing.decimals
    if inverse:
        unit = whole(lot * scale / tick, f"{listing.name}: contract / tick in the coin's units")
    else:
        unit = whole(tick * lot * scale, f"{listing.name}: tick x lot in settlement units")
    coins = lot / start if inverse else lot
    ticks = min(MAXIMUM_TICKS, max(LEAST_TICKS, GRID_ROOM * start_ticks(listing)))
    lots = most_lots(inverse, unit, ticks, coins.numerator)
    if lots == 0 or max(unit, coins.numerator, coins.denominator) > AMOUNT_LIMIT:
        wrong = f"{listing.name}: a lot of {listing.lot:f} with a tick of {listing.tick:f}"
        right = "choose a smaller lot, a coarser tick, or fewer decimals for the settlement asset"
        raise InputError(f"{wrong} is beyond what 64-bit amounts hold; {right}")
    return {
        "unit": unit,
        "coins_per_lot": coins.numerator,
        "lots_per_coin": coins.denominator,
        "maximum_ticks": ticks,
        "maximum_lots": lots,
    }


def instrument_figures(rulebook: Rulebook, listing: Listing) -> dict[str, int]:
    """Every static figure of an instrument, by the names of INSTRUMENT."""
    grid = _grid(listing)
    spot = listing.kind == InstrumentKind.SPOT
    bands = SPOT_CLASS if spot and SPOT_CLASS in rulebook.orders.classes else listing.margin_class
    fees = SPOT_CLASS if spot and SPOT_CLASS in rulebook.fees.classes else listing.margin_class
    limit_band, market_band = rulebook.orders.bands(bands)
    taker, maker, liquidation = rulebook.fees.of(fees)
    figures = {
        "kind": int(listing.kind),
        "settlement": listing.settlement,
        "minimum_notional": _minimum_notional(rulebook, listing),
        "price_band_ppm": limit_band,
        "market_band_ppm": market_band,
        "taker_fee_ppm": taker,
        "maker_fee_ppm": maker,
        "liquidation_fee_ppm": liquidation,
    }
    figures |= grid
    if spot:
        asset = rulebook.collateral.get(listing.asset or listing.name)
        if asset and asset.kind == "tiers-by-quantity":  # lots x ppm must fit
            figures["maximum_lots"] = min(grid["maximum_lots"], AMOUNT_LIMIT // (ASSET_SHARE * PPM))
        return figures | (_collateral_figures(asset) if asset else {})
    return figures | _margin_figures(rulebook.margin_class(listing.margin_class), listing)


def _minimum_notional(rulebook: Rulebook, listing: Listing) -> int:
    """Settlement units; of an inverse contract, whose lots are dollars whatever its price, lots."""
    dollars = Fraction(rulebook.orders.min_notional_usd)
    if listing.kind == InstrumentKind.INVERSE:
        return held(Fraction(-(-dollars // Fraction(listing.lot))))
    return held(dollars * 10**listing.decimals)


def _margin_figures(rule: MarginClass, listing: Listing) -> dict[str, int]:
    if rule.kind == "brackets":
        largest = rule.largest_notional_micros() * 10**listing.decimals // MICROS
        return {"margin_rule": MARGIN_TIERS, "largest_notional": largest}
    if rule.kind == "sqrt":
        return {
            "margin_rule": MARGIN_SQUARE_ROOT,
            "rate_floor_ppm": min(rule.maintenance_floor_ppm * rule.weight_ppm // PPM, HIGHEST_RATE_PPM),
            "rate_initial_floor_ppm": min(rule.initial_floor_ppm * rule.weight_ppm // PPM, HIGHEST_RATE_PPM),
            "rate_initial_factor_ppb": rule.factor_ppb * rule.weight_ppm // PPM,
            "rate_factor_ppb": rule.factor_ppb * rule.maintenance_share_ppm // PPM * rule.weight_ppm // PPM,
            "long_cap_ppm": rule.long_cap_ppm,
        }
    if rule.kind == "steps":
        scale = 10**listing.decimals
        return {
            "margin_rule": MARGIN_STEPS,
            "rate_floor_ppm": rule.maintenance_ppm,
            "rate_initial_floor_ppm": rule.initial_ppm,
            "step_base": held(Fraction(rule.base_coin) * scale),
            "step_size": max(held(Fraction(rule.step_coin) * scale), 1),
        }
    return {
        "margin_rule": MARGIN_FLAT,
        "rate_floor_ppm": rule.maintenance_ppm,
        "rate_initial_floor_ppm": rule.initial_ppm,
        "interest_lower": held(Fraction(rule.oi_lower_usd) * 10**listing.decimals),
        "interest_upper": held(Fraction(rule.oi_upper_usd) * 10**listing.decimals),
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
        "borrow_floor_ppm": min(maintenance, HIGHEST_RATE_PPM),
        "borrow_initial_floor_ppm": min(initial, HIGHEST_RATE_PPM),
        "borrow_factor_ppb": maintenance_factor,
        "borrow_initial_factor_ppb": initial_factor,
    }


def tiers_of(rulebook: Rulebook, listing: Listing) -> NDArray[np.void]:
    """The instrument's margin brackets or collateral tiers, as TIER records; none if its rule has none.

    Those that begin beyond what any amount can be are left out.
    """
    rows: list[tuple[int, int, int, int]] = []
    most = AMOUNT_LIMIT
    if listing.kind == InstrumentKind.SPOT:
        asset = rulebook.collateral.get(listing.asset or listing.name)
        if asset and asset.tiers:
            by_value = asset.kind == "tiers-by-value"
            scale = Fraction(10**listing.decimals) if by_value else 1 / Fraction(listing.lot)
            most = AMOUNT_LIMIT if by_value else AMOUNT_LIMIT // PPM
            rows = collateral_tiers(asset, scale, by_value)
    else:
        rule = rulebook.margin_class(listing.margin_class)
        if rule.kind == "brackets":
            scale = Fraction(10**listing.decimals, MICROS)
            for t in rule.tiers():
                floor, deduction = int(t.floor_micros * scale), int(t.deduction_micros * scale)
                rows.append((floor, t.maintenance_ppm, deduction, t.initial_ppm))
    return np.array([row for row in rows if row[0] <= most], TIER)


def collateral_tiers(
    asset: CollateralAsset, scale: Fraction, by_value: bool
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
        floor = int(Fraction(row.cap) * scale) if row.cap is not None else floor
    return rows


def write_profiles(state: State, rulebook: Rulebook) -> dict[str, int]:
    """Write every profile; returns name -> number, in the rulebook's order."""
    if len(rulebook.profiles) > MAXIMUM_PROFILES:
        wrong = f"profiles: there are {len(rulebook.profiles)}"
        raise RulebookError(f"{wrong}; a venue has room for {MAXIMUM_PROFILES}, so merge some")
    numbers = {name: number for number, name in enumerate(rulebook.profiles)}
    state.grow("profiles", len(numbers))
    for name, number in numbers.items():
        profile, record = rulebook.profiles[name], state.profiles[number]
        record["maintenance_multiplier_ppm"] = profile.maintenance_multiplier_ppm
        record["borrow_initial_ppm"] = profile.borrow_initial_ppm
        record["borrow_maintenance_ppm"] = profile.borrow_maintenance_ppm
        record["collateral"] = COLLATERAL[profile.collateral]
        record["borrowing"] = int(profile.borrowing)
        record["trigger_at_equality"] = int(profile.trigger_at_equality)
        record["open_profit_leaves"] = int(profile.open_profit_leaves)
        record["forced_assets"] = FORCED_ASSETS[profile.forced_assets]
    return numbers


def write_rules(state: State, rulebook: Rulebook) -> None:
    """Venue-wide switches that kernels read from the counters."""
    counters = state.counters
    counters[SELF_TRADE_RULE] = int(SELF_TRADE[rulebook.orders.self_trade])
    counters[REDUCE_ONLY_RULE] = REDUCE_ONLY[rulebook.orders.reduce_only]
    counters[POST_ONLY_AMEND_RULE] = int(rulebook.orders.amend_post_only == "withdrawn")
    counters[FREEZE_RULE] = int(rulebook.orders.freeze_on_liquidation)
    counters[MATCH_RULE] = MATCH[rulebook.orders.match_check]
    counters[BAND_RULE] = BAND[rulebook.orders.band_reference]
    counters[WITHDRAWAL_NOTIONAL_PPM] = rulebook.gates.withdrawal_notional_ppm
    counters[MAXIMUM_ORDERS] = ORDERS_PER_ACCOUNT
    counters[FLAT_DEBT_RULE] = int(rulebook.insurance.debt_without_position == "left")
