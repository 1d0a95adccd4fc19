"""Kernels without a compiler: the same loops as plain Python, on integers that behave as int64.

Holds what `_jit.kernel` uses when Numba is switched off (`NUMBA_DISABLE_JIT=1`): an integer that wraps at 64
bits, and views of arrays, records and memories that hand such integers out. Slow; for tests that compare
compiled kernels with their own source, for coverage and for a debugger.

Invariant: a kernel run this way writes the bytes that the compiled one writes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

_HALF = 1 << 63
_WORD = 1 << 64


class Word(int):
    """An int64: sums, products, shifts and bit operations wrap; division by zero is zero, as in a kernel."""

    __slots__ = ()


def word(value: int) -> Word:
    """Any integer as the int64 with the same low 64 bits."""
    return Word((value + _HALF) % _WORD - _HALF)


def _binary(name: str) -> None:
    plain = getattr(int, f"__{name}__")
    reflected = getattr(int, f"__r{name}__")
    divides = name in ("floordiv", "mod")

    def forward(self: Word, other: Any) -> Any:
        if divides and other == 0:
            return Word(0)
        result = plain(self, other)
        return result if result is NotImplemented else word(result)

    def backward(self: Word, other: Any) -> Any:
        if divides and self == 0:
            return Word(0)
        result = reflected(self, other)
        return result if result is NotImplemented else word(result)

    setattr(Word, f"__{name}__", forward)
    setattr(Word, f"__r{name}__", backward)


def _unary(name: str) -> None:
    plain = getattr(int, f"__{name}__")

    def wrapped(self: Word) -> Word:
        return word(plain(self))

    setattr(Word, f"__{name}__", wrapped)


for _name in ("add", "sub", "mul", "floordiv", "mod", "and", "or", "xor", "lshift", "rshift"):
    _binary(_name)
for _name in ("neg", "invert", "abs"):
    _unary(_name)


def _scalar(value: Any) -> Any:
    kind = value.dtype.kind
    return Word(int(value)) if kind == "i" else float(value) if kind == "f" else value


def _fitting(value: Any, dtype: np.dtype[Any]) -> Any:
    """A value as it is stored: an integer loses what its field has no room for."""
    if dtype.kind != "i" or not isinstance(value, int | np.integer):
        return value
    size = 8 * dtype.itemsize
    return (int(value) + (1 << (size - 1))) % (1 << size) - (1 << (size - 1))


class Numbers:
    """An array of numbers whose elements are read as `Word` or float."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape = array.shape

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, place: Any) -> Any:
        part = self.array[place]
        return Numbers(part) if isinstance(part, np.ndarray) else _scalar(part)

    def __setitem__(self, place: Any, value: Any) -> None:
        self.array[place] = _fitting(value, self.array.dtype)


class Record:
    """One record of a structured array, by attribute or by name; live, as in a kernel."""

    __slots__ = ("_array", "_place")

    def __init__(self, array: Any, place: int) -> None:
        object.__setattr__(self, "_array", array)
        object.__setattr__(self, "_place", place)

    def __getattr__(self, name: str) -> Any:
        value = self._array[name][self._place]
        return Numbers(value) if isinstance(value, np.ndarray) else _scalar(value)

    def __setattr__(self, name: str, value: Any) -> None:
        column = self._array[name]
        column[self._place] = _fitting(value, column.dtype)

    __getitem__ = __getattr__
    __setitem__ = __setattr__


class Records:
    """A structured array whose elements are `Record`."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Records(self.array[place])
        index = operator.index(place)
        if not -len(self.array) <= index < len(self.array):
            raise IndexError(f"record {index} of {len(self.array)}")
        return Record(self.array, index)


class View:
    """A memory whose arrays are read through `Numbers` and `Records`."""

    def __init__(self, memory: Any) -> None:
        self._memory = memory

    def __getattr__(self, name: str) -> Any:
        return viewed(getattr(self._memory, name))


def viewed(value: Any) -> Any:
    """An argument of a kernel as plain Python must see it."""
    if isinstance(value, np.ndarray):
        return Records(value) if value.dtype.names else Numbers(value)
    if isinstance(value, bool | Word | Numbers | Records | Record | View):
        return value
    if isinstance(value, int | np.signedinteger):
        return word(int(value))
    if isinstance(value, tuple):
        parts = [viewed(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if hasattr(value, "LAYOUT"):
        return View(value)
    return value


def plain_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` as it stands, with its arguments seen as a compiled kernel sees them."""

    @wraps(function)
    def call(*arguments: Any) -> Any:
        return function(*[viewed(argument) for argument in arguments])

    call.py_func = function  # type: ignore[attr-defined]
    return call


def plain_zeros(leading: bool) -> Callable[[int], int]:
    """The count of zero bits of an int64 from one end, 64 for zero."""

    def count(value: int) -> int:
        bits = int(value) % _WORD
        return 64 - bits.bit_length() if leading else 64 if bits == 0 else (bits & -bits).bit_length() - 1

    return count
