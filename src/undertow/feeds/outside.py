"""Prices off the venue, from recorded tapes: several tapes of a coin become one path and a mark of doubt.

Holds the loading, the path inside an index minute and the combination. Holds no reader (bars.py, tables.py)
and no invented price (world/prices.py).

A grid time knows only what was traded before it: a bar counts from its end, and its price stands until the
next one has ended, also through a silence. Bars give their volume-weighted price (the closing trade of a thin
second is a wick). Before any tape of a coin has a bar that ended, the first trade of the earliest one stands
in: somebody must have an opening price. A minute of an index is no bar but a path drawn through both its
extremes, as the record of a price that everybody could see: open, low, high, last if it closes at or above
its open, else open, high, low, last, the open being the last of the minute before; with steps of 15 s or less
both extremes stand on the grid.

Combination, per coin and step, in log price: a tape's weight halves with every `HALF_LIFE_MS` since its
last trade. Tapes further than `TOLERANCE` from the weighted median lose weight by the square of the excess;
the rest is the weighted mean. Where two tapes that traded within `FRESH_MS` differ by more than
`DISAGREEMENT`, or none traded within it, the reference is marked uncertain, and a gap to it should not be
scored. A tape that stands most of the time `LARGEST_RATIO` times off the others is in another unit and
refused.

Units: USD, milliseconds since 1970 UTC. Invariants: prices are finite and positive at every step; no price of
bars or of a pool depends on what was known only later, but the opening price of a tape that begins late.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow.errors import DataError
from undertow.exact import floats
from undertow.feeds.bars import Bars, read_bars
from undertow.feeds.manifest import Manifest, Tape, load_manifest
from undertow.feeds.tables import MINUTE_MS, IndexMinutes, PoolPrices, read_index_minutes, read_pool
from undertow.feeds.times import utc_text

HALF_LIFE_MS = 30_000.0
TOLERANCE = 0.01
DISAGREEMENT = 0.02
LARGEST_RATIO = 10.0  # of two tapes of a coin, or of a tape and the case: beyond it a unit is wrong
FRESH_MS = 60_000
# A tape whose first trade comes later than this after the start does not say where the price stood.
LATEST_FIRST_TRADE_MS = 900_000
_OLDEST_WEIGHTED_MS = 300_000.0


class OutsidePrices(NamedTuple):
    """Prices off the venue on a regular grid; arrays are [n_steps + 1, n_coins]."""

    coins: tuple[str, ...]
    start_ms: int
    step_ms: int
    prices: NDArray[np.float64]  # USD
    source: NDArray[np.int8]  # the tape with most weight, as an index into `tapes`
    uncertain: NDArray[np.bool_]  # fresh tapes differ, or none is fresh: do not score a gap here
    age_ms: NDArray[np.int64]  # since the newest trade that gave the price
    tapes: tuple[str, ...]


_Recorded = Bars | IndexMinutes | PoolPrices


class _Series(NamedTuple):
    """One tape on the grid: log price (NaN too long before its first trade), age, and what stands in."""

    tape: int
    weight: float
    log_price: NDArray[np.float64]
    age_ms: NDArray[np.int64]
    early: NDArray[np.bool_]  # before its first price was known: its first trade stands in


def load_outside(
    data_dir: Path,
    coins: Sequence[str],
    start_ms: int,
    end_ms: int,
    step_ms: int,
    feed: str | Path | Manifest,
) -> OutsidePrices:
    """Prices of `coins` from `start_ms` to `end_ms` every `step_ms`, from the tapes a feed names.

    DataError when a file is missing or broken, a coin has no tape, or the tapes do not reach the start or
    the end.
    """
    manifest = feed if isinstance(feed, Manifest) else load_manifest(feed)
    if step_ms <= 0 or end_ms <= start_ms or (end_ms - start_ms) % step_ms:
        raise ValueError(f"{start_ms} to {end_ms} is no whole, positive number of steps of {step_ms} ms")
    unknown = [coin for coin in coins if coin not in manifest.coins()]
    if unknown:
        names = ", ".join(manifest.coins())
        raise DataError(f"feed {manifest.name}: no tape of {', '.join(unknown)}; there is {names}")
    grid_ms = np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)
    recorded = _read_all(Path(data_dir), manifest, coins)
    shape = (len(grid_ms), len(coins))
    result = OutsidePrices(
        coins=tuple(coins),
        start_ms=start_ms,
        step_ms=step_ms,
        prices=np.empty(shape, np.float64),
        source=np.empty(shape, np.int8),
        uncertain=np.empty(shape, np.bool_),
        age_ms=np.empty(shape, np.int64),
        tapes=tuple(tape.name for tape in manifest.tape),
    )
    for column, coin in enumerate(coins):
        series = [
            _on_grid(number, tape, recorded[number, coin], grid_ms)
            for number, tape in _tapes_of(manifest, coin)
        ]
        _refuse_units(manifest, coin, series)
        _combine(result, column, series)
        if np.isnan(result.prices[:, column]).any():
            raise DataError(
                f"feed {manifest.name}: no trade of {coin} near {utc_text(start_ms)}; start later"
            )
    return result


def _tapes_of(manifest: Manifest, coin: str) -> list[tuple[int, Tape]]:
    """(number in the manifest, tape) of the tapes that hold a coin."""
    return [(number, tape) for number, tape in enumerate(manifest.tape) if coin in tape.symbols]


def _read_all(data_dir: Path, manifest: Manifest, coins: Sequence[str]) -> dict[tuple[int, str], _Recorded]:
    """Every needed series by (tape number, coin); each file is opened once."""
    folder = data_dir / manifest.folder if (data_dir / manifest.folder).is_dir() else data_dir
    bars_wanted: dict[tuple[str, int], set[tuple[str, str]]] = {}
    needed = [(number, tape, coin) for coin in coins for number, tape in _tapes_of(manifest, coin)]
    for _, tape, coin in needed:
        if tape.kind == "bars":
            bars_wanted.setdefault((tape.file, tape.bar_ms), set()).add((tape.venue, tape.symbols[coin]))
    bars = {key: read_bars(folder / key[0], wanted, key[1]) for key, wanted in bars_wanted.items()}
    result: dict[tuple[int, str], _Recorded] = {}
    for number, tape, coin in needed:
        if tape.kind == "bars":
            result[number, coin] = bars[tape.file, tape.bar_ms][tape.venue, tape.symbols[coin]]
        elif tape.kind == "index-minutes":
            result[number, coin] = read_index_minutes(folder / tape.file)
        else:
            result[number, coin] = read_pool(folder / tape.file, tape.column)
    return result


def _on_grid(number: int, tape: Tape, data: _Recorded, grid_ms: NDArray[np.int64]) -> _Series:
    if isinstance(data, IndexMinutes):
        knots_ms, prices = index_path(data, int(grid_ms[0]), int(grid_ms[1] - grid_ms[0]))
        if grid_ms[0] < knots_ms[0] or grid_ms[-1] > knots_ms[-1]:
            span = f"{utc_text(int(knots_ms[0]))} to {utc_text(int(knots_ms[-1]))}"
            raise DataError(f"tape {tape.name}: holds {span} only; {_span(grid_ms)} is needed")
        log_price = np.interp(grid_ms, knots_ms, floats.log(prices))
        none = np.zeros(len(grid_ms), np.bool_)
        return _Series(number, tape.weight, log_price, np.zeros(len(grid_ms), np.int64), none)
    known_ms = data.times_ms + tape.bar_ms
    prices = data.vwap if isinstance(data, Bars) else data.price
    opening = data.open[0] if isinstance(data, Bars) else data.price[0]
    if grid_ms[-1] > known_ms[-1] + LATEST_FIRST_TRADE_MS:
        raise DataError(
            f"tape {tape.name}: ends at {utc_text(int(known_ms[-1]))}; {_span(grid_ms)} is needed"
        )
    place = np.searchsorted(known_ms, grid_ms, side="right") - 1
    held = np.maximum(place, 0)
    log_price = floats.log(prices)[held]
    age_ms = grid_ms - known_ms[held]
    early = place < 0
    # Before the first bar has ended its first trade stands in, as old as it is far away; too far is nothing.
    age_ms[early] = -age_ms[early]
    log_price[early] = floats.log(opening)
    log_price[early & (age_ms > LATEST_FIRST_TRADE_MS)] = np.nan
    return _Series(number, tape.weight, log_price, age_ms, early)


def _span(grid_ms: NDArray[np.int64]) -> str:
    return f"{utc_text(int(grid_ms[0]))} to {utc_text(int(grid_ms[-1]))}"


def index_path(
    minutes: IndexMinutes, start_ms: int, step_ms: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Knots (times in ms, prices) of a path through both extremes of every minute.

    A minute that closes at or above its open runs open, low, high, last; a falling one open, high, low,
    last. The extremes stand near a third and two thirds of the minute, moved to the nearest step of the
    grid.
    """
    opens = np.concatenate([minutes.last[:1], minutes.last[:-1]])
    rising = minutes.last >= opens
    first = np.where(rising, minutes.low, minutes.high)
    second = np.where(rising, minutes.high, minutes.low)
    times = np.empty((len(minutes.times_ms), 3), np.int64)
    for column, offset in enumerate((MINUTE_MS // 3, 2 * MINUTE_MS // 3)):
        wanted = minutes.times_ms + offset
        snapped = start_ms + (wanted - start_ms + step_ms // 2) // step_ms * step_ms
        inside = (snapped > minutes.times_ms) & (snapped < minutes.times_ms + MINUTE_MS)
        times[:, column] = np.where(inside, snapped, wanted)
    times[:, 1] = np.where(times[:, 1] > times[:, 0], times[:, 1], minutes.times_ms + 2 * MINUTE_MS // 3)
    times[:, 2] = minutes.times_ms + MINUTE_MS
    prices = np.stack([first, second, minutes.last], axis=1)
    knots_ms = np.concatenate([minutes.times_ms[:1], times.ravel()])
    return knots_ms, np.concatenate([minutes.last[:1], prices.ravel()])


def _refuse_units(manifest: Manifest, coin: str, series: list[_Series]) -> None:
    """DataError where a tape of a coin stands most of the time many times off the others."""
    logs = np.stack([one.log_price for one in series])
    known = ~np.isnan(logs).any(axis=0)
    if len(series) < 2 or not known.any():
        return
    centres = np.array(
        [np.median(np.delete(logs[:, known], row, axis=0), axis=0) for row in range(len(logs))]
    )
    off = np.median(logs[:, known] - centres, axis=1)
    worst = int(np.argmax(np.abs(off)))
    ratio = float(floats.exp(np.abs(off[worst])))
    if ratio >= LARGEST_RATIO:
        name = manifest.tape[series[worst].tape].name
        raise DataError(
            f"feed {manifest.name}: tape {name} of {coin} stands {ratio:,.0f} times "
            f"{'above' if off[worst] > 0.0 else 'below'} the others; every tape is in US dollars a coin"
        )


def _combine(result: OutsidePrices, column: int, series: list[_Series]) -> None:
    """Fill one coin's column of `result` from its tapes."""
    logs = np.stack([one.log_price for one in series])
    ages = np.stack([one.age_ms for one in series])
    base = np.array([one.weight for one in series])[:, None]
    known = ~np.isnan(logs)
    # A tape that has not begun says nothing where another one has.
    early = np.stack([one.early for one in series])
    known &= ~(early & (~early & known & (base > 0.0)).any(axis=0))
    weights = np.where(
        known, base * floats.power(0.5, np.minimum(ages, _OLDEST_WEIGHTED_MS) / HALF_LIFE_MS), 0.0
    )
    filled = np.where(known, logs, 0.0)
    centre = _weighted_median(filled, weights)
    excess = np.maximum(np.abs(filled - centre) / TOLERANCE, 1.0)
    weights = weights / np.square(excess)
    total = weights.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        result.prices[:, column] = floats.exp((weights * filled).sum(axis=0) / total)
    heaviest = np.argmax(weights, axis=0)
    result.source[:, column] = np.array([one.tape for one in series], np.int8)[heaviest]
    result.age_ms[:, column] = np.min(np.where(weights > 0.0, ages, np.iinfo(np.int64).max), axis=0)
    fresh = known & (ages <= FRESH_MS)
    highest = np.max(np.where(fresh, logs, -np.inf), axis=0)
    lowest = np.min(np.where(fresh, logs, np.inf), axis=0)
    result.uncertain[:, column] = (highest - lowest > DISAGREEMENT) | (result.age_ms[:, column] > FRESH_MS)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per column, the smallest value at which half of the column's weight is reached."""
    order = np.argsort(values, axis=0, kind="stable")
    sorted_weights = np.take_along_axis(weights, order, axis=0)
    reached = np.cumsum(sorted_weights, axis=0) >= 0.5 * weights.sum(axis=0)
    place = np.argmax(reached & (sorted_weights > 0.0), axis=0)
    chosen: NDArray[np.float64] = np.take_along_axis(
        np.take_along_axis(values, order, axis=0), place[None], axis=0
    )[0]
    return chosen
