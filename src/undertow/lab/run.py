"""Running a case: step by step, onto a tape, to a scored run folder.

Holds the loop and the run's record; what happens within a second stands in `venues`. Every number a run
prints is a query on its tape (`outcomes`, `score`). Holds no behaviour and no rule.

Units: steps of the case's length; wall time goes into timing.json only. Invariant: same case, settings, seed
and version give the same files to the byte (timing.json apart); an interrupted run leaves a readable partial
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from undertow import __version__
from undertow._jit import source_hash, tell_of_compiling
from undertow.case.facts import as_utc
from undertow.case.load import case_names, load_case
from undertow.case.model import Case
from undertow.case.overrides import as_text
from undertow.case.write import BESIDE_FOLDER, case_text, rulebook_text
from undertow.crowd.between import Between
from undertow.errors import CaseError, InputError
from undertow.lab.at_start import below_at_start
from undertow.lab.build import Built, Choices
from undertow.lab.countable import countable
from undertow.lab.outcomes import outcomes, write_summary
from undertow.lab.progress import Progress, Silent
from undertow.lab.score import Score, check_facts, not_owed, score_run, write_score
from undertow.lab.stopwatch import Stopwatch
from undertow.lab.venues import Running, build_venues, play_second
from undertow.rulebook.faults import shown
from undertow.tape.folder import COMPLETE, PARTIAL, RunFolder
from undertow.tape.query import Tape
from undertow.tape.schema import FULL, LAB, TAPE_LEVELS
from undertow.venue.allocation import Policy
from undertow.venue.stages import policy_of


@dataclass(frozen=True)
class RunResult:
    """Where a run is and how it ended; `beside` is the second venue's, a whole run in the first's folder."""

    folder: Path
    status: str
    score: Score | None
    beside: RunResult | None = None


def run_case(  # noqa: PLR0913 one argument for each choice of a run
    case: str | Path | Case,
    settings: Mapping[str, Any] | None = None,
    data: Path | None = None,
    accounts: int | None = None,
    seed: int = 1,
    out: Path | None = None,
    progress: Progress | None = None,
    beside: bool = False,
    tape: str = LAB,
    policy: Policy | str | None = None,
    population: Path | None = None,
) -> RunResult:
    """Run a case into a new folder (below `out`, default ./runs) and score it.

    `settings` are dotted overrides. `beside` plays the case's second venue along with it, into the folder
    `beside` of the run. `tape` is its level of detail, one of TAPE_LEVELS. `policy` allocates losses instead
    of the rulebook's: a registered name, or an object. `population` is a file of accounts and what they hold,
    instead of the drawn ones (`crowd.population_file`). Interrupting with Ctrl-C leaves a partial run that
    can be read. Raises InputError for anything wrong with what was given.
    """
    if tape not in TAPE_LEVELS:
        raise InputError(f"tape: {shown(tape)} is no level of detail; one of {', '.join(TAPE_LEVELS)}")
    if policy is not None:
        policy = policy_of(policy)  # a name that is none is said before anything is drawn
    listener = progress or Silent()
    changes = dict(settings or {})
    if accounts is not None:
        changes["accounts"] = accounts
    given = case if isinstance(case, str) and case in case_names() else None
    loaded = _checked(case if isinstance(case, Case) else load_case(case, changes))
    watch = Stopwatch()
    tell_of_compiling(listener.note if progress else None)
    listener.begin("Preparing the venue" if not beside else "Preparing two venues")
    choices = Choices(tape == FULL, policy, population)
    with countable(loaded.name):
        venues = build_venues(loaded, data, seed, beside, choices)
    listener.end()
    watch.lap("prepare")
    place = (out or Path("runs")) / f"{loaded.name}-{seed}"
    folders: list[RunFolder] = []
    for built in venues.built:
        record = _record(built, given, changes, seed, data) | {"tape": tape}
        if built is venues.built[0]:
            record |= _chosen(built, choices)
        folder = RunFolder.create(folders[0].path / BESIDE_FOLDER if folders else place, record)
        folder.write_text("case.toml", case_text(built.case))
        folder.write_text("rulebook.toml", rulebook_text(built.rulebook))
        folders.append(folder)
    if beside:
        folders[0].update(other_venue=BESIDE_FOLDER)
        folders[1].update(other_venue="..", beside_of={"case": loaded.name, "accounts": loaded.accounts})
    running = tuple(Running(built, folder) for built, folder in zip(venues.built, folders, strict=True))
    with countable(loaded.name):
        status = _play(running, venues.between, listener, watch)
    listener.begin("Measuring")
    results = [_measured(venue, status) for venue in running]
    listener.end()
    watch.lap("measure")
    folders[0].write_json("timing.json", watch.seconds())
    return replace(results[0], beside=results[1] if beside else None)


def _checked(case: Case) -> Case:
    """The case, if its facts can be measured; CaseError if not."""
    faults = check_facts(case.facts)
    if case.beside is not None:
        faults += check_facts(case.beside.facts, "beside.facts")
    if faults:
        raise CaseError("\n".join(f"{case.name}: {fault}" for fault in faults))
    return case


def _measured(venue: Running, status: str) -> RunResult:
    """Outcomes and score of one venue, written beside its tape; nothing of a run that was cut short."""
    score = None
    folder, facts = venue.folder, venue.built.case.facts
    if status == COMPLETE:
        with Tape(folder) as tape:
            tape.hold("series")
            write_summary(folder, outcomes(tape))
            if facts and not not_owed(venue.built.case, venue.built.rulebook.name):
                score = score_run(facts, tape)
                write_score(folder, score)
    return RunResult(folder.path, status, score)


def _record(
    built: Built, given: str | None, settings: Mapping[str, Any], seed: int, data: Path | None
) -> dict[str, Any]:
    """The content of run.json; `given` is its name if it ships: a path means nothing elsewhere."""
    case = built.case
    return {
        "case": case.name,
        "given": given,
        "title": case.title,
        "rulebook": built.rulebook.name,
        "seed": seed,
        "accounts": case.accounts,
        "steps_total": case.steps,
        "steps_done": 0,
        "step_seconds": case.step_ms / 1000 if case.step_ms % 1000 else case.step_ms // 1000,
        "version": __version__,
        "source_hash": source_hash(),
        "settings": {key: as_text(value) for key, value in settings.items()},
        "data": "facts" if data is None else "recorded",
        "recorded_coins": list(built.recorded),
        "start_utc": f"{as_utc(case.start):%Y-%m-%dT%H:%M:%SZ}",
        "settlement": {"name": built.rulebook.settlement, "decimals": 6},
        "groups": list(built.groups),
        "profiles": list(built.engine.profiles),
        "not_scored": not_owed(case, built.rulebook.name),
        "below_at_start": below_at_start(built),
    }


def _chosen(built: Built, choices: Choices) -> dict[str, Any]:
    """What run.json says of a policy and a population that are not the case's."""
    said: dict[str, Any] = {}
    if choices.policy is not None:
        said["policy"] = built.engine.closing.policy.name
    if choices.population is not None:
        said["population"] = choices.population.name
        said["population_hash"] = sha256(choices.population.read_bytes()).hexdigest()[:16]
        said["accounts"] = int(np.count_nonzero(built.group_of == built.groups.index("trader")))
    return said


def _play(venues: tuple[Running, ...], between: Between | None, progress: Progress, watch: Stopwatch) -> str:
    """Run every step on every venue; returns complete or partial."""
    case = venues[0].built.case
    status, done = COMPLETE, 0
    where = "" if len(venues) == 1 else f" on {len(venues)} venues"
    progress.begin(f"Running {case.name}{where}", case.steps)
    try:
        for step in range(1, case.steps + 1):
            play_second(venues, between, step, watch)
            done = step
            progress.advance()
    except KeyboardInterrupt:
        status = PARTIAL
    progress.end()
    for venue in venues:
        venue.finish(status, done, between)
    watch.lap("tape")
    return status
