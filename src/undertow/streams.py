"""Random numbers without a memory: each draw is a function of (seed, stream name, step, id).

Holds the key derivation, the scalar draws that kernels call, and the array draws that everybody else calls.
Holds no generator state: nothing is carried from one draw to the next, so the order of calls, the number of
threads and a mechanism that is switched off leave every other draw as it was (common random numbers).

Method: splitmix64's finaliser (Steele, Lea, Flood 2014) over key + counter x golden ratio; the counter is
4 x id + slot, slot 0 for uniforms and integers, slots 1 to 3 for the normal, which is the sum of twelve
16-bit parts (exact in integers, no libm; its tails end at six standard deviations).
Units: ids, steps and seeds are whole numbers (taken modulo 2**64; ids modulo 2**62); draws have no unit.
Invariant: `uniform(s, n, t, ids)[k]` depends on `ids[k]` alone and equals the plain-integer reference.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from undertow._jit import kernel

_MASK = (1 << 64) - 1
_GOLDEN_INT = 0x9E3779B97F4A7C15
_FIRST_INT = 0xBF58476D1CE4E5B9
_SECOND_INT = 0x94D049BB133111EB
_STEP_INT = 0xD1342543DE82EF95  # another odd multiplier, so that steps and ids cannot trade places

_GOLDEN = np.uint64(_GOLDEN_INT)
_FIRST = np.uint64(_FIRST_INT)
_SECOND = np.uint64(_SECOND_INT)
_STEP = np.uint64(_STEP_INT)

_NORMAL_MEAN = 393_210  # 12 x 65535 / 2


@kernel
def word_at(key: np.uint64, identity: int, slot: int) -> np.uint64:
    """The 64 random bits of one id and slot (0 to 3); for use inside kernels, with a key of `stream_key`."""
    counter = (np.uint64(np.int64(identity)) << np.uint64(2)) + np.uint64(slot) + np.uint64(1)
    mixed = key + counter * _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))


@kernel
def uniform_at(key: np.uint64, identity: int) -> float:
    """One uniform in [0, 1) on a grid of 2**-53; for use inside kernels."""
    return float(np.int64(word_at(key, identity, 0) >> np.uint64(11))) * 1.1102230246251565e-16


@kernel
def normal_at(key: np.uint64, identity: int) -> float:
    """One standard normal (integer form, a multiple of 2**-16, within six); for use inside kernels."""
    total = np.int64(0)
    for slot in range(1, 4):
        word = word_at(key, identity, slot)
        for _ in range(4):
            total += np.int64(word & np.uint64(0xFFFF))
            word = word >> np.uint64(16)
    return float(total - _NORMAL_MEAN) / 65_536.0


@kernel
def integer_at(key: np.uint64, identity: int, bound: int) -> int:
    """One integer in [0, bound), bound at most 2**31 (bias below bound / 2**32); for use inside kernels."""
    high = word_at(key, identity, 0) >> np.uint64(32)
    return int(np.int64((high * np.uint64(bound)) >> np.uint64(32)))


@kernel
def key_at(base: np.uint64, step: int) -> np.uint64:
    """The key of a stream at one step, from what `stream_base` gives; for use inside kernels."""
    mixed = base + (np.uint64(step) + np.uint64(1)) * _STEP
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))


@kernel
def _fill_uniform(base: np.uint64, step: int, ids: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    key = key_at(base, step)
    for index in range(len(ids)):
        out[index] = uniform_at(key, ids[index])


@kernel
def _fill_normal(base: np.uint64, step: int, ids: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    key = key_at(base, step)
    for index in range(len(ids)):
        out[index] = normal_at(key, ids[index])


@kernel
def _fill_integers(
    base: np.uint64, step: int, ids: NDArray[np.int64], bound: int, out: NDArray[np.int64]
) -> None:
    key = key_at(base, step)
    for index in range(len(ids)):
        out[index] = integer_at(key, ids[index], bound)


def _finalise(value: int) -> int:
    """splitmix64's finaliser on plain integers."""
    value = ((value ^ (value >> 30)) * _FIRST_INT) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND_INT) & _MASK
    return value ^ (value >> 31)


@lru_cache(maxsize=4096)
def _base_key(seed: int, stream: str) -> int:
    name = int.from_bytes(hashlib.blake2b(stream.encode(), digest_size=8).digest(), "little")
    return _finalise((_finalise((seed + _GOLDEN_INT) & _MASK) ^ name) & _MASK)


@lru_cache(maxsize=4096)
def stream_base(seed: int, stream: str) -> np.uint64:
    """What all keys of a stream come from: hashed once, because the crowd draws fifty times a step."""
    return np.uint64(_base_key(seed, stream))


def stream_key(seed: int, stream: str, step: int = 0) -> np.uint64:
    """The key of one stream at one step, to hand to the `*_at` kernels."""
    return np.uint64(_finalise((_base_key(seed, stream) + (step + 1) * _STEP_INT) & _MASK))


def derived_seed(seed: int, label: str, number: int = 0) -> int:
    """A new 63-bit seed for a labelled child (scenario 7 of a sweep, repetition 3 of a run)."""
    return int(stream_key(seed, f"derived seed: {label}", number)) >> 1


def uniform(seed: int, stream: str, step: int, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Uniforms in [0, 1), one per id. `ids` int64 [n]; result float64 [n]."""
    ids = np.ascontiguousarray(ids, dtype=np.int64)
    out = np.empty(len(ids), np.float64)
    _fill_uniform(stream_base(seed, stream), step, ids, out)
    return out


def normal(seed: int, stream: str, step: int, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Standard normals, one per id, within six standard deviations. `ids` int64 [n]; result float64 [n]."""
    ids = np.ascontiguousarray(ids, dtype=np.int64)
    out = np.empty(len(ids), np.float64)
    _fill_normal(stream_base(seed, stream), step, ids, out)
    return out


def integers(seed: int, stream: str, step: int, ids: NDArray[np.int64], bound: int) -> NDArray[np.int64]:
    """Integers in [0, bound), one per id; bound from 1 to 2**31 (ValueError otherwise)."""
    if not 1 <= bound <= 1 << 31:
        raise ValueError(f"bound must be 1 to 2147483648, not {bound}")
    ids = np.ascontiguousarray(ids, dtype=np.int64)
    out = np.empty(len(ids), np.int64)
    _fill_integers(stream_base(seed, stream), step, ids, bound, out)
    return out


def word_reference(seed: int, stream: str, step: int, identity: int, slot: int) -> int:
    """The 64 bits of one draw in plain integers: the oracle of `word_at`."""
    counter = ((identity << 2) + slot + 1) & _MASK
    return _finalise((int(stream_key(seed, stream, step)) + counter * _GOLDEN_INT) & _MASK)


def uniform_reference(seed: int, stream: str, step: int, identity: int) -> float:
    """One uniform in plain Python: the oracle of `uniform`."""
    return float((word_reference(seed, stream, step, identity, 0) >> 11) * 2.0**-53)


def normal_reference(seed: int, stream: str, step: int, identity: int) -> float:
    """One normal in plain Python: the oracle of `normal`."""
    words = [word_reference(seed, stream, step, identity, slot) for slot in (1, 2, 3)]
    total = sum((word >> shift) & 0xFFFF for word in words for shift in (0, 16, 32, 48))
    return (total - _NORMAL_MEAN) / 65_536


def integer_reference(seed: int, stream: str, step: int, identity: int, bound: int) -> int:
    """One bounded integer in plain Python: the oracle of `integers`."""
    return ((word_reference(seed, stream, step, identity, 0) >> 32) * bound) >> 32
