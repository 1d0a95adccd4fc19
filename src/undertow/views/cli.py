"""The command line: names, options, exit codes and messages. The work is in `undertow.views.commands`.

Nothing heavy is imported here, so `undertow --help` answers at once. A wrong command line is one message on
stderr; no traceback reaches a user (UNDERTOW_TRACEBACK=1 lets it through, for a defect report).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Group, Parameter
from cyclopts.exceptions import CycloptsError, UnusedCliTokensError

from undertow import __version__
from undertow.errors import CommandLineError, InputError, InvariantError, UndertowError

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

_Settings = Annotated[
    tuple[str, ...], Parameter(name="--set", negative=(), show_default=False, consume_multiple=False)
]
_Switch = Annotated[bool, Parameter(negative=(), show_default=False)]

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
    set_: _Settings = (),
    data: Path | None = None,
    accounts: int | None = None,
    seed: int = 1,
    out: Path | None = None,
    beside: _Switch = False,
    report: bool = True,
    strict: _Switch = False,
    quiet: _Switch = False,
) -> int:
    """Run a case, score it against its facts and write the report.

    Parameters
    ----------
    case
        Name of a case that ships (see `undertow cases`) or path of a case file.
    set_
        Override one value of the case or its rulebook: KEY=VALUE with a dotted key. May be repeated.
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
    report
        Write report.html into the run folder.
    strict
        Exit with 1 when a fact is missed.
    quiet
        Print nothing but the run folder.
    """
    from undertow.views.commands import RunOptions, run_command

    return run_command(RunOptions(case, set_, data, accounts, seed, out, beside, report, strict, quiet))


@app.command(sort_key=2)
def cases() -> int:
    """List the cases that ship."""
    from undertow.views.commands import cases_command

    return cases_command()


@app.command(sort_key=3)
def show(case: str, /, *, set_: _Settings = ()) -> int:
    """Show what is in a case: rulebook, crowd, facts, mechanisms.

    Parameters
    ----------
    case
        Name of a case that ships, or path of a case file.
    set_
        Override one value first: KEY=VALUE with a dotted key. May be repeated.
    """
    from undertow.views.commands import show_command

    return show_command(case, set_)


@app.command(sort_key=4)
def check(file: Path, /) -> int:
    """Check a case or rulebook file and list everything that is wrong with it.

    Parameters
    ----------
    file
        A TOML file.
    """
    from undertow.views.commands import check_command

    return check_command(file)


@app.command(sort_key=5)
def score(  # noqa: PLR0913 one argument for each option
    target: str,
    /,
    *,
    draws: int | None = None,
    first_seed: int = 1,
    set_: _Settings = (),
    data: Path | None = None,
    accounts: int | None = None,
    jobs: int = 2,
    out: Path | None = None,
    keep_tapes: _Switch = False,
    case: str | None = None,
    strict: _Switch = False,
    quiet: _Switch = False,
) -> int:
    """Score a run, or a case over several draws, against its facts.

    Parameters
    ----------
    target
        A run folder, an ensemble's folder, or with --draws a case.
    draws
        Run the case at so many seeds and score the mean.
    first_seed
        The first of the seeds; the others follow it.
    set_
        Override one value of the case or its rulebook: KEY=VALUE with a dotted key. May be repeated.
    data
        Folder with recorded data; without it the case's published facts are the outside.
    accounts
        How many accounts the crowd has.
    jobs
        Processes that run draws side by side; the result does not depend on it.
    out
        Folder to create the ensemble's folder CASE-draws in; the next free name is taken. Default: runs.
    keep_tapes
        Keep each draw's tape; without it a draw keeps its score and summary.
    case
        Take the facts of this case instead of the run's own copy.
    strict
        Exit with 1 when something is partial or a fact is missed.
    quiet
        Print nothing but the ensemble's folder.
    """
    from undertow.views.lab_commands import ScoreOptions, score_command

    options = ScoreOptions(
        target, draws, first_seed, set_, data, accounts, jobs, out, keep_tapes, case, strict, quiet
    )
    return score_command(options)


@app.command(sort_key=6)
def report(run: Path, /, *, strict: _Switch = False) -> int:
    """Write a run's report: one HTML file that opens offline.

    Parameters
    ----------
    run
        A run folder.
    strict
        Exit with 1 when the run is partial or a fact is missed.
    """
    from undertow.views.commands import report_command

    return report_command(run, strict)


@app.command(sort_key=7)
def compare(*runs: Path, everything: _Switch = False) -> int:
    """Show runs side by side: key outcomes, and how they differ from the first run's.

    Parameters
    ----------
    runs
        Two run folders or more.
    everything
        Show outcomes that are equal too.
    """
    from undertow.views.commands import compare_command

    return compare_command(runs, everything)


@app.command(sort_key=8)
def warmup() -> int:
    """Compile the engine now, so that the first run does not have to."""
    from undertow.views.commands import warmup_command

    return warmup_command()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; `sys.exit` is the caller's."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = app(tokens, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _refused(f"{_plain(error)} (try: undertow --help)")
    except InputError as error:
        return _refused(str(error))
    except InvariantError as error:
        return _say(f"an internal invariant broke, please report it: {error}", BROKEN)
    except UndertowError as error:
        return _say(str(error), INCOMPLETE)
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:  # a defect of ours: still one message, no traceback
        if os.environ.get("UNDERTOW_TRACEBACK"):
            raise
        name = type(error).__name__
        hint = "please report it (UNDERTOW_TRACEBACK=1 shows more)"
        return _say(f"internal error, {hint}: {name}: {error}", BROKEN)
    return result if isinstance(result, int) else OK


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
    """The parser's message on one line, without its closing full stop."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"unexpected argument {error.unused_tokens[0]!r}"
    return " ".join(str(error).split()).rstrip(".")


def _refused(message: str) -> int:
    return _say(message, BAD_INPUT)


def _say(message: str, code: int) -> int:
    sys.stderr.write(f"undertow: {message}\n")
    return code
