"""Compiling the engine ahead of time, by running the smallest of the shipped cases with a handful of
accounts.

Holds no list of kernels: what a run compiles is what a run needs. The run itself is thrown away.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from undertow.case.load import case_names
from undertow.lab.progress import Progress, Silent
from undertow.lab.run import run_case

ACCOUNTS = 200


def warm_up(progress: Progress | None = None) -> None:
    """Compile every kernel a run uses; a second call on an unchanged package finds them in the cache."""
    listener: Progress = progress or Silent()
    listener.begin("Compiling the engine (once for this version)")
    with TemporaryDirectory() as folder:
        run_case(case_names()[0], {}, None, ACCOUNTS, 1, Path(folder) / "warmup", Silent())
    listener.end()
