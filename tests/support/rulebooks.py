"""Random rulebooks: every preset, and overrides that put any mechanism beside any other it goes with.

A rulebook is drawn as (preset, changes), so that a failure can be written down as Python.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from undertow.rulebook.load import load_rulebook, preset_names

PACINGS: list[dict[str, Any]] = [
    {"pacing": "one-shot", "slicing": "smallest-restoring", "fill": "partial", "limit": "bankruptcy"},
    {"pacing": "one-shot", "slicing": "whole-position", "fill": "partial", "limit": "market-band"},
    {"pacing": "one-shot", "slicing": "whole-position", "fill": "all-or-nothing", "limit": "bankruptcy"},
    {"pacing": "one-shot", "slicing": "tier-down", "fill": "all-or-nothing", "limit": "bankruptcy"},
    {
        "pacing": "random-slices",
        "probability_ppm": 700_000,
        "slice_ppm": 300_000,
        "floor_usd": 500,
        "volume_cap_ppm": 100_000,
        "jitter_low_ppm": 500_000,
        "jitter_high_ppm": 1_500_000,
        "cross_low_ppm": 100,
        "cross_high_ppm": 20_000,
    },
    {"pacing": "staged", "threshold_usd": 5_000, "first_ppm": 200_000, "cooldown_seconds": 3},
    {
        "pacing": "fillable-price",
        "slice_ppm": 250_000,
        "floor_usd": 500,
        "block_cap_usd": 20_000,
        "attempts_per_block": 4,
        "spread_to_maintenance_ppm": 1_500_000,
        "bankruptcy_adjustment_ppm": 1_000_000,
        "fee_cap_ppm": 15_000,
        "loss_limit_usd": 0,
    },
]
AUTO_CLOSES: list[dict[str, Any]] = [
    {"auto_close": "none"},
    {
        "auto_close": "fraction",
        "auto_close_half_ppm": 500_000,
        "auto_close_gap_ppm": 60_000,
        "auto_close_floor_usd": 500,
    },
]
NO_DISPOSAL = {"rate_ppm_per_second": 0, "max_turnover_share_ppm": 0}
FAST = {"rate_ppm_per_second": 300_000, "max_turnover_share_ppm": 0}
BAND = {**FAST, "price_floor": "band", "band_ppm_per_minute": 20_000}
AT_COST = {**FAST, "price_floor": "bankruptcy"}
DISPOSALS = [NO_DISPOSAL, FAST, BAND, AT_COST]
QUEUES = ["profit-margin-ratio", "profit-leverage", "price-ratio-leverage", "opposing-size"]
CLOSING = ["contract-pro-rata", "random-start"]
TAKING = ["wealth-pro-rata", "water-filling", "leverage-pro-rata", "risk-aware-pro-rata"]
PRICES = ["bankruptcy", "previous-mark", "zero-mix"]
MARKS: list[dict[str, Any]] = [
    {"method": "oracle"},
    {"method": "median-bid-ask-last"},
    {"method": "fair-basis"},
    {"method": "median-of-three", "basis_window_seconds": 5},
    {"method": "oracle-ema-median", "ema_seconds": 20, "short_ema_seconds": 5},
]
FREE = {"taker_ppm": 0, "maker_ppm": 0}
HALTS: list[Any] = [
    (),
    (
        {
            "scope": "matching",
            "start": {"kind": "move", "ppm": 100_000, "seconds": 5},
            "end": {"kind": "elapsed", "seconds": 2},
        },
        {
            "scope": "liquidation",
            "start": {"kind": "move", "ppm": 150_000, "seconds": 5},
            "end": {"kind": "calm", "seconds": 3, "ppm": 50_000},
        },
    ),
]
GATES: list[dict[str, Any]] = [
    {"withdrawals.kind": "none"},
    {"withdrawals.kind": "after-negative-account", "withdrawals.seconds": 3},
]


BACKSTOPS = {"one-shot": "fund", "random-slices": "providers", "staged": "vault", "fillable-price": "none"}
BACKSTOP_FIGURES: dict[str, dict[str, Any]] = {
    "one-shot": {"net_position_limit_ppm": 0, "disposal": FAST, "collateral_disposal": NO_DISPOSAL},
    "random-slices": {
        "price_split_ppm": 666_667,
        "per_minute_usd": 20_000,
        "per_hour_usd": 100_000,
        "overflow_to_allocation": True,
    },
    "staged": {
        "maintenance_share_ppm": 666_667,
        "capital_usd": 50_000,
        "loss_threshold_ppm": 200_000,
        "disposal": FAST,
    },
    "fillable-price": {},
}


def dotted(table: str, figures: dict[str, Any]) -> dict[str, Any]:
    """Figures as dotted overrides."""
    return {f"{table}.{key}": value for key, value in figures.items()}


@st.composite
def backstops(draw: st.DrawFn, pacing: str) -> dict[str, Any]:
    """A backstop that goes with the pacing, and an auto-close that goes with the backstop."""
    kinds = {"one-shot": "fund", "random-slices": "providers", "staged": "vault"}
    kind = draw(st.sampled_from([kinds.get(pacing, "none")] * 3 + ["none"]))
    changes: dict[str, Any] = {"backstop.kind": kind}
    close = draw(st.sampled_from(AUTO_CLOSES)) if pacing == "random-slices" else AUTO_CLOSES[0]
    if kind == "providers":
        close = AUTO_CLOSES[1]
        figures = {"price_split_ppm": 666_667, "per_minute_usd": 20_000, "per_hour_usd": 100_000}
        changes |= dotted("backstop", figures)
        changes["backstop.overflow_to_allocation"] = draw(st.booleans())
    elif kind == "vault":
        figures = {"maintenance_share_ppm": 666_667, "capital_usd": 50_000, "loss_threshold_ppm": 200_000}
        changes |= dotted("backstop", figures)
        changes["backstop.disposal"] = draw(st.sampled_from(DISPOSALS))
    elif kind == "fund":
        changes["backstop.net_position_limit_ppm"] = draw(st.sampled_from([0, 1_000_000]))
        changes["backstop.disposal"] = draw(st.sampled_from(DISPOSALS))
        changes["backstop.collateral_disposal"] = draw(st.sampled_from(DISPOSALS[:2]))
    return changes | dotted("liquidation", close)


@st.composite
def allocations(draw: st.DrawFn) -> dict[str, Any]:
    """Any policy at any price."""
    policy = draw(st.sampled_from(["queue", *CLOSING, *TAKING, "socialised", "clawback", "bad-debt"]))
    changes: dict[str, Any] = {
        "allocation.policy": policy,
        "allocation.trigger": draw(st.sampled_from(["fund-exhausted", "negative-equity"])),
    }
    if policy == "queue":
        changes["allocation.score"] = draw(st.sampled_from(QUEUES))
        ranked = changes["allocation.score"] == "opposing-size"
        changes["allocation.group"] = draw(st.sampled_from([0, 2])) if ranked else 0
    if policy == "queue" or policy in CLOSING:
        changes["allocation.price"] = draw(st.sampled_from(PRICES))
    return changes


def every_policy(pacing: str) -> list[dict[str, Any]]:
    """Changes that give any preset this pacing, the backstop that goes with it, and each policy in turn."""
    figures = next(row for row in PACINGS if row["pacing"] == pacing)
    close = AUTO_CLOSES[1] if pacing == "random-slices" else AUTO_CLOSES[0]
    base = {**dotted("liquidation", {**figures, **close}), "orders.min_notional_usd": 0, "gates.halts": ()}
    base["backstop.kind"] = BACKSTOPS[pacing]
    base |= dotted("backstop", BACKSTOP_FIGURES[pacing])
    base["allocation.trigger"] = "fund-exhausted"
    rows = [{"policy": "queue", "score": score, "price": "bankruptcy", "group": 0} for score in QUEUES]
    rows += [{"policy": policy, "price": price} for policy in CLOSING for price in PRICES]
    rows += [{"policy": policy} for policy in (*TAKING, "socialised", "clawback", "bad-debt")]
    return [{**base, **dotted("allocation", row)} for row in rows]


@st.composite
def rulebooks(draw: st.DrawFn, pacing: str) -> tuple[str, dict[str, Any]]:
    """(preset, changes) with that pacing: a preset as it is, or with several of its mechanisms exchanged."""
    own = [name for name in preset_names() if load_rulebook(name).liquidation.pacing == pacing]
    if draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from(own)), {}
    preset = draw(st.sampled_from(preset_names()))
    rulebook = load_rulebook(preset)
    changes: dict[str, Any] = {"orders.min_notional_usd": 0}
    figures = draw(st.sampled_from([row for row in PACINGS if row["pacing"] == pacing]))
    changes |= dotted("liquidation", figures) | draw(backstops(pacing))
    changes |= draw(allocations())
    changes |= dotted("gates", draw(st.sampled_from(GATES)))
    changes["gates.halts"] = draw(st.sampled_from(HALTS))
    changes["insurance.debt_without_position"] = draw(st.sampled_from(["covered", "left"]))
    changes["insurance.cover"] = draw(st.sampled_from(["partial", "whole-or-nothing"]))
    changes["orders.self_trade"] = draw(st.sampled_from(["allow", "cancel-taker", "cancel-maker"]))
    changes["orders.reduce_only"] = draw(st.sampled_from(["each", "together", "unoffered"]))
    changes["orders.amend_post_only"] = draw(st.sampled_from(["refused", "withdrawn"]))
    changes["orders.freeze_on_liquidation"] = draw(st.booleans())
    changes["orders.match_check"] = draw(st.sampled_from(["equity", "margin"]))
    if draw(st.booleans()):
        changes |= dotted("mark", draw(st.sampled_from(MARKS)))
    if draw(st.booleans()):
        changes |= dotted("fees", FREE)
    if draw(st.booleans()):
        changes["fees.liquidation_ppm"] = 12_500
    if draw(st.booleans()):
        changes |= {"funding.interval_seconds": 5, "funding.sample_seconds": 1}
    if rulebook.index.clamp.kind != "none":
        changes["index.clamp.kind"] = "none"
    changes["index.minimum_constituents"] = 1
    return preset, changes
