"""The venues of a run: one, or two side by side in the same world, stepped second by second.

Holds what one venue does in a second and the order between two. In each second everybody looks at the
venues as they stood at its start and speaks; then each venue carries out its own commands and steps, the
first one first. Nothing that happens on one venue within a second is seen on the other before the next, so
the other order gives the same bytes.

Units: steps of the case's length. Invariant: every venue of a run has taken the same steps, but for one that
was interrupted inside a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from undertow import streams
from undertow.case.beside import second_venue
from undertow.case.model import Case
from undertow.crowd.between import Between
from undertow.crowd.view import Commands, View
from undertow.lab.build import AS_THE_CASE, Built, Choices, build, outside_of
from undertow.lab.recorder import HOUSE_EVERY_SECONDS, Recorder
from undertow.lab.stopwatch import Stopwatch
from undertow.tape.folder import RunFolder
from undertow.tape.writer import TapeWriter

DRAIN_STEPS = 10
AUDIT_STEPS = 300
MINUTE_S = 60


class Venues(NamedTuple):
    """What a run is made of: its venues, the first one first, and who trades between them."""

    built: tuple[Built, ...]
    between: Between | None


def build_venues(
    case: Case, data: Path | None, seed: int, beside: bool, choices: Choices = AS_THE_CASE
) -> Venues:
    """Make a case's venue ready, and the one beside it if asked for; both see the same outside prices."""
    outside = outside_of(case, data, seed)
    if not beside:
        return Venues((build(case, outside, seed, None, choices),), None)
    second = second_venue(case)
    assert case.beside is not None
    between = Between(case.beside.between, seed + case.draws.crowd, float(case.step_seconds))
    own_seed = streams.derived_seed(seed, "second venue")
    first = build(case, outside, seed, between, choices)
    choices = choices._replace(population=None, policy=None)  # the first venue's own
    return Venues((first, build(second, outside, own_seed, between, choices)), between)


class Running:
    """One venue while it runs, and the tape that it writes."""

    def __init__(self, built: Built, folder: RunFolder) -> None:
        self.built, self.folder = built, folder
        self.writer = TapeWriter(folder, step_ms=built.case.step_ms)
        self.recorder = Recorder(built, self.writer)
        self.recorder.leverage(0, 0)
        self._in_liquidation = np.zeros(0, np.int64)  # accounts, in order

    def _newly_liquidated(self) -> int:
        """People who are below maintenance in this step and were not in the one before.

        Neither how many accounts a crowd is cut into nor how long each takes to close changes this load; who
        recovers and falls again counts again.
        """
        now = self.built.engine.candidates()
        begun = np.setdiff1d(now, self._in_liquidation, assume_unique=True)
        self._in_liquidation = np.array(now, np.int64)
        return int(self.built.people[begun].sum())

    def act(self, view: View, commands: Commands, watch: Stopwatch) -> NDArray[np.void]:
        """Carry out what was said on a view, step, and record; returns what the venue answered."""
        built, engine, recorder = self.built, self.built.engine, self.recorder
        step, time_ms = view.step, view.step * built.case.step_ms
        results = engine.submit(commands)
        built.crowd.heard(commands, results)
        watch.lap("matching")
        engine.step(time_ms, built.outside_ticks[step])
        built.weather.record(built.crowd.messages, self._newly_liquidated(), built.outside_ticks[step])
        watch.lap("waterfall")
        if time_ms % (1000 * built.case.record_seconds) == 0:
            recorder.sample(step, time_ms)
            recorder.weather(view)
        if time_ms % (1000 * HOUSE_EVERY_SECONDS) == 0:
            recorder.house(step, time_ms)
            recorder.held(step, time_ms)
            recorder.depth_removed(step, time_ms)
        if step % DRAIN_STEPS == 0:
            recorder.drained(engine.drain())
        if time_ms % (1000 * MINUTE_S) == 0:
            recorder.minute(time_ms - 1)
        if step % AUDIT_STEPS == 0:
            engine.audit()
        watch.lap("record")
        return results

    def finish(self, status: str, done: int, between: Between | None) -> None:
        """Close the tape, check the books, and say in run.json how far it came."""
        built, engine, recorder = self.built, self.built.engine, self.recorder
        recorder.drained(engine.drain())
        recorder.minute(done * built.case.step_ms)
        recorder.leverage(done, done * built.case.step_ms)
        recorder.accounts()
        recorder.assets()
        crowd = {**built.crowd.memory(), **built.weather.memory()}
        if between is not None:
            crowd |= {f"between.{name}": array for name, array in between.memory().items()}
        hashes = {"venue": engine.state_hash(), "crowd": memory_hash(crowd), "tape": self.writer.finish()}
        engine.audit()
        self.folder.update(status=status, steps_done=done, hashes=hashes)


def play_second(venues: tuple[Running, ...], between: Between | None, step: int, watch: Stopwatch) -> None:
    """One step of every venue: all look, all speak, then each acts."""
    views = [view_of(venue.built, step) for venue in venues]
    if between is not None:
        between.look((views[0], views[1]))
    spoken = [venue.built.crowd.act(view) for venue, view in zip(venues, views, strict=True)]
    watch.lap("crowd")
    for side, venue in enumerate(venues):
        results = venue.act(views[side], spoken[side], watch)
        if between is not None:
            between.heard(side, spoken[side], results)


def view_of(built: Built, step: int) -> View:
    """What everybody can see before a step: the newest outside prices and the public market."""
    case, engine = built.case, built.engine
    count = len(case.instruments)
    markets = engine.state.markets[:count]
    asks = markets["best_ask"].copy()
    asks[asks >= engine.state.instruments["maximum_ticks"][:count]] = 0
    time_s = step * case.step_ms / 1000
    sky = built.weather.sky(time_s)
    ticks_usd = built.outside_usd[step] / built.crowd.gauges.market.tick_usd
    return View(
        step=step,
        time_s=time_s,
        step_seconds=float(case.step_seconds),
        outside_ticks=ticks_usd,
        bid_ticks=markets["best_bid"].copy(),
        ask_ticks=asks,
        last_ticks=markets["last"].copy(),
        mark_ticks=markets["mark"].copy(),
        failure=sky.failure,
        transfers=sky.transfers,
        latency_s=sky.latency_s,
    )


def memory_hash(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Sixteen hex digits over named arrays, in name order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()[:16]
