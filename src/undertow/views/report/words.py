"""A rulebook's mechanisms in plain sentences, from its TOML.

Holds the sentences, keyed by table, key and value; a value without a sentence is still shown in the tables
beside them. Figures inside sentences come from the rulebook itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undertow.views.text import value_text

_SENTENCES: dict[tuple[str, str], dict[str, str]] = {
    ("mark", "method"): {
        "median-bid-ask-last": "Positions are marked at the median of best bid, best ask and last trade.",
        "median-of-three": "Positions are marked at the median of the index with funding, the index plus "
        "a smoothed basis, and the last trade.",
        "fair-basis": "Positions are marked at the index plus the basis that funding implies.",
        "oracle-ema-median": "Positions are marked at the median of a smoothed oracle, the venue's own book "
        "and prices elsewhere.",
        "oracle": "Positions are marked at the oracle's price.",
    },
    ("index", "method"): {
        "median": "The index is the median of its constituents.",
        "weighted-median": "The index is the weighted median of its constituents.",
        "mean": "The index is the mean of its constituents.",
        "weighted-mean": "The index is the weighted mean of its constituents.",
    },
    ("liquidation", "pacing"): {
        "random-slices": "Liquidation sends slices into the book at random moments.",
        "one-shot": "Liquidation sends one order into the book.",
        "staged": "Liquidation closes large positions in stages with a pause between.",
        "fillable-price": "Liquidation places orders at a price it expects to fill.",
    },
    ("backstop", "kind"): {
        "none": "There is no backstop: what the book does not take goes to the fund and to allocation.",
        "providers": "Backstop providers take over what the book does not, up to their capacity.",
        "vault": "A vault of depositors' money takes over what the book does not.",
        "fund": "The insurance fund takes over what the book does not and sells it on.",
    },
    ("insurance", "cover"): {
        "partial": "The insurance fund pays as far as it reaches.",
        "whole-or-nothing": "The insurance fund pays a shortfall in full or not at all.",
    },
    ("insurance", "debt_without_position"): {
        "covered": "A debt of an account that holds nothing is paid like any other shortfall.",
        "left": "A debt of an account that holds nothing stays with its owner.",
    },
    ("allocation", "policy"): {
        "queue": "{when}, winners are closed one after the other, highest score first (ADL).",
        "contract-pro-rata": "{when}, all opposing positions are closed in equal proportion.",
        "wealth-pro-rata": "{when}, winners are closed at the mark and pay at one rate of their profit.",
        "leverage-pro-rata": "{when}, winners are closed at the mark and pay by profit and leverage.",
        "water-filling": "{when}, winners are closed at the mark and pay the same, up to their profit.",
        "risk-aware-pro-rata": "{when}, winners are closed at the mark and pay by profit and risk.",
        "random-start": "{when}, winners are closed from a place drawn at random.",
        "socialised": "{when}, the loss is spread over both sides of the contract by size.",
        "clawback": "{when}, profits are clawed back at settlement.",
        "bad-debt": "{when}, the shortfall stays as bad debt.",
    },
    ("auto_conversion", "kind"): {
        "none": "Collateral is not sold to cover negative cash.",
        "negative-cash": "Collateral is sold by itself when cash falls below zero too far.",
    },
}
_WHEN = {
    "fund-exhausted": "When the fund is spent",
    "negative-equity": "When an account is below zero and nobody covers it",
}
_COLLATERAL_PRICES = {
    "own-book": "priced on the venue's own book",
    "index": "priced at the index",
    "redemption": "priced at what it redeems for",
    "blend": "priced at a blend of the own book and redemption value",
}


def rulebook_sentences(rulebook: Mapping[str, Any]) -> list[str]:
    """The chief mechanisms of a rulebook, one sentence each, in the order in which they act."""
    found = []
    for (table, key), sentences in _SENTENCES.items():
        values = rulebook.get(table)
        if isinstance(values, Mapping) and values.get(key) in sentences:
            found.append(sentences[values[key]].format(when=_when(rulebook)))
    own = _number(rulebook, "index", "own_weight_ppm")
    if own:
        found.append(f"The venue's own spot book makes up {value_text('x_ppm', own)} of the index.")
    collateral = rulebook.get("collateral")
    if isinstance(collateral, Mapping):
        for kind, priced in _COLLATERAL_PRICES.items():
            assets = [
                str(asset)
                for asset, values in collateral.items()
                if isinstance(values, Mapping) and values.get("price", {}).get("kind") == kind
            ]
            if assets:
                names = " and ".join(part for part in (", ".join(assets[:-1]), assets[-1]) if part)
                found.append(f"As collateral, {names} {'is' if len(assets) == 1 else 'are'} {priced}.")
    gates = rulebook.get("gates")
    if isinstance(gates, Mapping):
        halts = gates.get("halts") or []
        found.append(
            f"{len(halts)} trading halts can be set off by price moves."
            if halts
            else "Nothing halts trading."
        )
    return found


def holding_limit_ppm(rulebook: Mapping[str, Any]) -> int:
    """What the fund may hold in positions, over its own equity; 0: no limit, or it takes nothing over."""
    backstop = rulebook.get("backstop")
    takes_over = isinstance(backstop, Mapping) and backstop.get("kind") == "fund"
    return _number(rulebook, "backstop", "net_position_limit_ppm") if takes_over else 0


def limit_text(limit_ppm: int) -> str:
    """The fund's limit in words."""
    if not limit_ppm:
        return "none"
    return f"{value_text('limit_ppm', limit_ppm)} of the fund’s own equity, in positions it holds"


def _when(rulebook: Mapping[str, Any]) -> str:
    """What brings the last stage about."""
    allocation = rulebook.get("allocation")
    trigger = allocation.get("trigger") if isinstance(allocation, Mapping) else None
    when = _WHEN.get(str(trigger), _WHEN["fund-exhausted"])
    limit = holding_limit_ppm(rulebook)
    if not limit:
        return when
    most = f"{value_text('x_ppm', limit)} of its own equity"
    return f"{when}, or when a position would have it hold more than {most}"


def _number(content: Mapping[str, Any], table: str, key: str) -> int:
    values = content.get(table)
    value = values.get(key, 0) if isinstance(values, Mapping) else 0
    return value if isinstance(value, int) else 0
