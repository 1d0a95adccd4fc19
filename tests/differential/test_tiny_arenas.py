"""Arenas without a record to spare against roomy ones: every stage of the waterfall, the same bytes.

`Calls` cuts the arenas of one of its two venues down before every call and compares answers, logs and states.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from support.calls import Calls
from support.rulebooks import AUTO_CLOSES, HALTS, PACINGS, dotted
from undertow.rulebook.load import load_rulebook, preset_names
from undertow.venue.records import EventKind

START = Decimal(10_000)
# Before the fall everybody is long eight times his money; the makers' bids hold a third of what he has.
FALL = (0, *[-14] * 12, -40, -80, -60, 0, 30, 60, 20, -40, -60, 0, 30, 60, 60)

FAST = {"orders.min_notional_usd": 0, "funding.interval_seconds": 5, "funding.sample_seconds": 1}
PROVIDERS = {
    **dotted("liquidation", AUTO_CLOSES[1]),
    **dotted("backstop", {"price_split_ppm": 666_667, "per_minute_usd": 5_000, "per_hour_usd": 20_000}),
    "backstop.kind": "providers",
    "backstop.overflow_to_allocation": True,
}
VAULT = {
    "backstop.kind": "vault",
    **dotted("backstop", {"maintenance_share_ppm": 666_667, "capital_usd": 20_000}),
    "backstop.loss_threshold_ppm": 50_000,
    "backstop.disposal": {"rate_ppm_per_second": 300_000, "max_turnover_share_ppm": 0},
}
FUND = {
    "backstop.kind": "fund",
    "backstop.net_position_limit_ppm": 0,
    "backstop.disposal": {"rate_ppm_per_second": 300_000, "max_turnover_share_ppm": 0},
}
NONE = {"backstop.kind": "none"}
CONVERSION = {"auto_conversion.cash_floor_usd": 10}
BACKSTOPS = {"one-shot": FUND, "random-slices": PROVIDERS, "staged": VAULT, "fillable-price": NONE}
POLICIES: list[dict[str, Any]] = [
    {"policy": "queue", "score": "profit-leverage", "group": 0, "price": "bankruptcy"},
    {"policy": "contract-pro-rata", "price": "zero-mix"},
    {"policy": "socialised", "trigger": "negative-equity"},
    {"policy": "random-start", "price": "bankruptcy"},
    {"policy": "wealth-pro-rata"},
    {"policy": "queue", "score": "opposing-size", "group": 2, "price": "bankruptcy"},
    {"policy": "contract-pro-rata", "price": "previous-mark"},
]
PACED = {
    f"{row['pacing']} {number}": {
        **FAST,
        **dotted("liquidation", AUTO_CLOSES[0] | row),
        **(NONE if policy["policy"] == "socialised" else BACKSTOPS[row["pacing"]]),
        **dotted("allocation", policy),
        **(CONVERSION if row["pacing"] == "random-slices" else {}),
        "gates.halts": HALTS[number % 2],
        "index.clamp.kind": "none",
        "index.minimum_constituents": 1,
    }
    for number, (row, policy) in enumerate(zip(PACINGS, POLICIES, strict=True))
}


class Crash:
    """Two dozen seconds of a fall and a rise under one rulebook; `kinds` are the events it had."""

    def __init__(self, preset: str, changes: dict[str, Any]) -> None:
        coins = load_rulebook(preset).contract == "inverse"
        self.cash, self.unit = ("XBT", Decimal("0.0001")) if coins else ("USD", Decimal(1))
        self.calls = Calls(preset, changes, settlements={self.cash: 8 if coins else 6}, instruments=2)
        self.lot = Decimal(10) if coins else Decimal("0.001")
        self.calls("list_perpetual", "BTC-PERP", "0.5", str(self.lot), price=str(START), inverse=coins)
        if not coins:
            self.calls("list_asset", "ETH", "0.1", "0.01", price="2000")
        self.coins, self.price = coins, START
        self.kinds: set[EventKind] = set()

    def open(self, dollars: int, profile: str | None = None) -> int:
        """A wallet with so much money."""
        account = int(self.calls("open_account", profile))
        self.calls("deposit", account, self.cash, str(dollars * self.unit))
        return account

    def size(self, dollars: Decimal) -> str:
        """So many dollars of the contract, in whole lots."""
        lots = int(dollars / self.lot / (1 if self.coins else self.price))
        return str(max(lots, 1) * self.lot)

    def ticks(self, thousandths: int) -> str:
        """A price so far from the index, on the grid."""
        return str(int(self.price * (1000 + thousandths) / 500) * Decimal("0.5"))

    def open_everybody(self) -> None:
        """Means for the house, makers with many bids, customers highly levered, debtors with an asset."""
        self.calls("deposit", self.calls.venue.house("fund"), self.cash, str(100 * self.unit))
        if self.calls.rulebook.backstop.kind != "none":
            self.calls("open_backstop", str(20_000 * self.unit))
        self.calls("set_daily_volume", "BTC-PERP", self.size(Decimal(100_000)))
        self.makers = [self.open(1_000_000) for _ in range(3)]
        self.profiles = list(self.calls.rulebook.profiles)
        self.customers = [
            self.open(1_000 + 40 * number, self.profiles[number % len(self.profiles)]) for number in range(12)
        ]
        self.rich = self.open(20_000)
        if not self.coins:
            for account in self.customers[2::4]:
                self.calls("deposit", account, "ETH", "0.5")
                self.calls("withdraw", account, "USD", "800")
        for number, account in enumerate(self.customers):
            self.trade(account, "buy" if number % 4 else "sell", 8_000)
        self.trade(self.rich, "sell", 40_000)

    def trade(self, account: int, side: str, dollars: int) -> None:
        """A trade with a maker at the index."""
        size, other = self.size(Decimal(dollars)), "sell" if side == "buy" else "buy"
        self.calls("place", self.makers[0], "BTC-PERP", side=other, size=size, price=self.ticks(0))
        self.calls("place", account, "BTC-PERP", side=side, size=size, price=self.ticks(0))

    def quote(self) -> None:
        """Every maker renews eight bids and two offers; one bids for the asset, beyond its cash if it may."""
        for number, maker in enumerate(self.makers):
            self.calls("cancel_all", maker)
            for level in range(8):
                away, worth = -3 - 4 * level - number, Decimal(150 * (level + 1))
                self.calls(
                    "place", maker, "BTC-PERP", side="buy", size=self.size(worth), price=self.ticks(away)
                )
            for away in (6, 25):
                self.calls(
                    "place",
                    maker,
                    "BTC-PERP",
                    side="sell",
                    size=self.size(Decimal(900)),
                    price=self.ticks(away),
                )
        if not self.coins:
            self.calls("place", self.makers[1], "ETH", side="buy", size="2", price="1990")

    def play(self) -> None:
        """The seconds, one by one."""
        for step, move in enumerate(FALL):
            if step == 8 and not self.coins:  # who has an asset and little cash takes a loss, and owes
                for account in self.customers[2::4]:
                    size = self.size(Decimal(4_000))
                    self.calls("place", account, "BTC-PERP", side="sell", size=size, reduce_only=True)
            self.price = max(self.price * (1000 + move) / 1000, Decimal(100)).quantize(Decimal(1))
            self.calls("set_index", "BTC-PERP", str(self.price))
            self.quote()
            log = self.calls.step()
            self.kinds |= {EventKind(int(kind)) for kind in log.events["kind"]}
            self.calls.venue.audit()


CRASHES = {name: (name, {}) for name in preset_names()} | {
    name: ("ftx-2022" if "slices" in name else "binance-2025", changes) for name, changes in PACED.items()
}


@cache
def kinds_of(name: str) -> frozenset[EventKind]:
    """Play a crash; the kinds of events it had."""
    crash = Crash(*CRASHES[name])
    crash.open_everybody()
    crash.play()
    return frozenset(crash.kinds)


@pytest.mark.parametrize("name", list(CRASHES))
def test_arenas_without_room_give_the_same_bytes(name: str) -> None:
    kinds = kinds_of(name)
    assert EventKind.LIQUIDATION_START in kinds
    # Where positions come down to a lower tier, those in the lowest pass on without an order.
    assert kinds & {EventKind.LIQUIDATION_ORDER, EventKind.AUTO_CLOSE, EventKind.TAKEOVER}


def test_every_stage_was_played() -> None:
    played = frozenset().union(*(kinds_of(name) for name in CRASHES))
    assert {
        EventKind.LIQUIDATION_END,
        EventKind.TAKEOVER,
        EventKind.FUND_IN,
        EventKind.FUND_OUT,
        EventKind.FUND_EXHAUSTED,
        EventKind.AUTO_CLOSE,
        EventKind.ADL_CLOSE,
        EventKind.SOCIALISED_LOSS,
        EventKind.CONVERSION,
        EventKind.HALT_START,
        EventKind.HALT_END,
        EventKind.WITHDRAWALS_CLOSED,
    } <= played
