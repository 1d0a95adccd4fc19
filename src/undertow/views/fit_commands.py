"""What the commands around a calibration do: calls the lab, prints sheets, returns an exit code.

Heavy modules are imported inside the functions. Results go to stdout, progress and messages to stderr; each
result is also a Markdown page in its folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from undertow.errors import CommandLineError
from undertow.views.cli import INTERRUPTED, OK
from undertow.views.commands import output
from undertow.views.draw_options import DrawOptions
from undertow.views.lab_commands import seeds_of, settings_of, working

if TYPE_CHECKING:
    from undertow.views.sheets import Sheet


@dataclass(frozen=True)
class Search:
    """The options of `undertow calibrate` alone, as they were given."""

    trials: int
    screen: int | None
    draws: int
    check: int
    controls: tuple[str, ...]
    resume: Path | None


def calibrate_command(case: str, search: Search, options: DrawOptions) -> int:
    """Search a case's free parameters and show what came out."""
    from undertow.lab.calibrate import BEST_FILE, TRIALS_LIMIT, Plan, calibrate
    from undertow.views import sheets

    if not 1 <= search.trials <= TRIALS_LIMIT:
        raise CommandLineError(f"--trials must be between 1 and {TRIALS_LIMIT:,}, not {search.trials}")
    if search.screen is not None and not 0 <= search.screen < TRIALS_LIMIT:
        raise CommandLineError(f"--screen must be between 0 and {TRIALS_LIMIT - 1:,}, not {search.screen}")
    if not 0 <= search.check <= TRIALS_LIMIT:
        raise CommandLineError(f"--check must be between 0 and {TRIALS_LIMIT:,}, not {search.check}")
    if search.resume is not None and options.out is not None:
        raise CommandLineError("--resume goes on in the folder it names; leave --out out")
    seeds, settings = seeds_of(options, search.draws), settings_of(case, options)
    with working(options.quiet) as progress:
        found = calibrate(
            case,
            Plan(search.trials, search.screen, tuple(seeds), search.check, controls=search.controls),
            settings,
            options.data,
            options.out,
            resume=search.resume,
            jobs=options.jobs,
            progress=progress,
        )
    title = f"Calibration of {case}"
    code = _deliver(found.folder, title, sheets.of_calibration(found), found.status, options.quiet)
    if not options.quiet:
        output().print(f"Best:   {found.folder / BEST_FILE}", highlight=False, soft_wrap=True)
    return code


def sensitivity_command(case: str, draws: int, also: Sequence[str], options: DrawOptions) -> int:
    """Move one figure at a time and show what the score does."""
    from undertow.case.load import load_case
    from undertow.lab.sensitivity import further, sensitivity
    from undertow.views import sheets

    seeds, settings = seeds_of(options, draws), settings_of(case, options)
    extra = further(load_case(case, settings), also)
    with working(options.quiet) as progress:
        found = sensitivity(
            case, seeds, settings, options.data, options.out, also=extra, jobs=options.jobs, progress=progress
        )
    title = f"Sensitivity of {case}"
    return _deliver(found.folder, title, sheets.of_sensitivity(found), found.status, options.quiet)


def stability_command(case: str, draws: int, only: Sequence[str], options: DrawOptions) -> int:
    """Score the variants that should not matter and show whether they do."""
    from undertow.lab.stability import stability
    from undertow.views import sheets

    seeds, settings = seeds_of(options, draws), settings_of(case, options)
    with working(options.quiet) as progress:
        found = stability(
            case, seeds, settings, options.data, options.out, only=only, jobs=options.jobs, progress=progress
        )
    title = f"Stability of {case}"
    return _deliver(found.folder, title, sheets.of_stability(found), found.status, options.quiet)


def _deliver(folder: Path, title: str, content: Sequence[Sheet], status: str, quiet: bool) -> int:
    """Print sheets and write them as a page beside the result; a partial one was interrupted."""
    from undertow.tape.folder import COMPLETE, RunFolder
    from undertow.views import sheets

    RunFolder(folder).write_text("result.md", sheets.markdown(title, content))
    out = output()
    if quiet:
        out.print(str(folder), highlight=False, soft_wrap=True)
    else:
        sheets.show(out, content)
        out.print(f"\nFolder: {folder}", highlight=False, soft_wrap=True)
    if status == COMPLETE:
        return OK
    errors = Console(stderr=True)
    errors.print(f"undertow: partial: what is done is in {folder}", highlight=False, soft_wrap=True)
    return INTERRUPTED
