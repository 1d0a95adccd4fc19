"""The seal of a tape: the hash of every file's bytes, told by the run and looked at when the tape is opened.

Holds the hashing, the check and its memory. A file is hashed again only when it is not the one that was found
right before: path, size, time of last change and inode are remembered in the cache folder. Where there is no
cache folder, every opening hashes.

Units: bytes. Invariant: a tape that is opened is, to the byte, what its run wrote, as far as its stamp tells.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from undertow import _cache
from undertow.errors import DataError, InputError

SEALS = "seals"  # folder of the cache


def seal_of(files: Iterable[Path]) -> dict[str, str]:
    """Thirty-two hex digits over each file's bytes, by its name."""
    return {file.name: _digest(file) for file in files}


def require_seal(folder: Path, seal: Mapping[str, Any]) -> None:
    """DataError if a sealed file that is there is not, to the byte, the one that was sealed."""
    present = [folder / name for name in sorted(seal) if (folder / name).is_file()]
    known, place = _remembered(folder)
    stamps = {file.name: [*_stamp(file), str(seal[file.name])] for file in present}
    fresh = False
    for file in present:
        if known.get(file.name) == stamps[file.name]:
            continue
        if _digest(file) != seal[file.name]:
            raise DataError(
                f"{file}: its bytes are not those that the run wrote; copy it anew, or run the case again"
            )
        fresh = True
    if fresh and place is not None:
        _cache.write_whole(place, _writer(json.dumps(stamps).encode()))


def _writer(content: bytes) -> Callable[[IO[bytes]], None]:
    def write(file: IO[bytes]) -> None:
        file.write(content)

    return write


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise DataError(f"{file}: cannot read: {error.strerror}") from None


def _stamp(file: Path) -> list[int]:
    found = file.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _remembered(folder: Path) -> tuple[dict[str, Any], Path | None]:
    """What was found right before in this folder, and where that is written down."""
    try:
        name = hashlib.blake2b(str(folder.resolve()).encode("utf-8", "surrogateescape"), digest_size=16)
        place = _cache.cache_root() / SEALS / f"{name.hexdigest()}.json"
        found = json.loads(place.read_text("utf-8"))
    except InputError:
        return {}, None
    except (OSError, ValueError):
        return {}, place
    return (found if isinstance(found, dict) else {}), place
