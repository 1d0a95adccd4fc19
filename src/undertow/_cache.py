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
SUPERUSER = 0
POPULATION_BYTES = 1 << 30  # of all drawn populations together


def cache_root() -> Path:
    """Where everything is kept: the folder named for it, the user's own, or a temporary one of this user.

    InputError where no folder can be written, or somebody else can write to the one that is used.
    """
    named = os.environ.get(PLACE)
    if named:
        return _trusted(Path(named))
    try:
        own = Path.home() / ".cache" / "undertow"
    except RuntimeError:  # a user without a home
        return _temporary_root()
    return _trusted(own) if can_be_written(own) else _temporary_root()


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can write to, and look that its files are his. InputError if not."""
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not hasattr(os, "getuid") or not folder.is_dir():
        return
    _trusted(folder)
    for file in folder.iterdir():
        if file.lstat().st_uid not in (os.getuid(), SUPERUSER):
            raise InputError(f"{file}: belongs to another user, so it is not run; remove {folder}")


def _trusted(folder: Path) -> Path:
    """The folder, if nobody else can put files into it or another folder in its place.

    Compiled kernels are programs: whoever writes one there has it run. Every existing folder on the way must
    belong to the user or the superuser and be writable by nobody else; a group that is the owner's alone (its
    number is his) and a folder like /tmp, where everybody may remove only his own, are let pass.
    """
    if not hasattr(os, "getuid"):
        return folder
    place = Path(os.path.realpath(folder))
    for part in (place, *place.parents):
        try:
            found = os.stat(part)
        except OSError:
            continue  # not there yet
        wrong = _fault_of(found, part == place)
        if wrong:
            raise InputError(
                f"{part}: {wrong}, so no compiled kernels are read below it; take the right to write from "
                f"others (chmod go-w), or set {PLACE} to a folder that only you can write"
            )
    return folder


def _fault_of(found: os.stat_result, is_last: bool) -> str:
    """Why a folder on the way cannot be trusted; empty if it can."""
    if found.st_uid not in (os.getuid(), SUPERUSER):
        return "belongs to another user"
    shared = found.st_mode & (stat.S_IWOTH | (0 if found.st_gid == found.st_uid else stat.S_IWGRP))
    sticky = found.st_mode & stat.S_ISVTX and not is_last
    return "others can write it" if shared and not sticky else ""


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
    if not stat.S_ISDIR(found.st_mode):
        raise InputError(f"{folder}: is no folder of its own, so no kernels are kept there; {_advice()}")
    return _trusted(folder)


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
