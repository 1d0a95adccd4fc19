"""The cache of one kernel: Numba's, with a seal on every file, that mends itself.

Numba's files are pickles of machine code without a hash: one flipped byte is another program. Here each file
begins with the hash of what follows it. A file that does not fit its hash, or cannot be read, is said to be
damaged, once, with its folder, and the kernel is compiled again. One that cannot be written (a full disk, a
folder that is gone) is not kept, and nothing else happens.

Holds no place (`_cache`) and no compiling (`_jit`). Invariant: no code is run from a file that is not, to the
byte, what was written there; who may write there is checked before.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import sys
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

DIGEST_BYTES = 32


class _Damaged(Exception):
    """A file does not fit its seal."""


class _SealedFiles(IndexDataCacheFile):  # type: ignore[misc]
    """Numba's index and data files, each behind the hash of its content."""

    def _load_index(self) -> Any:
        try:
            version, stamp, overloads = pickle.loads(_opened(self._index_path))
        except FileNotFoundError:
            return {}
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: Any) -> None:
        content = self._dump((self._version, self._source_stamp, overloads))
        with self._open_for_write(self._index_path) as file:
            file.write(_sealed(content))

    def _load_data(self, name: str) -> Any:
        return pickle.loads(_opened(self._data_path(name)))

    def _save_data(self, name: str, data: Any) -> None:
        with self._open_for_write(self._data_path(name)) as file:
            file.write(_sealed(self._dump(data)))


class SealedCache(FunctionCache):  # type: ignore[misc]
    """What a kernel's compiled forms are kept in."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        stamp = self._impl.locator.get_source_stamp()
        self._cache_file = _SealedFiles(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The compiled kernel as it was kept; None if none is left whole, and it is compiled anew."""
        try:
            return super().load_overload(signature, target_context)
        except (_Damaged, OSError):
            _say_damaged(self._cache_path)
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        """Keep a compiled kernel, if there is room for it."""
        with contextlib.suppress(OSError):
            super().save_overload(signature, data)


def _sealed(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest() + content


def _opened(path: str) -> bytes:
    with open(path, "rb") as file:
        found = file.read()
    content = found[DIGEST_BYTES:]
    if _sealed(content) != found:
        raise _Damaged(path)
    return content


_said: set[str] = set()


def _say_damaged(folder: str) -> None:
    """One line for a folder, however many of its files are damaged."""
    if folder not in _said:
        _said.add(folder)
        with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody may be listening
            sys.stderr.write(f"undertow: {folder}: compiled kernels were damaged and are compiled again\n")
