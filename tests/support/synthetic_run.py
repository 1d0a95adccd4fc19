"""A run folder made up by formula, with every table a report reads and books that balance to the
micro-dollar.

Nobody traded here: prices follow a curve with a hole in it, accounts lose and win amounts drawn from a
fixed seed. Good for tests of the tape, the score and the report; says nothing about the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from undertow.case.facts import Fact
from undertow.crowd.makers import MakerCause
from undertow.lab.score import score_run, write_score
from undertow.tape import RunFolder, Tape, TapeWriter
from undertow.venue.records import EVENT, FILL, POSTING, Cause, EventKind, Origin, Role

STEPS = 7200
RECORD_EVERY = 5
MICROS = 1_000_000
GROUPS = ["trader", "maker", "looper", "arbitrageur", "house"]
NAMES = [
    "BTC-PERP",
    "ETH-PERP",
    "SOL-PERP",
    "XRP-PERP",
    "DOGE-PERP",
    "AVAX-PERP",
    "LINK-PERP",
    "SUI-PERP",
    "USDE",
]
START_USD = [116800.0, 4100.0, 190.0, 2.45, 0.21, 24.0, 19.0, 2.9, 1.0]
VENUE_FALL = [0.128, 0.18, 0.31, 0.58, 0.61, 0.68, 0.6, 0.8, 0.35]
OUTSIDE_FALL = [0.095, 0.13, 0.17, 0.27, 0.29, 0.3, 0.28, 0.33, 0.006]
TICKS = 100_000  # ticks in the first price of every instrument
FUND, FEES, VAULT, LENDING, PROVIDER = 0, 1, 2, 3, 4
CASE = """title = "A made-up crash"
summary = "Prices fall along a curve, then come back. Nobody traded here."
start_utc = 2025-10-10T20:40:00Z
[crowd]
accounts = 3000
median_leverage = 5.5
stop_share_ppm = 250000
[[timeline]]
at = "21:18"
what = "transfers stall"
[facts]
"""
RULEBOOK = """name = "made-up-2025"
title = "Made-up rulebook, October 2025"
summary = "Linear perpetuals with bracketed margin, a liquidator vault, a fund and a queue of winners."
[sources.help]
title = "Help page on liquidation"
standing = "documented"
url = "https://example.org/help"
[fees]
source = "help"
taker_ppm = 500
maker_ppm = 200
liquidation_ppm = 12500
[mark]
source = "help"
method = "median-of-three"
basis_window_seconds = 150
[liquidation]
source = "help"
pacing = "one-shot"
[backstop]
source = "help"
kind = "vault"
capital_usd = 60000000
[insurance]
source = "help"
cover = "partial"
[allocation]
source = "help"
policy = "queue"
score = "profit-times-leverage"
[margin.classes.BTC]
kind = "brackets"
brackets = [{ cap_usd = 50000, max_leverage = 125, maintenance_ppm = 4000 }]
[collateral.USDE]
kind = "flat"
weight_total_ppm = 990000
price = { kind = "own-book" }
[gates]
source = "help"
halts = []
"""
HOUSE_ROLES = [Role.FUND, Role.FEES, Role.VAULT, Role.LENDING, Role.PROVIDER]


@dataclass(frozen=True)
class Sizes:
    """How large the made-up run is."""

    accounts: int = 3000
    steps: int = STEPS
    fills: int = 20_000
    status: str = "complete"


def make_synthetic_run(folder: Path, sizes: Sizes | None = None) -> RunFolder:
    """A complete made-up run at `folder` (or the next free suffix)."""
    sizes = sizes or Sizes()
    run = RunFolder.create(folder, _record(sizes))
    writer = TapeWriter(run)
    rng = np.random.default_rng(7)
    writer.instruments(_instruments())
    paths = _paths(sizes.steps)
    writer.series(_series(paths, sizes.steps, rng))
    writer.table("weather", _weather(sizes.steps))
    writer.block("maker", _maker(sizes.steps))
    writer.table("leverage", _leverage())
    writer.table("forced", _forced())
    fills = _fills(paths, sizes, rng)
    writer.fills(fills)
    accounts = _accounts(sizes.accounts, rng)
    events = _events(paths, accounts, sizes, rng)
    writer.events(events)
    postings = _postings(events, sizes)
    writer.postings(postings)
    writer.causes(_causes(postings, sizes.steps))
    writer.house(_house(accounts, sizes.steps))
    writer.table("held", _held(sizes.steps))
    writer.accounts(accounts)
    tape = writer.finish()
    run.update(status=sizes.status, hashes={"venue": "0" * 32, "crowd": "1" * 32, "tape": tape})
    run.write_text("case.toml", CASE)
    run.write_text("rulebook.toml", RULEBOOK)
    with Tape(run) as reader:
        write_score(run, score_run(made_up_facts(), reader))
    return run


def made_up_facts() -> list[Fact]:
    """Facts of which some are met, some missed and one cannot be measured."""
    rows: list[dict[str, object]] = [
        {
            "id": "btc-fall", "definition": "Fall of BTC-PERP from 20:50 to its low",
            "value": -12.8, "unit": "%", "tolerance": {"kind": "abs", "amount": 1.5}, "calibrate": True,
            "query": {"measure": "low_fall_percent", "instrument": "BTC-PERP", "from": "20:50"},
        },
        {
            "id": "xrp-low", "definition": "Time of XRP-PERP's low", "value": "2025-10-10T21:20:00Z",
            "unit": "timestamp", "tolerance": {"kind": "abs", "amount": 180},
            "query": {"measure": "time_of_low", "instrument": "XRP-PERP"},
        },
        {
            "id": "fund-draw", "definition": "Draw on the insurance fund",
            "value": 188, "unit": "million USD", "tolerance": {"kind": "log", "amount": 0.7},
            "query": "fund_draw_usd",
            "note": "a second source says 184",
        },
        {
            "id": "pepe", "definition": "A coin that is not listed here", "value": -60, "unit": "%",
            "tolerance": {"kind": "rel", "amount": 0.2}, "side": "at-most",
            "query": {"measure": "low_fall_percent", "instrument": "PEPE-PERP"},
        },
    ]  # fmt: skip
    source = "made up, see https://example.org/crash for the form of a source"
    return [Fact.model_validate({**row, "source": source}) for row in rows]


def _record(sizes: Sizes) -> dict[str, object]:
    return {
        "case": "made-up",
        "title": "A made-up crash",
        "rulebook": "made-up-2025",
        "seed": 7,
        "accounts": sizes.accounts,
        "steps_total": sizes.steps,
        "steps_done": sizes.steps if sizes.status == "complete" else sizes.steps // 2,
        "step_seconds": 1,
        "version": "0.1.0",
        "source_hash": "0123456789abcdef",
        "settings": {"crowd.loopers.share": "0"},
        "data": "facts",
        "start_utc": "2025-10-10T20:40:00Z",
        "settlement": {"name": "USDT", "decimals": 6},
        "groups": GROUPS,
    }


def _instruments() -> dict[str, object]:
    count = len(NAMES)
    tick_usd = [price / TICKS for price in START_USD]
    return {
        "instrument": list(range(count)),
        "name": NAMES,
        "kind": ["linear"] * (count - 1) + ["spot"],
        "class": ["BTC", "ETH", "SOL"] + ["alt"] * (count - 4) + ["stable"],
        "tick_usd": tick_usd,
        "lot_coins": [1 / price for price in START_USD],  # one lot is a dollar at the start
        "unit": [MICROS // TICKS] * count,
        "lots_per_coin": [max(1, round(price)) for price in START_USD],
        "is_collateral": [False] * (count - 1) + [True],
        "outside_start_ticks": [TICKS] * count,
        "maker_depth": [int(2e8 * MICROS) // (1 + place) for place in range(count)],
    }


def _paths(steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Venue and outside prices in ticks, shape (instruments, steps); lows at one third and a little later."""
    time = np.arange(steps) / steps
    venue = np.empty((len(NAMES), steps), np.int64)
    outside = np.empty_like(venue)
    for place in range(len(NAMES)):
        low = 0.335 + 0.004 * place if place < len(NAMES) - 1 else 0.51
        width = np.where(time < low, 0.02, 0.05)
        hole = np.exp(-np.abs(time - low) / width)
        leg = 0.04 / (1 + np.exp(-(time - 0.12) / 0.01)) if place < len(NAMES) - 1 else 0.0
        wobble = 0.0012 * np.sin(np.arange(steps) * (0.11 + 0.01 * place))
        outside[place] = TICKS * (1 - leg - OUTSIDE_FALL[place] * hole * 0.7 + wobble)
        venue[place] = TICKS * (
            1 - leg - (VENUE_FALL[place] - 0.04 * (place < len(NAMES) - 1)) * hole - wobble
        )
    return venue, outside


def _series(
    paths: tuple[NDArray[np.int64], NDArray[np.int64]], steps: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    venue, outside = paths
    rows = []
    for step in range(0, steps, RECORD_EVERY):
        for place in range(len(NAMES)):
            last, out = int(venue[place, step]), int(outside[place, step])
            stress = max(0.0, 1 - last / out) + abs(1 - last / int(venue[place, max(0, step - 60)]))
            depth = int(2e7 * MICROS / (1 + place) * np.exp(-6 * stress) * (0.9 + 0.2 * rng.random()))
            volume = int(3e5 * MICROS * (1 + 30 * stress))
            interest = int(2e9 / (1 + place) * (1 - 0.35 * min(1.0, step / steps * 2.2)))
            mark = (2 * last + out) // 3
            prices = (out, out, mark, last, last - 5, last + 5)
            depths = (depth, depth * 11 // 10, 3 * depth, 33 * depth // 10)
            sold = int(volume * (0.5 + 0.3 * min(1.0, stress * 3)))
            rows.append((step, step * 1000, place, *prices, *depths, volume, sold, interest))
    return np.array(rows, np.int64)


def _weather(steps: int) -> dict[str, object]:
    step = np.arange(0, steps, RECORD_EVERY)
    failure = 0.4 * np.exp(-np.abs(step / steps - 0.335) / 0.05)
    ones = np.ones(len(step))
    return {
        "step": step,
        "time_ms": step * 1000,
        "messages": 900 * ones,
        "failure": failure,
        "transfers": np.where(np.abs(step / steps - 0.4) < 0.1, 0.1, 1.0),
        "load": 1.0 + 20.0 * failure,
        "latency_s": 3.0 * failure,
    }


def _maker(steps: int) -> NDArray[np.int64]:
    """Depth missing by two causes, most of it when prices are lowest."""
    rows = []
    for step in range(0, steps, 2 * RECORD_EVERY):
        stress = float(np.exp(-abs(step / steps - 0.335) / 0.05))
        for place in range(len(NAMES)):
            for cause, most in ((MakerCause.VOLATILITY, 4e7), (MakerCause.REJECTION, 2e7)):
                rows.append((step, step * 1000, place, cause, int(most * MICROS * stress / (1 + place))))
    return np.array(rows, np.int64)


def _leverage() -> dict[str, object]:
    """Two products at the start: contracts alone, and contracts on an asset bought with debt."""
    money = {"equity": [8, 2], "owned": [0, 7], "owed": [0, 5], "short": [0, 0], "contracts": [30, 4]}
    codes = {"profile": [0, 1], "group": [0, 2], "asset": [-1, len(NAMES) - 1], "depth": [0, 2]}
    classes = {"shown": [2, 1], "effective": [2, 3], "accounts": [100, 20], "time_ms": [0, 0]}
    return codes | classes | {name: [value * 10**9 * MICROS for value in row] for name, row in money.items()}


def _forced() -> dict[str, object]:
    """What is forced as the asset falls: half of it at 0.9 of the outside, all at 0.8."""
    money = {name: [value * 10**6 * MICROS for value in (300, 600)] for name in ("owned", "contracts")}
    codes = {"asset": [len(NAMES) - 1] * 2, "profile": [1, 1], "group": [2, 2], "accounts": [10, 20]}
    places = {"time_ms": [0, 0], "level_ppm": [900_000, 800_000], "outside_ticks": [TICKS, TICKS]}
    return codes | places | money


def _fills(
    paths: tuple[NDArray[np.int64], NDArray[np.int64]], sizes: Sizes, rng: np.random.Generator
) -> NDArray[np.void]:
    fills = np.zeros(sizes.fills, FILL)
    centre = sizes.steps * 0.335
    times = np.clip(rng.normal(centre, sizes.steps * 0.08, sizes.fills), 0, sizes.steps - 1)
    fills["time"] = np.sort(times * 1000)
    fills["instrument"] = rng.integers(0, len(NAMES), sizes.fills)
    fills["price"] = paths[0][fills["instrument"], fills["time"] // 1000]
    fills["size"] = (10 ** rng.uniform(1, 5, sizes.fills)).astype(np.int64)
    fills["taker"] = rng.integers(5, sizes.accounts, sizes.fills)
    fills["maker"] = rng.integers(5, sizes.accounts, sizes.fills)
    fills["side"] = rng.choice([-1, -1, 1], sizes.fills)
    forced = rng.random(sizes.fills)
    fills["origin"] = np.where(forced < 0.25, Origin.LIQUIDATION, Origin.CUSTOMER)
    fills["origin"][forced > 0.93] = Origin.DISPOSAL
    return fills


def _accounts(count: int, rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    """Accounts whose results sum to zero; the last winner takes what is left over."""
    index = np.arange(count)
    group = np.where(index < 5, 4, np.choose(np.minimum(index % 20, 3), [1, 2, 3, 0]))
    role = np.full(count, int(Role.CUSTOMER))
    role[:5] = HOUSE_ROLES
    start = (10 ** rng.uniform(2.5, 6.2, count) * MICROS).astype(np.int64)
    start[:5] = np.array([120, 1, 60, 1, 40]) * MICROS * MICROS
    customer = role == Role.CUSTOMER
    liquidated = customer & (rng.random(count) < 0.3) & (group != 1)
    taken = liquidated & (rng.random(count) < 0.4)
    adl = customer & ~liquidated & (rng.random(count) < 0.12)
    deposits = np.where(customer & (rng.random(count) < 0.05), start // 10, 0)
    withdrawals = np.where(adl, start // 20, 0)
    result = np.where(
        liquidated, -start + start // 50, (start * rng.normal(0.05, 0.1, count)).astype(np.int64)
    )
    result[liquidated & (index % 97 == 0)] -= 40_000 * MICROS  # negative accounts
    result[:5] = np.array([-18, 7, 9, 1, 3]) * MICROS * MICROS
    winners = np.flatnonzero(customer & ~liquidated)
    share, rest = divmod(-int(result.sum()), len(winners))
    result[winners] += share
    result[winners[-1]] += rest
    end = start + result + deposits - withdrawals
    return {
        "account": index,
        "owner": index,
        "role": role,
        "group": group,
        "settlement": np.zeros(count, np.int64),
        "profile": np.zeros(count, np.int64),
        "equity_start": start,
        "deposits": deposits,
        "withdrawals": withdrawals,
        "equity_end": end,
        "cash_end": end,
        "liquidated": liquidated.astype(np.int64),
        "taken_over": taken.astype(np.int64),
        "adl_lots": np.where(adl, 1000, 0),
        "people": customer.astype(np.int64),
    }


def _events(
    paths: tuple[NDArray[np.int64], NDArray[np.int64]],
    accounts: dict[str, NDArray[np.int64]],
    sizes: Sizes,
    rng: np.random.Generator,
) -> NDArray[np.void]:
    liquidated = np.flatnonzero(accounts["liquidated"])
    taken = np.flatnonzero(accounts["taken_over"])
    winners = np.flatnonzero(accounts["adl_lots"])
    plan = [
        (EventKind.LIQUIDATION_START, liquidated, 0.0),
        (EventKind.LIQUIDATION_ORDER, liquidated, 0.002),
        (EventKind.TAKEOVER, taken, 0.006),
        (EventKind.ADL_CLOSE, winners, 0.012),
        (EventKind.FUND_OUT, taken[::3], 0.008),
        (EventKind.BAD_DEBT, taken[::40], 0.01),
    ]
    parts = []
    for kind, who, delay in plan:
        rows = np.zeros(len(who), EVENT)
        when = np.clip(rng.normal(0.33 + delay, 0.02, len(who)), 0, 0.999) * sizes.steps
        rows["time"] = (when * 1000).astype(np.int64)
        rows["kind"] = kind
        rows["account"] = who
        rows["counterparty"] = VAULT if kind == EventKind.TAKEOVER else 10
        rows["instrument"] = who % (len(NAMES) - 1)
        rows["side"] = np.where(kind == EventKind.ADL_CLOSE, 1, -1)
        rows["price"] = paths[0][rows["instrument"], rows["time"] // 1000]
        rows["size"] = accounts["equity_start"][who] // MICROS * 4
        rows["amount"] = accounts["equity_start"][who] // (60 if kind != EventKind.BAD_DEBT else 9)
        parts.append(rows)
    for kind, share in ((EventKind.WITHDRAWALS_CLOSED, 0.33), (EventKind.WITHDRAWALS_OPEN, 0.7)):
        row = np.zeros(1, EVENT)
        row["kind"], row["time"], row["instrument"] = kind, int(share * sizes.steps) * 1000, -1
        parts.append(row)
    events = np.concatenate(parts)
    return events[np.argsort(events["time"], kind="stable")]


def _postings(events: NDArray[np.void], sizes: Sizes) -> NDArray[np.void]:
    """Liquidation fees and payments of the fund; the rest of its loss is the result of what it took over."""
    paid = events[events["kind"] == EventKind.FUND_OUT]
    ordered = events[events["kind"] == EventKind.LIQUIDATION_ORDER]
    rows = np.zeros(len(paid) + len(ordered), POSTING)
    rows["time"] = np.concatenate([paid["time"], ordered["time"]])
    rows["amount"] = np.concatenate([paid["amount"], ordered["amount"] // 4])
    rows["cause"][: len(paid)] = Cause.INSURANCE_OUT
    rows["cause"][len(paid) :] = Cause.LIQUIDATION_FEE
    rows["source"] = np.concatenate([np.full(len(paid), FUND), ordered["account"]])
    rows["target"] = np.concatenate([paid["account"], np.full(len(ordered), FUND)])
    rows["instrument"] = np.concatenate([paid["instrument"], ordered["instrument"]])
    return rows[np.argsort(rows["time"], kind="stable")]


def _causes(postings: NDArray[np.void], steps: int) -> NDArray[np.int64]:
    rows = []
    for minute in range(0, steps * 1000, 60_000):
        inside = postings[(postings["time"] >= minute) & (postings["time"] < minute + 60_000)]
        for cause in np.unique(inside["cause"]):
            rows.append((minute, 0, cause, inside["amount"][inside["cause"] == cause].sum()))
        rows.append((minute, 0, Cause.FEE, 90_000 * MICROS))
    return np.array(rows, np.int64)


def _house(accounts: dict[str, NDArray[np.int64]], steps: int) -> NDArray[np.int64]:
    rows = []
    for step in range(0, steps, 10):
        progress = 1 / (1 + np.exp(-(step / steps - 0.345) / 0.012))
        held = np.exp(-(((step / steps - 0.4) / 0.06) ** 2))
        for account in range(5):
            start, end = int(accounts["equity_start"][account]), int(accounts["equity_end"][account])
            equity = start + int((end - start) * progress)
            stock = int(held * 6e7 * MICROS) if account in (FUND, VAULT, PROVIDER) else 0
            both = equity - start if account == PROVIDER else 0
            money = (equity - stock // 10, equity, stock, stock // 10, both)
            rows.append((step, step * 1000, account, HOUSE_ROLES[account], 0, *money))
    return np.array(rows, np.int64)


def _held(steps: int) -> dict[str, object]:
    """The vault's stock while it sells: long contracts that run out, and an asset that it keeps in part."""
    rows = []
    for step in range(10, steps, 10):
        held = np.exp(-(((step / steps - 0.4) / 0.06) ** 2))
        for instrument, lots in ((0, int(5e7 * held)), (len(NAMES) - 1, int(1e7 * (held + 0.1)))):
            if lots:
                rows.append((step, step * 1000, VAULT, instrument, lots, lots * MICROS))
    names = ("step", "time_ms", "account", "instrument", "lots", "value")
    return dict(zip(names, np.array(rows, np.int64).T, strict=True))
