"""A stream of commands and prices that depends on its seed alone, and the state it leads to after every step.

Run as a program it prints the hashes of every rulebook as JSON, so that another process can compare.
"""

from __future__ import annotations

import json
import random
import sys
from decimal import Decimal

from undertow.rulebook.load import preset_names
from undertow.venue.facade import Venue

STEPS = 16
SEED = 8  # somebody is liquidated under every preset
PERP, ASSET = "BTC-PERP", "ETH"


def opened(preset: str) -> tuple[Venue, list[int], int]:
    """A venue with a contract and an asset, eight customers and a maker."""
    venue = Venue(preset, instruments=2)
    cash = venue.rulebook.settlement
    coins = venue.rulebook.contract == "inverse"
    if coins:
        venue.list_perpetual(PERP, "0.5", "10", price="10000")
    else:
        venue.list_perpetual(PERP, "0.5", "0.001", price="10000")
        venue.list_asset(ASSET, "0.1", "0.01", price="2000")
    if venue.rulebook.backstop.kind != "none":
        venue.open_backstop("1" if coins else "20000")
        venue.set_daily_volume(PERP, "1000")
    accounts = []
    for number, name in enumerate(sorted(venue.rulebook.profiles) * 8):
        if number == 8:
            break
        accounts.append(venue.open_account(name))
        venue.deposit(accounts[-1], cash, "0.2" if coins else "2000")
        if not coins:
            venue.deposit(accounts[-1], ASSET, "0.1")
    maker = venue.open_account()
    venue.deposit(maker, cash, "1000000")
    return venue, accounts, maker


def hashes(preset: str, seed: int) -> list[str]:
    """The state after every step of a random quarter of a minute with a fall and a rise in it."""
    venue, accounts, maker = opened(preset)
    draw = random.Random(seed)
    found, price = [], Decimal(10000)
    lot = Decimal("10") if venue.rulebook.contract == "inverse" else Decimal("0.001")
    for step in range(STEPS):
        venue.cancel_all(maker)
        for away in (Decimal("0.002"), Decimal("0.01")):
            for side, sign in (("buy", -1), ("sell", 1)):
                quote = (price * (1 + sign * away) * 2).to_integral_value() / 2
                venue.place(maker, PERP, side=side, size=400 * lot, price=quote)
        for account in accounts:
            side = draw.choice(("buy", "sell", "sell"))
            size = lot * draw.randint(50, 900)
            limit = (price * draw.randint(990, 1010) / 500).to_integral_value() / 2
            time_in_force = draw.choice(("good-till-cancelled", "immediate-or-cancel", "post-only"))
            answer = venue.place(
                account,
                PERP,
                side=side,
                size=size,
                price=None if draw.random() < 0.3 else limit,
                time_in_force=time_in_force,
                reduce_only=draw.random() < 0.2,
            )
            if answer.order is not None and draw.random() < 0.5:
                venue.amend(account, answer.order, size=size, price=limit + Decimal("0.5"))
        drift = Decimal(draw.randint(-50, 5) if step < 10 else draw.randint(-10, 60)) / 1000
        price = max((price * (1 + drift) * 2).to_integral_value() / 2, Decimal(1))
        venue.set_index(PERP, price)
        venue.step()
        venue.audit()
        found.append(venue.state_hash())
    forced = [event.kind for event in venue.history().events if event.kind == "liquidation-start"]
    return [*found, f"{len(forced)} liquidations"]


if __name__ == "__main__":
    json.dump({preset: hashes(preset, SEED) for preset in preset_names()}, sys.stdout)
