"""The program where the machine fails it: a full disk, a closed output, a plain terminal, a stop.

Each in a process of its own: one sentence, an exit code that says whose fault it is, and never "internal
error". What plays a run, and what takes longer than five seconds, is played by `make nightly`.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tidy_rules import ROOT
from undertow.tape import RunFolder, Tape

SMALL = ROOT / "docs/how-to/small-crash.toml"
PROGRAM = "import sys; from undertow.views.cli import main; sys.exit(main())"
BRIEF = ("--set", "end=2025-01-01T12:00:20Z", "--accounts", "100", "--no-report")
LONG = ("--set", "end=2025-01-01T13:00:00Z", "--accounts", "300", "--no-report")
PATIENCE_S = 60
COMMANDS = [("cases",), ("--help",), pytest.param(("show", "oct-2025"), marks=pytest.mark.nightly)]


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *map(str, words)]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), **more}


def run(
    *words: str | Path,
    folder: Path,
    stdout: int | None = None,
    before: Callable[[], None] | None = None,
    **more: str,
) -> subprocess.CompletedProcess[str]:
    """The program, in a folder, with its output caught unless it goes elsewhere."""
    return subprocess.run(
        command(*words),
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd=folder,
        env=environment(**more),
        preexec_fn=before,
        timeout=600,
    )


def one_sentence(text: str) -> bool:
    """One line that begins with the program's name, below what it says of its progress."""
    lines = [line for line in text.splitlines() if line.startswith("undertow: ")]
    return len(lines) == 1 and "internal error" not in text and "Traceback" not in text


def test_a_full_output_is_one_sentence(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = run("cases", folder=tmp_path, stdout=full.fileno())
    assert (done.returncode, done.stderr) == (
        1,
        "undertow: the output cannot be written: No space left on device\n",
    )


def test_a_closed_output_is_one_sentence(tmp_path: Path) -> None:
    done = run("cases", folder=tmp_path, before=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (
        2,
        "undertow: standard output is closed; send it to a file, or to /dev/null\n",
    )


def test_nobody_listens_to_errors(tmp_path: Path) -> None:
    assert run("show", "oct-2024", folder=tmp_path, before=lambda: os.close(2)).returncode == 2


@pytest.mark.parametrize("words", COMMANDS)
def test_a_reader_who_has_seen_enough_is_no_failure(words: tuple[str, ...], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # `head -1`, done before the first line
    try:
        done = run(*words, folder=tmp_path, stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", COMMANDS)
def test_a_terminal_that_knows_no_letters_but_ascii(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*words, folder=tmp_path, PYTHONIOENCODING="ascii", LANG="C", LC_ALL="C", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii() and done.stdout


@pytest.mark.nightly
def test_a_run_on_a_plain_terminal(tmp_path: Path) -> None:
    done = run("run", SMALL, *BRIEF, folder=tmp_path, PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii() and "Run folder: runs/small-crash-1" in done.stdout


@pytest.mark.nightly
def test_a_full_disk_is_one_sentence_that_names_the_file(tmp_path: Path) -> None:
    """Files may not grow beyond 24 kB here: what the system says then is what it says of a full disk."""

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (24_000, 24_000))

    words = ("run", SMALL, *BRIEF[:2], "--accounts", "5000", "--no-report", "--quiet")
    done = run(*words, folder=tmp_path, before=small_files)
    assert done.returncode == 2, done.stderr
    assert one_sentence(done.stderr) and "cannot write the tape: " in done.stderr
    assert "runs/small-crash-1/" in done.stderr


def started(*words: str | Path, folder: Path) -> subprocess.Popen[str]:
    """The program in a process group of its own, as a service manager starts it."""
    return subprocess.Popen(
        command(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment(),
        start_new_session=True,
        preexec_fn=hear_everything,  # noqa: PLW1509 one thread
    )


def hear_everything() -> None:
    """As a program is started in the foreground: whoever started the tests may have ignored Ctrl-C."""
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_DFL)


def wait_for(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 300
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.1)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its code and what it said; a process that does not end is one that hangs."""
    try:
        said, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.returncode, said, errors


@pytest.mark.nightly
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_any_stop_is_an_interruption(stop: signal.Signals, tmp_path: Path) -> None:
    process = started("run", SMALL, *LONG, folder=tmp_path)
    wait_for((tmp_path / "runs/small-crash-1/run.json").is_file, process)
    time.sleep(1.0)
    os.kill(process.pid, stop)
    code, _said, errors = ended(process)
    assert code == 130, errors
    assert "undertow: interrupted; the partial run is in runs/small-crash-1\n" in errors
    with Tape(RunFolder.open(tmp_path / "runs/small-crash-1")) as tape:
        assert tape.record["status"] == "partial" and tape.record["steps_done"] > 0


@pytest.mark.nightly
def test_a_folder_deleted_while_it_is_written_is_one_sentence(tmp_path: Path) -> None:
    process = started("run", SMALL, *LONG, folder=tmp_path)
    folder = tmp_path / "runs/small-crash-1"
    wait_for((folder / "rulebook.toml").is_file, process)
    time.sleep(1.0)
    folder.rename(tmp_path / "gone")
    os.kill(process.pid, signal.SIGINT)
    code, _said, errors = ended(process)
    assert code in (1, 2), errors
    assert one_sentence(errors) and "runs/small-crash-1" in errors


@pytest.mark.nightly
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_to_a_run_over_draws_and_its_workers_ends_it(stop: signal.Signals, tmp_path: Path) -> None:
    """As a container, a service manager or `timeout` sends it: to the whole group at once."""
    words = ("score", SMALL, "--draws", "4", "--jobs", "2", *LONG[:-1])
    process = started(*words, folder=tmp_path)
    draws = tmp_path / "runs/small-crash-draws"
    wait_for(lambda: len(list(draws.glob("*/run.json"))) >= 2, process)
    time.sleep(1.0)
    os.killpg(process.pid, stop)
    code, said, errors = ended(process)
    assert code == 130, errors
    assert "partial: 0 draws are done" in errors
    assert "Ensemble: runs/small-crash-draws" in said
    assert (draws / "ensemble.json").is_file()


@pytest.mark.nightly
def test_workers_do_not_outlive_a_run_that_was_killed(tmp_path: Path) -> None:
    process = started("score", SMALL, "--draws", "4", "--jobs", "2", *LONG[:-1], folder=tmp_path)
    wait_for(lambda: len(list((tmp_path / "runs").glob("*/*/run.json"))) >= 2, process)
    os.kill(process.pid, signal.SIGKILL)
    assert ended(process)[0] == -signal.SIGKILL  # once nobody holds its output any more
    until = time.monotonic() + 30
    while members_of(process.pid):
        assert time.monotonic() < until, members_of(process.pid)
        time.sleep(0.2)


def members_of(group: int) -> list[int]:
    """Processes of a group that still run."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[2]) == group and words[0] != "Z":
            found.append(int(place.parent.name))
    return found


def test_too_little_memory_is_one_sentence(tmp_path: Path) -> None:
    def little() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))

    done = run("run", SMALL, "--accounts", "50000000", "--no-report", folder=tmp_path, before=little)
    assert done.returncode == 1, done.stderr
    assert one_sentence(done.stderr) and "there is not enough memory; give fewer --accounts" in done.stderr
