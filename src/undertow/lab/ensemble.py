"""A case at several seeds: the draws run in parallel, their folders, and what they say together.

Holds the running of variants of a case over common seeds and the ensemble's folder. The arithmetic over draws
is `spread`, one run is `run`, the processes are `pool`.

Units: seeds are whole numbers, one a draw. Invariant: same case, settings, seeds and version give the same
ensemble.json to the byte, for any number of processes; a stopped ensemble keeps the draws that are done and
says "partial".
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from undertow import __version__
from undertow._jit import source_hash
from undertow.case.facts import as_utc
from undertow.case.load import load_case, rulebook_of
from undertow.case.model import Case
from undertow.case.overrides import as_text
from undertow.case.write import case_text, rulebook_text
from undertow.errors import CapacityError, CaseError, InputError, InvariantError
from undertow.lab.drawn import Drawn, drawn_of
from undertow.lab.outcomes import read_outcomes
from undertow.lab.pool import Pool
from undertow.lab.progress import Progress, Silent
from undertow.lab.run import run_case
from undertow.lab.score import Score, check_facts, not_owed, read_score
from undertow.lab.spread import Spread, spread_of
from undertow.lab.warmup import warm_up
from undertow.tape.folder import COMPLETE, PARTIAL, RunFolder

ENSEMBLE_FILE = "ensemble.json"
DRAWS_LIMIT = 1000


@dataclass(frozen=True)
class Variant:
    """A case with its overrides applied; `settings` are those overrides, for the record."""

    name: str
    case: Case
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: Path | None = None


@dataclass(frozen=True)
class Draw:
    """One run of an ensemble. `folder` is its name; `problem` says why it has no score."""

    seed: int
    folder: str
    score: Score | None
    problem: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Ensemble:
    """Draws of one variant, in order of their seeds. `status` is "complete", or "partial" if stopped."""

    variant: Variant
    draws: tuple[Draw, ...]
    status: str
    folder: Path | None = None

    @property
    def not_scored(self) -> str:
        """Why the draws owe none of the case's facts, in a sentence; empty where they do."""
        case = self.variant.case
        return not_owed(case, rulebook_of(case).name)

    @property
    def spread(self) -> Spread:
        """The facts over the draws; no rows where the case has none, or the draws owe none of them."""
        case = self.variant.case
        facts = () if self.not_scored else case.facts
        return spread_of(facts, [draw.score for draw in self.draws], case.start)


@dataclass(frozen=True)
class _Task:
    variant: Variant
    seed: int
    out: Path
    keep_tape: bool


def variant_of(
    case: str | Path | Case,
    settings: Mapping[str, Any] | None = None,
    data: Path | None = None,
    name: str = "",
) -> Variant:
    """A variant from a case and dotted overrides; raises CaseError for facts that nothing can measure."""
    loaded = case if isinstance(case, Case) else load_case(case, settings or {})
    faults = check_facts(loaded.facts)
    if faults:
        raise CaseError("\n".join(f"{loaded.name}: {fault}" for fault in faults))
    return Variant(name or loaded.name, loaded, dict(settings or {}), data)


def scored_variant_of(
    case: str | Path | Case,
    settings: Mapping[str, Any] | None = None,
    data: Path | None = None,
    name: str = "",
) -> Variant:
    """A variant whose draws can be scored; raises CaseError when it has no facts, or owes none of them."""
    variant = variant_of(case, settings, data, name)
    if not variant.case.facts:
        raise CaseError(f"{variant.case.name}: facts: there are none to score against; add [[facts]]")
    reason = not_owed(variant.case, rulebook_of(variant.case).name)
    if reason:
        raise CaseError(f"{variant.case.name}: {reason}")
    return variant


def run_ensemble(
    case: str | Path | Case,
    seeds: Sequence[int],
    settings: Mapping[str, Any] | None = None,
    data: Path | None = None,
    out: Path | None = None,
    *,
    jobs: int = 1,
    keep_tapes: bool = False,
    progress: Progress | None = None,
) -> Ensemble:
    """Run a case once for every seed into a new folder (below `out`, default ./runs) and write ensemble.json.

    `settings` are dotted overrides. Ctrl-C keeps the draws that are done. Raises InputError for anything
    wrong with what was given.
    """
    variant = variant_of(case, settings, data)
    folder = new_folder(out, f"{variant.case.name}-draws")
    try:
        with Pool(jobs) as pool:
            (found,) = run_variants([variant], seeds, pool, progress or Silent(), [folder], keep_tapes)
    except Exception:
        drop_if_empty(folder)
        raise
    write_ensemble(found)
    return found


def new_folder(out: Path | None, name: str) -> Path:
    """A new folder below `out` (default ./runs); takes the next free suffix -2, -3, ..."""
    wanted = (out or Path("runs")) / name
    number, path = 1, wanted
    while True:
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:
            number += 1
            path = wanted.with_name(f"{name}-{number}")
        except OSError as error:
            raise InputError(f"{path}: cannot create the folder: {error.strerror}") from None


def drop_if_empty(folder: Path) -> None:
    """Take back a folder in which nothing came to stand."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def run_variants(
    variants: Sequence[Variant],
    seeds: Sequence[int],
    pool: Pool,
    progress: Progress,
    folders: Sequence[Path],
    keep_tapes: bool = False,
    label: str = "",
) -> list[Ensemble]:
    """Every variant at every seed, all in one batch; variant k's runs go below `folders[k]`."""
    warm_up(progress)  # once, so that no two workers compile the same
    tasks = [
        _Task(variant, seed, folder, keep_tapes)
        for variant, folder in zip(variants, folders, strict=True)
        for seed in seeds
    ]
    runs = len(tasks)
    total = sum(task.variant.case.steps for task in tasks)
    progress.begin(
        label or f"Running {variants[0].case.name}, {runs} {'draw' if runs == 1 else 'draws'}", total
    )
    try:
        batch = pool.each(_play, tasks, progress)
    finally:
        progress.end()
    found = []
    for number, (variant, folder) in enumerate(zip(variants, folders, strict=True)):
        places = range(number * len(seeds), (number + 1) * len(seeds))
        draws = tuple(batch.results[place] for place in places if place in batch.results)
        _drop_unfinished(folder, draws)
        status = COMPLETE if len(draws) == len(seeds) else PARTIAL
        found.append(Ensemble(variant, draws, status, folder))
    return found


def write_ensemble(ensemble: Ensemble) -> None:
    """Write ensemble.json and the case into the ensemble's folder, and the wall time apart."""
    if ensemble.folder is None:
        raise ValueError("the ensemble has no folder")
    folder, variant = RunFolder(ensemble.folder), ensemble.variant
    folder.write_text("case.toml", case_text(variant.case))
    folder.write_text("rulebook.toml", rulebook_text(rulebook_of(variant.case)))
    folder.write_json(ENSEMBLE_FILE, ensemble_record(ensemble))
    folder.write_json("timing.json", {"seconds": {str(draw.seed): draw.seconds for draw in ensemble.draws}})


def ensemble_record(ensemble: Ensemble) -> dict[str, Any]:
    """The content of ensemble.json: what was run, each draw, and every fact over the draws."""
    variant, case = ensemble.variant, ensemble.variant.case
    return {
        "case": case.name,
        "title": case.title,
        "rulebook": rulebook_of(case).name,
        "accounts": case.accounts,
        "settings": {key: as_text(value) for key, value in variant.settings.items()},
        "data": "facts" if variant.data is None else "recorded",
        "version": __version__,
        "source_hash": source_hash(),
        "start_utc": f"{as_utc(case.start):%Y-%m-%dT%H:%M:%SZ}",
        "status": ensemble.status,
        "not_scored": ensemble.not_scored,
        "draws": [
            {"seed": draw.seed, "folder": draw.folder, "problem": draw.problem} for draw in ensemble.draws
        ],
        "outcomes": [drawn.as_plain() for drawn in outcomes_of(ensemble)],
        **ensemble.spread.as_json(),
    }


def outcomes_of(ensemble: Ensemble) -> tuple[Drawn, ...]:
    """The key outcomes of every draw, as its folder keeps them; a draw that failed has none."""
    if ensemble.folder is None:
        raise ValueError("the ensemble has no folder")
    return drawn_of(
        [
            None if draw.problem else read_outcomes(RunFolder(ensemble.folder / draw.folder))
            for draw in ensemble.draws
        ]
    )


def is_ensemble(path: Path) -> bool:
    """Whether a folder holds an ensemble."""
    return (path / ENSEMBLE_FILE).is_file()


def read_ensemble(path: Path) -> Ensemble:
    """An ensemble from its folder: the case beside it, the scores of its runs."""
    folder = RunFolder(path)
    record = folder.read_json(ENSEMBLE_FILE)
    case = load_case(str(path / "case.toml"), {})
    draws = []
    for row in record.get("draws", []):
        run = RunFolder(path / row["folder"])
        score = None if row["problem"] else read_score(run)
        draws.append(Draw(row["seed"], row["folder"], score, row["problem"]))
    variant = Variant(case.name, case, record.get("settings", {}))
    return Ensemble(variant, tuple(draws), str(record.get("status", PARTIAL)), path)


def _play(task: _Task, progress: Progress) -> Draw | None:
    """One draw in whatever process this is; None when it was stopped."""
    variant = task.variant
    name = f"{variant.case.name}-{task.seed}"
    try:
        result = run_case(variant.case, variant.settings, variant.data, None, task.seed, task.out, progress)
    except CapacityError as error:
        return Draw(task.seed, name, None, str(error))
    except InvariantError as error:
        return Draw(task.seed, name, None, f"an internal invariant broke, please report it: {error}")
    if result.status != COMPLETE:
        return None
    folder = RunFolder(result.folder)
    seconds = sum(folder.read_json("timing.json")["seconds"].values())
    if not task.keep_tape:
        for path in sorted(result.folder.glob("*.parquet")):
            path.unlink()
        folder.update(tape="dropped")
    return Draw(task.seed, result.folder.name, result.score, "", round(seconds, 3))


def _drop_unfinished(folder: Path, draws: Sequence[Draw]) -> None:
    """Remove what a stopped batch left of runs that were not done."""
    done = {draw.folder for draw in draws}
    for path in folder.iterdir():
        if path.is_dir() and path.name not in done and (path / "run.json").is_file():
            shutil.rmtree(path)
