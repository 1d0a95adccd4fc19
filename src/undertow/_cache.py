"""The folder of what can be made again: compiled kernels, drawn populations. Safe to delete at any time.

Holds its place, writing that is whole or not at all, and the removal of what has not been used for long.
Holds nothing about what is kept there.

`UNDERTOW_CACHE_DIR` moves it. Units: bytes, seconds. Invariant: what is used now is never removed: a folder
of kernels stays for a day after its last use, and the newest few stay whatever their age.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

KERNELS = "kernels-"
POPULATIONS = "populations"
KERNEL_FOLDERS = 4  # the newest that are kept
DAY_S = 86_400
POPULATION_BYTES = 1 << 30  # of all drawn populations together


def cache_root() -> Path:
    """Where everything is kept."""
    base = os.environ.get("UNDERTOW_CACHE_DIR")
    return Path(base) if base else Path.home() / ".cache" / "undertow"


def write_whole(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a file that appears whole or not at all; where nothing can be written, nothing happens."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=".unfinished-", delete=False) as file:
            try:
                write(file)
            except OSError:
                os.unlink(file.name)
                raise
        os.replace(file.name, path)


def used_now(path: Path) -> None:
    """Note that a file or folder was used."""
    with contextlib.suppress(OSError):
        os.utime(path)


def tidy() -> None:
    """Remove folders of kernels not used for a day, but for the newest few, and the oldest populations."""
    root = cache_root()
    for folder in _newest_first(root.glob(f"{KERNELS}*"))[KERNEL_FOLDERS:]:
        if time.time() - _time_of(folder) > DAY_S:
            shutil.rmtree(folder, ignore_errors=True)
    kept = 0
    for file in _newest_first((root / POPULATIONS).glob("*")):
        with contextlib.suppress(OSError):
            kept += file.stat().st_size
            if kept > POPULATION_BYTES:
                file.unlink()


def _newest_first(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (-_time_of(path), path.name))


def _time_of(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
