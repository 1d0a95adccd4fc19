"""The command line: names, options, exit codes and messages. The work is in `undertow.views.commands`.

Nothing heavy is imported here, so `undertow --help` answers at once. A wrong command line is one message on
stderr; no traceback reaches a user (UNDERTOW_TRACEBACK=1 lets it through, for a defect report).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from errno import ENAMETOOLONG
from io import TextIOWrapper
from pathlib import Path

from cyclopts import App, Group
from cyclopts.exceptions import CycloptsError, UnusedCliTokensError

from undertow import __version__
from undertow.errors import CommandLineError, InputError, InvariantError, UndertowError
from undertow.views.draw_options import AS_GIVEN, DrawOptions, Names, Origin, Settings, Switch

OK = 0
INCOMPLETE = 1
BAD_INPUT = 2
BROKEN = 3
INTERRUPTED = 130

_EPILOGUE = f"""Exit codes:
  {OK}    done
  {INCOMPLETE}    the engine could not go on; with --strict also: partial, or a fact missed
  {BAD_INPUT}    something given is wrong (command line, case, rulebook, data)
  {BROKEN}    an internal invariant broke: a defect, never your fault
  {INTERRUPTED}  interrupted; a run leaves a readable folder, marked partial"""

app = App(
    name="undertow",
    help="Replay a leveraged-market crash under a venue's rulebook, and see who paid.",
    help_epilogue=_EPILOGUE,
    help_format="plaintext",
    version=__version__,
    group_commands=Group("Commands", sort_key=0),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


@app.command(sort_key=1)
def run(  # noqa: PLR0913 one argument for each option
    case: str,
    /,
    *,
    set_: Settings = (),
    without: Names = (),
    data: Path | None = None,
    accounts: int | None = None,
    seed: int = 1,
    out: Path | None = None,
    beside: Switch = False,
    tape: str = "lab",
    policy: str | None = None,
    population: Path | None = None,
    report: bool = True,
    strict: Switch = False,
    quiet: Switch = False,
) -> int:
    """Run a case, score it against its facts and write the report.

    Parameters
    ----------
    case
        Name of a case that ships (see `undertow cases`) or path of a case file.
    set_
        Override one value of the case or its rulebook: KEY=VALUE with a dotted key. May be repeated.
    without
        Take one of the case's mechanisms away, by its name (see `undertow show`). May be repeated.
    data
        Folder with recorded data; without it the case's published facts are the outside.
    accounts
        How many accounts the crowd has.
    seed
        Chooses the random draws.
    out
        Folder to create the run folder CASE-SEED in; the next free name is taken. Default: runs.
    beside
        Play the case's second venue along with it: a run of its own, in the folder `beside` of the run.
    tape
        What the tape holds. lab: all but the single postings of trades and fees. full: those as well.
    policy
        Allocate losses by this policy instead of the rulebook's, by its registered name.
    population
        CSV or Parquet file of accounts and what they hold, instead of those drawn.
    report
        Write report.html into the run folder.
    strict
        Exit with 1 when a fact is missed.
    quiet
        Print nothing but the run folder.
    """
    from undertow.views.commands import RunOptions, run_command

    given = RunOptions(
        case,
        set_,
        without,
        data,
        accounts,
        seed,
        out,
        beside,
        tape,
        policy,
        population,
        report,
        strict,
        quiet,
    )
    return run_command(given)


@app.command(sort_key=2)
def cases() -> int:
    """List the cases that ship."""
    from undertow.views.commands import cases_command

    return cases_command()


@app.command(sort_key=3)
def show(name: str, /, *, set_: Settings = (), without: Names = ()) -> int:
    """Show what is in a case (crowd, facts, mechanisms) or in a rulebook, with its sources.

    Parameters
    ----------
    name
        Name of a case or rulebook that ships, or path of a file.
    set_
        Override one value first: KEY=VALUE with a dotted key. May be repeated.
    without
        Take one of the case's mechanisms away first, by its name. May be repeated.
    """
    from undertow.views.commands import show_command

    return show_command(name, set_, without)


@app.command(sort_key=12)
def new(kind: str, file: Path, /, *, from_: Origin) -> int:
    """Write a new case or rulebook file that starts from one that there is.

    Parameters
    ----------
    kind
        case or rulebook.
    file
        The file to write; its name without .toml becomes the new name.
    from_
        Name of what ships, or path of a file, to start from.
    """
    from undertow.views.commands import new_command

    return new_command(kind, file, from_)


@app.command(sort_key=4)
def check(file: str, /) -> int:
    """Check a case or rulebook and list everything that is wrong with it.

    Parameters
    ----------
    file
        A TOML file, or the name of a case or rulebook that ships.
    """
    from undertow.views.commands import check_command

    return check_command(file)


@app.command(sort_key=5)
def score(
    target: str,
    /,
    *,
    draws: int | None = None,
    options: DrawOptions = AS_GIVEN,
    against_data: Path | None = None,
    keep_tapes: Switch = False,
    case: str | None = None,
    strict: Switch = False,
) -> int:
    """Score a run, or a case over several draws, against its facts.

    Parameters
    ----------
    target
        A run folder, an ensemble's folder, or with --draws a case.
    draws
        Run the case at so many seeds and score the mean.
    against_data
        Run it twice, without and with this folder's recordings, and show the difference.
    keep_tapes
        Keep each draw's tape; without it a draw keeps its score and summary.
    case
        Take the facts of this case instead of the run's own copy.
    strict
        Exit with 1 when something is partial or a fact is missed.
    """
    from undertow.views.lab_commands import ScoreOptions, score_command

    return score_command(ScoreOptions(target, draws, options, against_data, keep_tapes, case, strict))


@app.command(sort_key=6)
def report(run: Path, /, *, strict: Switch = False) -> int:
    """Write the report of a run, or of an ensemble: one HTML file that opens offline.

    Parameters
    ----------
    run
        A run folder, or an ensemble's folder.
    strict
        Exit with 1 when the run is partial or a fact is missed.
    """
    from undertow.views.commands import report_command

    return report_command(run, strict)


@app.command(sort_key=7)
def compare(*runs: Path, everything: Switch = False) -> int:
    """Show runs side by side: key outcomes, how they differ from the first run's, who would have been saved.

    Ensembles are compared with each other, draw by draw of the same seed.

    Parameters
    ----------
    runs
        Two run folders or more, or two folders of ensembles or more.
    everything
        Show outcomes that are equal too.
    """
    from undertow.views.commands import compare_command

    return compare_command(runs, everything)


@app.command(sort_key=8)
def calibrate(
    case: str,
    /,
    *,
    trials: int = 200,
    screen: int | None = None,
    draws: int = 4,
    check: int = 8,
    control: Names = (),
    options: DrawOptions = AS_GIVEN,
    resume: Path | None = None,
) -> int:
    """Choose a case's free parameters so that the facts marked calibrate come out best.

    Parameters
    ----------
    case
        Name of a case that ships, or path of a case file; its [[calibration]] says what is free.
    trials
        How many sets of parameters are tried; the first is the case's own.
    screen
        How many of them spread evenly over the ranges before the search begins. Default: a third.
    draws
        Seeds of every trial, the same for all.
    check
        Fresh seeds at which the best and the case's own parameters are scored in the end; 0: none.
    control
        Another case that every trial runs with the same figures. May be repeated.
    resume
        Go on in the folder of a calibration that was stopped.
    """
    from undertow.views.fit_commands import Search, calibrate_command

    search = Search(trials, screen, draws, check, control, resume)
    return calibrate_command(case, search, options)


@app.command(sort_key=9)
def sensitivity(
    case: str,
    /,
    *,
    draws: int = 4,
    also: Names = (),
    options: DrawOptions = AS_GIVEN,
) -> int:
    """Show what the score does when one free parameter moves and all else stays.

    Parameters
    ----------
    case
        Name of a case that ships, or path of a case file; its [[calibration]] says what is free.
    draws
        Seeds of every point, the same for all.
    also
        Move a further figure: KEY=LOW:HIGH. May be repeated.
    """
    from undertow.views.fit_commands import sensitivity_command

    return sensitivity_command(case, draws, also, options)


@app.command(sort_key=10)
def stability(
    case: str,
    /,
    *,
    draws: int = 8,
    only: Names = (),
    options: DrawOptions = AS_GIVEN,
) -> int:
    """Show whether step, order, grid or another crowd move the score beyond its spread.

    Parameters
    ----------
    case
        Name of a case that ships, or path of a case file.
    draws
        Seeds of every variant, the same for all.
    only
        Score this variant alone: half-step, order, far-bids, crowd or flow. May be repeated.
    """
    from undertow.views.fit_commands import stability_command

    return stability_command(case, draws, only, options)


@app.command(sort_key=11)
def warmup() -> int:
    """Compile the engine now, so that the first run does not have to.

    What is compiled is kept in the folder that UNDERTOW_CACHE_DIR names; without it in ~/.cache/undertow, or,
    where that cannot be written, among the user's temporary files.
    """
    from undertow.views.commands import warmup_command

    return warmup_command()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; `sys.exit` is the caller's."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        make_ready()
        result = app(tokens, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # rich leaves by the second when nobody reads any more
        leave_output()
        return OK
    except (Exception, KeyboardInterrupt) as error:
        code, message = _ending(error)
        if code == BROKEN and not isinstance(error, InvariantError) and os.environ.get("UNDERTOW_TRACEBACK"):
            raise
        return _say(message, code)
    return result if isinstance(result, int) else OK


def _ending(error: BaseException) -> tuple[int, str]:
    """The exit code of a failure and its message: never a traceback, also of a defect of ours."""
    name = type(error).__name__
    if isinstance(error, OSError):
        code = BAD_INPUT if error.errno == ENAMETOOLONG else INCOMPLETE
        return code, f"{_place_of(error)}: {error.strerror or error}"
    endings: tuple[tuple[type[BaseException], int, str], ...] = (
        (CycloptsError, BAD_INPUT, "{plain} (try: undertow {command}--help)"),
        (InputError, BAD_INPUT, "{error}"),
        (InvariantError, BROKEN, "an internal invariant broke, please report it: {error}"),
        (UndertowError, INCOMPLETE, "{error}"),
        (KeyboardInterrupt, INTERRUPTED, "interrupted"),
        (MemoryError, INCOMPLETE, "there is not enough memory; give fewer --accounts or --jobs"),
        (
            BaseException,
            BROKEN,
            "internal error, please report it (UNDERTOW_TRACEBACK=1 shows more): {name}: {error}",
        ),
    )
    code, words = next((code, words) for kind, code, words in endings if isinstance(error, kind))
    plain, command = "", ""
    if isinstance(error, CycloptsError):
        plain, command = _plain(error), "".join(f"{part} " for part in error.command_chain or ())
    return code, words.format(plain=plain, command=command, error=error, name=name)


def settings_from(pairs: Sequence[str]) -> dict[str, str]:
    """`--set KEY=VALUE` options as a table; raises CommandLineError on anything else or a key given twice."""
    settings: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        key, value = key.strip(), value.strip()
        if not equals or not key or not value:
            raise CommandLineError(f"--set takes KEY=VALUE, was given {pair!r}")
        if key in settings:
            raise CommandLineError(f"--set {key} is given twice: {settings[key]!r} and {value!r}")
        settings[key] = value
    return settings


def _plain(error: CycloptsError) -> str:
    """The parser's message on one line, without its closing full stops."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"unexpected argument {error.unused_tokens[0]!r}"
    return " ".join(str(error).split()).rstrip(" .,")


def make_ready() -> None:
    """Standard output and error that any text can be written to; CommandLineError if output is closed.

    A letter that the terminal's encoding lacks is written as `?`.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 for as long as the process lives
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        raise CommandLineError("standard output is closed; send it to a file, or to /dev/null")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def leave_output() -> None:
    """Nothing more is written to standard output, not even what it still holds when the process ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _place_of(error: OSError) -> str:
    """The file that could not be read or written; an error without one is that of the output."""
    if error.filename is not None:
        return str(error.filename)
    leave_output()
    return "the output cannot be written"


def _refused(message: str) -> int:
    return _say(message, BAD_INPUT)


def _say(message: str, code: int) -> int:
    with suppress(OSError):  # who is gone is told nothing; the code says it
        sys.stderr.write(f"undertow: {message}\n")
        sys.stderr.flush()
    return code
