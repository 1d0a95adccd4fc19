"""Compiling the engine ahead of time, by playing a shipped crash with a handful of accounts in long steps.

Holds no list of kernels: what a run compiles is what a run needs. The run itself is thrown away. A mark among
the compiled kernels says that it came to its end, so a second call has nothing to do.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from undertow._cache import write_whole
from undertow._jit import cache_folder
from undertow.lab.progress import Progress, Silent
from undertow.lab.run import run_case

CASE = "oct-2025"  # a crash that reaches every stage of the waterfall
ACCOUNTS = 2000
STEP_SECONDS = "30"
MARK = "warmed-up"


def is_warm() -> bool:
    """Whether a warm-up of this very source came to its end."""
    return (cache_folder() / MARK).is_file()


def warm_up(progress: Progress | None = None) -> bool:
    """Compile every kernel a run uses, unless that was done; returns whether anything was to do."""
    if is_warm():
        return False
    listener: Progress = progress or Silent()
    listener.begin("Compiling the engine")
    with TemporaryDirectory() as folder:
        run_case(CASE, {"step_seconds": STEP_SECONDS}, None, ACCOUNTS, 1, Path(folder) / "warmup", Silent())
    write_whole(cache_folder() / MARK, lambda file: None)
    listener.end()
    return True
