"""What each sub-command does: calls the lab, prints tables, returns an exit code.

Heavy modules are imported inside the functions; a command that needs no engine does not load one. Results
go to stdout, progress and messages to stderr.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from undertow.errors import CommandLineError, InputError
from undertow.lab.stops import stoppable
from undertow.views.cli import INCOMPLETE, INTERRUPTED, OK, settings_from

if TYPE_CHECKING:
    from undertow.case.model import Case
    from undertow.lab.score import Score
    from undertow.tape import RunFolder

SEED_LIMIT = 2**31 - 1
ACCOUNTS_LIMIT = 50_000_000
_CASE_KEYS = {"extends", "start", "end", "facts", "crowd", "world", "house", "mechanisms", "instruments"}


@dataclass(frozen=True)
class RunOptions:
    """The options of `undertow run`, as they were given."""

    case: str
    settings: tuple[str, ...]
    without: tuple[str, ...]
    data: Path | None
    accounts: int | None
    seed: int
    out: Path | None
    beside: bool
    tape: str
    policy: str | None
    population: Path | None
    report: bool
    strict: bool
    quiet: bool


def run_command(options: RunOptions) -> int:
    """Run a case, score it, write the report."""
    settings = changes_of(options.case, options.settings, options.without)
    check_numbers(options.accounts, options.seed, options.data, options.out)
    from undertow.lab.run import run_case
    from undertow.views import tables
    from undertow.views.progress import listener

    errors = Console(stderr=True)
    progress = listener(errors, options.quiet)
    with stoppable():
        try:
            result = run_case(
                options.case,
                settings,
                options.data,
                options.accounts,
                options.seed,
                options.out,
                progress,
                beside=options.beside,
                tape=options.tape,
                policy=options.policy,
                population=options.population,
            )
        finally:
            progress.end()
    results = [result] if result.beside is None else [result, result.beside]
    folders = [_folder_of(one.folder) for one in results]
    if options.report:
        from undertow.views.report import write_report

        progress.begin("Writing the report" if len(folders) == 1 else "Writing both reports")
        try:
            for folder in folders:
                write_report(folder)
        finally:
            progress.end()
    out = output()
    if options.quiet:
        out.print(str(folders[0].path), highlight=False, soft_wrap=True)
    else:
        for one, folder in zip(results, folders, strict=True):
            tables.run_summary(out, folder)
            if one.score is not None:
                tables.score_table(out, one.score)
            else:
                tables.not_scored(out, folder)
            out.print(f"\nRun folder: {folder.path}", highlight=False, soft_wrap=True)
            if options.report:
                out.print(f"Report:     {folder.path / 'report.html'}\n", highlight=False, soft_wrap=True)
        for folder in folders:
            say_note(folder)
    if result.status != "complete":
        _say(f"interrupted; the partial run is in {folders[0].path}")
        return INTERRUPTED
    codes = [_strict(options.strict, folder, one.score) for one, folder in zip(results, folders, strict=True)]
    return max(codes)


def cases_command() -> int:
    """List the cases that ship."""
    from undertow.case.shipped import headings
    from undertow.views.plain_tables import case_list

    case_list(output(), headings())
    return OK


def show_command(name: str, pairs: Sequence[str], without: Sequence[str]) -> int:
    """Show what is in a case or in a rulebook."""
    if _kind_of_name(name) == "rulebook":
        return _show_rulebook(name, pairs, without)
    settings = changes_of(name, pairs, without)
    from undertow.case.load import load_case
    from undertow.views import tables

    tables.case_in_words(output(), load_case(name, settings))
    return OK


def _show_rulebook(name: str, pairs: Sequence[str], without: Sequence[str]) -> int:
    from undertow.rulebook.load import load_rulebook, parse_override, with_overrides
    from undertow.views import rulebook_tables

    if without:
        raise CommandLineError("--without takes a case's mechanism away; a rulebook has none, use --set")
    changes = dict(parse_override(f"{key}={value}") for key, value in settings_from(pairs).items())
    rulebook = load_rulebook(name)
    rulebook_tables.rulebook_in_words(output(), with_overrides(rulebook, changes) if changes else rulebook)
    return OK


def new_command(kind: str, file: Path, source: str) -> int:
    """Write a new case or rulebook that starts from one that there is, and say what to do with it."""
    from undertow.case.starting import new_case, new_rulebook

    makers = {"case": new_case, "rulebook": new_rulebook}
    if kind not in makers:
        raise CommandLineError(f"new {kind}: is no kind of file; write new case or new rulebook")
    makers[kind](file, source)
    used = f"undertow run {file}" if kind == "case" else f"undertow run CASE --set rulebook={file}"
    output().print(
        f"{file}: a new {kind} that starts from {source}. Change it, then:\n"
        f"  undertow check {file}\n  {used}",
        highlight=False, soft_wrap=True, markup=False,
    )  # fmt: skip
    return OK


def check_command(name: str) -> int:
    """Check a case or rulebook, by name or file; the loaders raise one error that lists every fault."""
    kind = _kind_of_name(name)
    case = _check_case(name) if kind == "case" else None
    title = _check_rulebook(name) if case is None else case.title
    out = output()
    out.print(f"{name}: a valid {kind} ({title})", highlight=False, soft_wrap=True, markup=False)
    if case is not None:
        from undertow.case.amounts import crowd_amounts, odd_amounts
        from undertow.views.amounts import amounts_table

        amounts_table(out, crowd_amounts(case))
        for sentence in odd_amounts(case):
            _say(f"warning: {name}: {sentence}")
    return OK


def _kind_of_name(name: str) -> str:
    """Whether a name or path is a case's or a rulebook's."""
    from undertow.case.load import case_names
    from undertow.rulebook.load import preset_names

    if name in case_names():
        return "case"
    if name in preset_names():
        return "rulebook"
    return _kind_of(Path(name), [*case_names(), *preset_names()])


def _kind_of(file: Path, known: Sequence[str]) -> str:
    """Whether a file is a case or a rulebook, by the keys that only a case has."""
    from undertow.rulebook.faults import read_toml, suggest

    if file.is_dir():
        inside = file / "case.toml"
        right = f"a file, for example {inside}" if inside.is_file() else "a TOML file"
        raise CommandLineError(f"{file}: is a folder; name {right}")
    if not file.exists():
        named = not file.suffix and len(file.parts) == 1
        hint = f", and nothing that ships has this name; {suggest(str(file), known)}" if named else ""
        raise CommandLineError(f"{file}: no such file{hint}")
    return "case" if _CASE_KEYS & read_toml(file, str(file)).keys() else "rulebook"


def score_run_command(run: Path, case: str | None, strict: bool, quiet: bool) -> int:
    """Score a run again, against its own case or another."""
    from undertow.case.load import load_case
    from undertow.lab.score import not_owed, score_run, write_score
    from undertow.tape import RunFolder, Tape
    from undertow.views import tables

    folder = RunFolder.open(run)
    own = folder.path / "case.toml"
    if case is None and not own.is_file():
        raise InputError(f"{folder.path}: has no case.toml; name the case with --case")
    loaded = load_case(case if case is not None else str(own), {})
    if not loaded.facts:
        raise InputError(f"{case or own}: has no facts to score against")
    out, reason = output(), not_owed(loaded, str(folder.read().get("rulebook", "")))
    if reason:
        out.print(str(folder.path) if quiet else f"{folder.path}: {reason}", highlight=False, soft_wrap=True)
        return _strict(strict, folder, None)
    with Tape(folder) as tape:
        found = score_run(loaded.facts, tape)
    if quiet:
        out.print(str(folder.path), highlight=False, soft_wrap=True)
    else:
        tables.score_table(out, found)
    if case is None:
        try:
            write_score(folder, found)
        except InputError as error:
            _say(f"the score is not stored: {error}")
    return _strict(strict, folder, found)


def report_command(run: Path, strict: bool) -> int:
    """Write the report of a run or an ensemble and say where it is."""
    from undertow.lab.ensemble import is_ensemble
    from undertow.lab.score import read_score
    from undertow.tape import RunFolder
    from undertow.views.progress import listener
    from undertow.views.report import write_report

    if is_ensemble(run):
        return _draws_report(run, strict)
    folder = RunFolder.open(run)
    progress = listener(Console(stderr=True))
    progress.begin("Writing the report")
    try:
        path = write_report(folder)
    finally:
        progress.end()
    output().print(str(path), highlight=False, soft_wrap=True)
    return _strict(strict, folder, read_score(folder))


def _draws_report(folder: Path, strict: bool) -> int:
    """Write an ensemble's report."""
    from undertow.lab.ensemble import read_ensemble
    from undertow.views.report import write_draws_report

    output().print(str(write_draws_report(folder)), highlight=False, soft_wrap=True)
    ensemble = read_ensemble(folder)
    missed = ensemble.status != "complete" or any(not row.passed for row in ensemble.spread.rows)
    return INCOMPLETE if strict and missed else OK


def compare_command(runs: Sequence[Path], everything: bool) -> int:
    """Show runs side by side."""
    from undertow.lab.compare import Comparison, compare
    from undertow.views import compared

    found = compare(*runs)
    compared.comparison(output(), found, everything)
    if isinstance(found, Comparison):
        for run in dict.fromkeys(runs):
            say_note(_folder_of(run))
    return OK


def warmup_command() -> int:
    """Compile every kernel by running a small case once, and say whether that was needed."""
    from undertow._cache import cache_root
    from undertow.lab.warmup import warm_up
    from undertow.views.progress import listener

    progress = listener(Console(stderr=True))
    try:
        compiled = warm_up(progress)
    finally:
        progress.end()
    done = "the engine is compiled" if compiled else "the engine was compiled already; nothing to do"
    output().print(f"{done} ({cache_root()})", highlight=False, soft_wrap=True, markup=False)
    return OK


def changes_of(case: str, pairs: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """The overrides of `--set` and of the mechanisms that `--without` names."""
    settings = settings_from(pairs)
    if not names:
        return settings
    from undertow.case.mechanisms import without

    return without(case, names, settings)


def check_numbers(accounts: int | None, seed: int, data: Path | None, out: Path | None) -> None:
    """Refuse values no run can have, before anything is loaded."""
    if accounts is not None and not 1 <= accounts <= ACCOUNTS_LIMIT:
        raise CommandLineError(f"--accounts must be between 1 and {ACCOUNTS_LIMIT:,}, not {accounts}")
    if not 0 <= seed <= SEED_LIMIT:
        raise CommandLineError(f"--seed must be between 0 and {SEED_LIMIT}, not {seed}")
    if data is not None and not data.is_dir():
        raise CommandLineError(f"--data {data}: no such folder")
    if out is not None and out.is_file():
        raise CommandLineError(f"--out {out}: is a file; name a folder")


def _check_case(name: str) -> Case:
    from undertow.case.load import check_case
    from undertow.errors import CaseError
    from undertow.lab.score import check_facts

    case, faults = check_case(name, check_facts)
    if case is None or faults:
        raise CaseError("\n".join(faults))
    return case


def _check_rulebook(name: str) -> str:
    from undertow.rulebook.load import load_rulebook

    return load_rulebook(name).title


def _folder_of(folder: Any) -> RunFolder:
    from undertow.tape import RunFolder

    return folder if isinstance(folder, RunFolder) else RunFolder.open(Path(folder))


def say_note(folder: RunFolder) -> None:
    """Say on stderr what a reader must know before the run's numbers."""
    from undertow.views.notes import start_note

    note = start_note(folder.read())
    if note:
        _say(f"note on {folder.path}: {note}")


def _say(message: str) -> None:
    """A line on stderr."""
    Console(stderr=True).print(f"undertow: {message}", highlight=False, soft_wrap=True, markup=False)


def _strict(strict: bool, folder: RunFolder, score: Score | None) -> int:
    if not strict:
        return OK
    incomplete = folder.status != "complete" or (score is not None and not score.passed)
    return INCOMPLETE if incomplete else OK


def output() -> Console:
    """Standard output; wide enough for text when it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=120)
