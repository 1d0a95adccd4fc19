"""The folder of what can be made again: compiled kernels, drawn populations. Safe to delete at any time.

Holds its place, writing that is whole or not at all, and the removal of what has not been used for long.
Holds nothing about what is kept there.

`UNDERTOW_CACHE_DIR` moves it; a user whose own folder cannot be written has one among the temporary files,
which nobody else may write to. Units: bytes, seconds. Invariant: what is used now is never removed: a folder
of kernels stays for a day after its last use, and the newest few stay whatever their age.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile, gettempdir
from typing import IO

from undertow.errors import InputError

PLACE = "UNDERTOW_CACHE_DIR"
KERNELS = "kernels-"
POPULATIONS = "populations"
KERNEL_FOLDERS = 4  # the newest that are kept
DAY_S = 86_400
POPULATION_BYTES = 1 << 30  # of all drawn populations together


def cache_root() -> Path:
    """Where everything is kept: the folder named for it, the user's own, or a temporary one of this user.

    InputError where no folder can be written.
    """
    named = os.environ.get(PLACE)
    if named:
        return Path(named)
    try:
        own = Path.home() / ".cache" / "undertow"
    except RuntimeError:  # a user without a home
        return _temporary_root()
    return own if can_be_written(own) else _temporary_root()


def can_be_written(folder: Path) -> bool:
    """Whether files can be made in a folder, which may have to be made first."""
    nearest = next(place for place in (folder, *folder.absolute().parents) if os.path.exists(place))
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _temporary_root() -> Path:
    """A folder among the temporary files; compiled code is read from no folder that others can write."""
    user = os.getuid() if hasattr(os, "getuid") else None  # elsewhere a user has his own temporary files
    try:
        folder = Path(gettempdir()) / ("undertow" if user is None else f"undertow-{user}")
        folder.mkdir(mode=0o700, exist_ok=True)
        found = os.lstat(folder)
    except OSError:
        raise InputError(f"no folder for compiled kernels can be written; {_advice()}") from None
    shared = user is not None and (found.st_uid != user or found.st_mode & 0o022)
    if not stat.S_ISDIR(found.st_mode) or shared:
        raise InputError(f"{folder}: others can write it, so no kernels are kept there; {_advice()}")
    return folder


def _advice() -> str:
    return f"set {PLACE} to a folder that you can write"


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
