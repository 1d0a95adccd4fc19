"""What the sub-commands over several draws do: calls the lab, prints tables, returns an exit code.

Heavy modules are imported inside the functions. Results go to stdout, progress and messages to stderr.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from undertow.errors import CommandLineError
from undertow.views.cli import INCOMPLETE, INTERRUPTED, OK, settings_from
from undertow.views.commands import SEED_LIMIT, check_numbers, output, score_run_command
from undertow.views.progress import listener

if TYPE_CHECKING:
    from undertow.lab.ensemble import Ensemble
    from undertow.lab.progress import Progress


@dataclass(frozen=True)
class ScoreOptions:
    """The options of `undertow score`, as they were given."""

    target: str
    draws: int | None
    first_seed: int
    settings: tuple[str, ...]
    data: Path | None
    accounts: int | None
    jobs: int
    out: Path | None
    keep_tapes: bool
    case: str | None
    strict: bool
    quiet: bool

    def of_draws(self) -> list[str]:
        """Options given that only a case over draws can use."""
        given = {
            "--draws": self.draws is not None,
            "--set": bool(self.settings),
            "--data": self.data is not None,
            "--accounts": self.accounts is not None,
            "--out": self.out is not None,
            "--keep-tapes": self.keep_tapes,
        }
        return [name for name, is_given in given.items() if is_given]


def score_command(options: ScoreOptions) -> int:
    """Score a run again, show an ensemble again, or run a case over several draws."""
    path = Path(options.target)
    from undertow.lab.ensemble import is_ensemble, read_ensemble

    if path.is_dir():
        wrong = options.of_draws()
        if wrong:
            raise CommandLineError(f"{wrong[0]} is for a case; {path} is a folder, which is scored as it is")
        if not is_ensemble(path):
            return score_run_command(path, options.case, options.strict)
        if options.case is not None:
            raise CommandLineError(f"--case is for a single run; {path} is an ensemble")
        return _shown(read_ensemble(path), options)
    if options.case is not None:
        raise CommandLineError(f"--case is for a run folder, and {path} is none")
    return _score_case(options)


def _score_case(options: ScoreOptions) -> int:
    from undertow.case.load import case_path
    from undertow.lab.ensemble import run_ensemble

    case_path(options.target)
    if options.draws is None:
        raise CommandLineError(
            f"{options.target} is a case; say how many draws to score: --draws 8 (or name a run folder)"
        )
    settings: dict[str, object] = dict(settings_from(options.settings))
    seeds = seeds_from(options.first_seed, options.draws)
    check_numbers(options.accounts, options.first_seed, options.data, options.out)
    if options.accounts is not None:
        settings["accounts"] = options.accounts
    with working(options.quiet) as progress:
        found = run_ensemble(
            options.target,
            seeds,
            settings,
            options.data,
            options.out,
            jobs=options.jobs,
            keep_tapes=options.keep_tapes,
            progress=progress,
        )
    return _shown(found, options)


def _shown(ensemble: Ensemble, options: ScoreOptions) -> int:
    from undertow.tape.folder import COMPLETE
    from undertow.views import draw_tables

    out = output()
    if options.quiet:
        out.print(str(ensemble.folder), highlight=False, soft_wrap=True)
    else:
        draw_tables.spread_table(out, ensemble.spread)
        out.print(f"\nEnsemble: {ensemble.folder}", highlight=False, soft_wrap=True)
    if ensemble.status != COMPLETE:
        done = len(ensemble.draws)
        Console(stderr=True).print(
            f"undertow: partial: {done} draws are done, in {ensemble.folder}", highlight=False, soft_wrap=True
        )
        return INTERRUPTED if options.draws is not None else INCOMPLETE if options.strict else OK
    missed = any(not row.passed for row in ensemble.spread.rows)
    return INCOMPLETE if options.strict and missed else OK


def seeds_from(first: int, draws: int) -> range:
    """The seeds of so many draws; raises CommandLineError for a number that makes none."""
    from undertow.lab.ensemble import DRAWS_LIMIT

    if not 1 <= draws <= DRAWS_LIMIT:
        raise CommandLineError(f"--draws must be between 1 and {DRAWS_LIMIT}, not {draws}")
    if not 0 <= first <= SEED_LIMIT - draws:
        raise CommandLineError(f"--first-seed must be between 0 and {SEED_LIMIT - draws}, not {first}")
    return range(first, first + draws)


@contextmanager
def working(quiet: bool) -> Iterator[Progress]:
    """A listener on stderr; being stopped counts as being interrupted while it lasts."""
    progress = listener(Console(stderr=True), quiet)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield progress
    finally:
        signal.signal(signal.SIGTERM, before)
        progress.end()
