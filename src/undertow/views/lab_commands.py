"""What the commands that score over several draws do: calls the lab, prints tables, returns an exit code.

Heavy modules are imported inside the functions. Results go to stdout, progress and messages to stderr.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from undertow.errors import CommandLineError
from undertow.lab.stops import stoppable
from undertow.views.cli import INCOMPLETE, INTERRUPTED, OK
from undertow.views.commands import SEED_LIMIT, changes_of, check_numbers, output, say_note, score_run_command
from undertow.views.draw_options import DrawOptions
from undertow.views.progress import listener

if TYPE_CHECKING:
    from undertow.lab.ensemble import Ensemble
    from undertow.lab.progress import Progress


@dataclass(frozen=True)
class ScoreOptions:
    """The options of `undertow score`, as they were given."""

    target: str
    draws: int | None
    options: DrawOptions
    against_data: Path | None
    keep_tapes: bool
    case: str | None
    strict: bool

    def of_draws(self) -> list[str]:
        """Options given that only a case over draws can use."""
        given = {
            "--draws": self.draws is not None,
            "--against-data": self.against_data is not None,
            "--keep-tapes": self.keep_tapes,
            "--set": bool(self.options.set_),
            "--without": bool(self.options.without),
            "--data": self.options.data is not None,
            "--accounts": self.options.accounts is not None,
            "--out": self.options.out is not None,
        }
        return [name for name, is_given in given.items() if is_given]


def score_command(given: ScoreOptions) -> int:
    """Score a run again, show an ensemble again, or run a case over several draws."""
    from undertow.case.load import case_names, case_path
    from undertow.lab.ensemble import is_ensemble, read_ensemble, run_ensemble

    path, options = Path(given.target), given.options
    if path.is_dir():
        wrong = given.of_draws()
        if wrong:
            raise CommandLineError(f"{wrong[0]} is for a case; {path} is a folder, which is scored as it is")
        if not is_ensemble(path):
            return score_run_command(path, given.case, given.strict, options.quiet)
        if given.case is not None:
            raise CommandLineError(f"--case is for a single run; {path} is an ensemble")
        return _shown(read_ensemble(path), options.quiet, given.strict, False)
    if given.case is not None:
        raise CommandLineError(f"--case is for a run folder, and {path} is none")
    if given.draws is None and not path.exists() and given.target not in case_names():
        raise CommandLineError(
            f"{given.target}: no such run folder, and no case that ships; score takes a run folder, or with "
            "--draws a case"
        )
    case_path(given.target)
    if given.draws is None:
        raise CommandLineError(
            f"{given.target} is a case; say how many draws to score: --draws 8 (or name a run folder)"
        )
    if given.against_data is not None:
        return _against(given, given.draws, given.against_data)
    settings, seeds = settings_of(given.target, options), seeds_of(options, given.draws)
    with working(options.quiet) as progress:
        found = run_ensemble(
            given.target,
            seeds,
            settings,
            options.data,
            options.out,
            jobs=options.jobs,
            keep_tapes=given.keep_tapes,
            progress=progress,
        )
    return _shown(found, options.quiet, given.strict, True)


def _shown(ensemble: Ensemble, quiet: bool, strict: bool, running: bool) -> int:
    """Print an ensemble; a partial one that was just run was interrupted."""
    from undertow.lab.ensemble import outcomes_of
    from undertow.tape.folder import COMPLETE, RunFolder
    from undertow.views import draw_tables

    out, errors = output(), Console(stderr=True)
    if quiet:
        out.print(str(ensemble.folder), highlight=False, soft_wrap=True)
    else:
        draw_tables.outcomes_table(out, outcomes_of(ensemble))
        if ensemble.spread.rows:
            draw_tables.spread_table(out, ensemble.spread)
        else:
            draw_tables.no_facts(out, ensemble)
        out.print(f"\nEnsemble: {ensemble.folder}", highlight=False, soft_wrap=True)
        scored = [draw for draw in ensemble.draws if not draw.problem]
        if ensemble.folder is not None and scored:
            say_note(RunFolder(ensemble.folder / scored[0].folder))
    problems = [f"seed {draw.seed}: {draw.problem}" for draw in ensemble.draws if draw.problem]
    for problem in problems:
        errors.print(f"undertow: {problem}", highlight=False, soft_wrap=True, markup=False)
    if ensemble.status != COMPLETE:
        said = f"undertow: partial: {len(ensemble.draws)} draws are done, in {ensemble.folder}"
        errors.print(said, highlight=False, soft_wrap=True, markup=False)
        if running:
            return INTERRUPTED
    wrong = ensemble.status != COMPLETE or any(not row.passed for row in ensemble.spread.rows)
    return INCOMPLETE if problems or (strict and wrong) else OK


def _against(given: ScoreOptions, draws: int, data: Path) -> int:
    from undertow.lab.against import against_data
    from undertow.tape.folder import COMPLETE, RunFolder
    from undertow.views import sheets

    options, out = given.options, output()
    if options.data is not None:
        raise CommandLineError("--against-data runs with and without recordings; leave --data out")
    if not data.is_dir():
        raise CommandLineError(f"--against-data {data}: no such folder")
    settings, seeds = settings_of(given.target, options), seeds_of(options, draws)
    with working(options.quiet) as progress:
        found = against_data(
            given.target,
            seeds,
            data,
            settings,
            options.out,
            jobs=options.jobs,
            keep_tapes=given.keep_tapes,
            progress=progress,
        )
    content = sheets.of_difference(found)
    RunFolder(found.folder).write_text(
        "result.md", sheets.markdown(f"{given.target} with and without recordings", content)
    )
    if options.quiet:
        out.print(str(found.folder), highlight=False, soft_wrap=True)
    else:
        sheets.show(out, content)
        out.print(f"\nFolder: {found.folder}", highlight=False, soft_wrap=True)
    if found.status != COMPLETE:
        return INTERRUPTED
    wrong = any(not row.first_passed or not row.second_passed for row in found.rows)
    return INCOMPLETE if given.strict and wrong else OK


def settings_of(case: str, options: DrawOptions) -> dict[str, object]:
    """The overrides, accounts among them; raises CommandLineError for values no run can have."""
    check_numbers(options.accounts, 0, options.data, options.out)
    settings: dict[str, object] = dict(changes_of(case, options.set_, options.without))
    if options.accounts is not None:
        settings["accounts"] = options.accounts
    return settings


def seeds_of(options: DrawOptions, draws: int) -> range:
    """The seeds of so many draws; raises CommandLineError for a number that makes none."""
    from undertow.lab.ensemble import DRAWS_LIMIT

    if not 1 <= draws <= DRAWS_LIMIT:
        raise CommandLineError(f"--draws must be between 1 and {DRAWS_LIMIT}, not {draws}")
    if not 0 <= options.first_seed <= SEED_LIMIT - draws:
        raise CommandLineError(
            f"--first-seed must be between 0 and {SEED_LIMIT - draws}, not {options.first_seed}"
        )
    return range(options.first_seed, options.first_seed + draws)


@contextmanager
def working(quiet: bool) -> Iterator[Progress]:
    """A listener on stderr; being stopped counts as being interrupted while it lasts."""
    progress = listener(Console(stderr=True), quiet)
    with stoppable():
        try:
            yield progress
        finally:
            progress.end()
