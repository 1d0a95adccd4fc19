"""Running a case: step by step, onto a tape, to a scored run folder.

Holds the loop and the run's record. Every number a run prints is a query on its tape (`outcomes`, `score`).
Holds no behaviour and no rule.

Units: steps of the case's length; wall time goes into timing.json only. Invariant: same case, settings, seed
and version give the same files to the byte (timing.json apart); an interrupted run leaves a readable partial
one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from undertow import __version__
from undertow._jit import is_compiled, source_hash
from undertow.case.facts import as_utc
from undertow.case.load import load_case
from undertow.case.model import Case
from undertow.case.write import case_text, rulebook_text
from undertow.crowd.view import View
from undertow.errors import CaseError
from undertow.lab.build import Built, build
from undertow.lab.outcomes import outcomes, write_summary
from undertow.lab.progress import Progress, Silent
from undertow.lab.recorder import HOUSE_EVERY_SECONDS, Recorder
from undertow.lab.score import Score, check_facts, score_run, write_score
from undertow.tape.folder import COMPLETE, PARTIAL, RunFolder
from undertow.tape.query import Tape
from undertow.tape.writer import TapeWriter

DRAIN_STEPS = 10
AUDIT_STEPS = 300
MINUTE_S = 60


@dataclass(frozen=True)
class RunResult:
    """Where a run is and how it ended."""

    folder: Path
    status: str
    score: Score | None


def run_case(
    case: str | Path | Case,
    settings: Mapping[str, Any] | None = None,
    data: Path | None = None,
    accounts: int | None = None,
    seed: int = 1,
    out: Path | None = None,
    progress: Progress | None = None,
) -> RunResult:
    """Run a case into a new folder (below `out`, default ./runs) and score it.

    `settings` are dotted overrides. Interrupting with Ctrl-C leaves a partial run that can be read. Raises
    InputError for anything wrong with what was given.
    """
    listener = progress or Silent()
    changes = dict(settings or {})
    if accounts is not None:
        changes["accounts"] = accounts
    loaded = case if isinstance(case, Case) else load_case(case, changes)
    faults = check_facts(loaded.facts)
    if faults:
        raise CaseError("\n".join(f"{loaded.name}: {fault}" for fault in faults))
    watch = _Stopwatch()
    if not is_compiled():
        listener.note("compiling kernels, first run only, about half a minute")
    listener.begin("Preparing the venue")
    built = build(loaded, data, seed)
    listener.end()
    watch.lap("prepare")
    place = (out or Path("runs")) / f"{loaded.name}-{seed}"
    folder = RunFolder.create(place, _record(built, changes, seed, data))
    folder.write_text("case.toml", case_text(loaded))
    folder.write_text("rulebook.toml", rulebook_text(built.rulebook))
    status = _play(built, folder, listener, watch)
    tape = Tape(folder.path)
    listener.begin("Measuring")
    score = None
    if status == COMPLETE:
        write_summary(folder, outcomes(tape))
        if loaded.facts:
            score = score_run(loaded.facts, tape)
            write_score(folder, score)
    listener.end()
    watch.lap("measure")
    laps = {name: round(seconds, 3) for name, seconds in watch.laps.items()}
    folder.write_json("timing.json", {"seconds": laps})
    return RunResult(folder.path, status, score)


class _Stopwatch:
    """Wall seconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Add the time since the last lap to a stage."""
        now = time.perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self._last = now


def _record(built: Built, settings: Mapping[str, Any], seed: int, data: Path | None) -> dict[str, Any]:
    case = built.case
    return {
        "case": case.name,
        "title": case.title,
        "rulebook": built.rulebook.name,
        "seed": seed,
        "accounts": case.accounts,
        "steps_total": case.steps,
        "steps_done": 0,
        "step_seconds": case.step_ms / 1000 if case.step_ms % 1000 else case.step_ms // 1000,
        "version": __version__,
        "source_hash": source_hash(),
        "settings": {key: str(value) for key, value in settings.items()},
        "data": "facts" if data is None else "recorded",
        "recorded_coins": list(built.recorded),
        "start_utc": f"{as_utc(case.start):%Y-%m-%dT%H:%M:%SZ}",
        "settlement": {"name": built.rulebook.settlement, "decimals": 6},
        "groups": list(built.groups),
    }


def _play(built: Built, folder: RunFolder, progress: Progress, watch: _Stopwatch) -> str:
    """Run every step; returns complete or partial."""
    writer = TapeWriter(folder, step_ms=built.case.step_ms)
    recorder = Recorder(built, writer)
    status, done = COMPLETE, 0
    progress.begin(f"Running {built.case.name}", built.case.steps)
    try:
        for step in range(1, built.case.steps + 1):
            _step(built, recorder, step, watch)
            done = step
            progress.advance()
    except KeyboardInterrupt:
        status = PARTIAL
    progress.end()
    recorder.drained(built.engine.drain())
    recorder.minute(done * built.case.step_ms)
    recorder.accounts()
    hashes = {
        "venue": built.engine.state_hash(),
        "crowd": memory_hash({**built.crowd.memory(), **built.weather.memory()}),
        "tape": writer.finish(),
    }
    built.engine.audit()
    folder.update(status=status, steps_done=done, hashes=hashes)
    watch.lap("tape")
    return status


def _step(built: Built, recorder: Recorder, step: int, watch: _Stopwatch) -> None:
    """One step: the crowd looks and speaks, the venue acts, the tape remembers."""
    case, engine = built.case, built.engine
    time_ms = step * case.step_ms
    view = _view(built, step)
    commands = built.crowd.act(view)
    watch.lap("crowd")
    built.crowd.heard(commands, engine.submit(commands))
    watch.lap("matching")
    engine.step(time_ms, built.outside_ticks[step])
    built.weather.record(built.crowd.messages, len(engine.candidates()), built.outside_ticks[step])
    watch.lap("waterfall")
    if time_ms % (1000 * case.record_seconds) == 0:
        recorder.sample(step, time_ms)
        recorder.weather(view)
    if time_ms % (1000 * HOUSE_EVERY_SECONDS) == 0:
        recorder.house(step, time_ms)
        recorder.depth_removed(step, time_ms)
    if step % DRAIN_STEPS == 0:
        recorder.drained(engine.drain())
    if time_ms % (1000 * MINUTE_S) == 0:
        recorder.minute(time_ms - 1)
    if step % AUDIT_STEPS == 0:
        engine.audit()
    watch.lap("record")


def _view(built: Built, step: int) -> View:
    """What everybody can see before a step: the newest outside prices and the public market."""
    case, engine = built.case, built.engine
    count = len(case.instruments)
    markets = engine.state.markets[:count]
    asks = markets["best_ask"].copy()
    asks[asks >= engine.state.instruments["maximum_ticks"][:count]] = 0
    time_s = step * case.step_ms / 1000
    sky = built.weather.sky(time_s)
    ticks_usd = built.outside_usd[step] / np.array([float(row.tick_usd) for row in case.instruments])
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
    )


def memory_hash(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Sixteen hex digits over named arrays, in name order."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()[:16]
