"""A drawn population, kept: the same description is drawn once and read afterwards.

Holds the key of a description, the file format, and the checks on reading. Draws nothing (`population`).

A file is named after a hash of everything the draw depends on: listing, rules, accounts, seed, the source of
the generator, and NumPy's version. It holds a seal (format, key, hash of the content) and the arrays one
after the other. A file whose seal does not fit its name and content is drawn anew and replaced.

Units: as `population.Population`. Invariant: what is read equals what would be drawn, to the byte.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import IO, Any

import numpy as np

from undertow import _cache, _jit, streams, units
from undertow.crowd import holdings, population, positions, quantiles, rules, scale
from undertow.crowd.population import Population, generate_population
from undertow.crowd.rules import Listing, PopulationRules

FORMAT = 1
SOURCES = (_jit, streams, units, holdings, population, positions, quantiles, rules, scale)
SEAL_BYTES = 4096


def drawn_once(listing: Listing, accounts: int, seed: int, chosen: PopulationRules) -> Population:
    """`generate_population`, from the cache if it was drawn before. ValueError as there."""
    key = key_of(listing, accounts, seed, chosen)
    path = _cache.cache_root() / _cache.POPULATIONS / f"{key}.bin"
    found = read(path, key)
    if found is not None:
        _cache.used_now(path)
        return found
    drawn = generate_population(listing, accounts, seed, chosen)
    _cache.write_whole(path, lambda file: write(file, drawn, key))
    _cache.tidy()
    return drawn


def key_of(listing: Listing, accounts: int, seed: int, chosen: PopulationRules) -> str:
    """Thirty-two hex digits over everything a draw depends on."""
    digest = hashlib.sha256(f"{FORMAT} {np.__version__} {accounts} {seed}".encode())
    for module in SOURCES:
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(chosen.model_dump_json().encode())
    for name, column in zip(Listing._fields, listing, strict=True):
        digest.update(f"{name} {'none' if column is None else column.dtype.str}".encode())
        if column is not None:
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:32]


def write(file: IO[bytes], drawn: Population, key: str) -> None:
    """A seal of `SEAL_BYTES`, then every array's bytes."""
    digest, columns = hashlib.sha256(), []
    for name, value in zip(Population._fields, drawn, strict=True):
        column = np.asarray(value, order="C")
        digest.update(column.data)
        columns.append([name, column.dtype.str, list(column.shape)])
    seal = {"format": FORMAT, "key": key, "content": digest.hexdigest(), "columns": columns}
    file.write(json.dumps(seal).encode().ljust(SEAL_BYTES))
    for value in drawn:
        file.write(np.asarray(value, order="C").data)


def read(path: Path, key: str) -> Population | None:
    """The population in a file; None if there is no file, or one that is not what its name says."""
    try:
        content = path.read_bytes()
        seal = json.loads(content[:SEAL_BYTES])
        columns = [(str(name), np.dtype(kind), tuple(shape)) for name, kind, shape in seal["columns"]]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    body = memoryview(content)[SEAL_BYTES:]
    if seal.get("format") != FORMAT or seal.get("key") != key or len(columns) != len(Population._fields):
        return None
    if hashlib.sha256(body).hexdigest() != seal.get("content"):
        return None
    values: list[Any] = []
    start = 0
    for _name, kind, shape in columns:
        end = start + kind.itemsize * int(np.prod(shape, dtype=np.int64))
        column = np.frombuffer(body[start:end], kind).reshape(shape).copy()
        values.append(column if shape else column.item())
        start = end
    return Population(*values)
