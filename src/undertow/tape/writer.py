"""The tape's pen: takes arrays while a run goes on, keeps them by column, writes Parquet through DuckDB.

Rows are buffered; a table that grows past `part_rows` is spilled to a part file, and `finish` merges parts
into one file a table and names the tables in run.json. A process that ends before it leaves no tape.

Units: as in `undertow.tape.schema`. Invariants: rows keep the order in which they came; the content hash
depends on the rows alone, not on how they were cut into flushes; the same rows give the same bytes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from undertow.errors import InputError, InvariantError
from undertow.tape.folder import SEAL_KEY, TABLES_KEY, RunFolder
from undertow.tape.query import TableHash, combined_hash, connection
from undertow.tape.schema import TABLES, TEXT, Columns, column_list, quoted, rows_of
from undertow.tape.seal import seal_of
from undertow.tape.waterfall import waterfall_query

PARTS = "parts"  # sub-folder of a run that is being written
PART_ROWS = 2_000_000
ROW_GROUP = 250_000
_FIRST_CAPACITY = 1024


class TapeWriter:
    """Writes one run's tape into its folder.

    `step_ms` is the length of a step; `part_rows` bounds the memory held for one table. Tables that never
    received a row are not written. Raises InvariantError when rows do not fit a table's columns.
    """

    def __init__(self, folder: RunFolder | Path, *, step_ms: int = 1000, part_rows: int = PART_ROWS) -> None:
        self._folder = folder if isinstance(folder, RunFolder) else None
        self._path = folder.path if isinstance(folder, RunFolder) else folder
        self._step_ms = step_ms
        self._part_rows = part_rows
        self._database = connection()
        self._tables: dict[str, _Table] = {}
        self._event_count = 0
        self._finished = False

    def fills(self, rows: NDArray[np.void]) -> None:
        """FILL records, oldest first."""
        self._records("fills", rows)

    def postings(self, rows: NDArray[np.void]) -> None:
        """POSTING records, oldest first."""
        self._records("postings", rows)

    def events(self, rows: NDArray[np.void]) -> None:
        """EVENT records, oldest first; their sequence numbers are given here."""
        sequence = np.arange(self._event_count, self._event_count + len(rows), dtype=np.int64)
        self._event_count += len(rows)
        self._records("events", rows, {"sequence": sequence})

    def series(self, block: NDArray[np.int64]) -> None:
        """Rows of the table `series`, shape (rows, 16), columns in schema order."""
        self.block("series", block)

    def house(self, block: NDArray[np.int64]) -> None:
        """Rows of the table `house`, shape (rows, 10), columns in schema order."""
        self.block("house", block)

    def causes(self, block: NDArray[np.int64]) -> None:
        """Rows of the table `causes`, shape (rows, 4): minute, settlement, cause, amount moved in it."""
        self.block("causes", block)

    def accounts(self, columns: Mapping[str, Any]) -> None:
        """The accounts as they ended, by column name (one entry per account)."""
        self.table("accounts", columns)

    def instruments(self, columns: Mapping[str, Any]) -> None:
        """What is listed, by column name (one entry per instrument)."""
        self.table("instruments", columns)

    def block(self, table: str, block: NDArray[np.int64]) -> None:
        """Integer rows of any table, shape (rows, columns), columns in schema order."""
        names = list(TABLES[table])
        if block.ndim != 2 or block.shape[1] != len(names):
            raise InvariantError(f"tape: {table} takes rows of {len(names)} columns, was given {block.shape}")
        self.table(table, {name: block[:, place] for place, name in enumerate(names)})

    def table(self, table: str, columns: Mapping[str, Any]) -> None:
        """Rows of any table by column name; all columns, equally long."""
        wanted = TABLES[table]
        if set(columns) != set(wanted):
            odd = ", ".join(sorted(set(columns) ^ set(wanted)))
            raise InvariantError(f"tape: {table} was given other columns than it has: {odd}")
        arrays = {name: _typed(table, name, columns[name], dtype) for name, dtype in wanted.items()}
        if len({len(array) for array in arrays.values()}) > 1:
            raise InvariantError(f"tape: columns of {table} differ in length")
        self._append(table, arrays)

    def finish(self) -> str:
        """Derive the waterfall, write every table as one file, say so and return the tape's hash."""
        if self._finished:
            return self.tape_hash()
        for name, held in self._tables.items():
            self._finish_table(name, held)
        self._write_waterfall()
        parts = self._path / PARTS
        if parts.is_dir():
            for path in sorted(parts.iterdir()):
                path.unlink()
            parts.rmdir()
        self._database.close()
        self._finished = True
        if self._folder is not None:
            tables = [name for name in TABLES if name in self._written()]
            seal = seal_of(self._path / f"{name}.parquet" for name in tables)
            self._folder.update(**{TABLES_KEY: tables, SEAL_KEY: seal})
        return self.tape_hash()

    def tape_hash(self) -> str:
        """Hash over all rows written so far; final after `finish`."""
        return combined_hash({name: held.hexdigest() for name, held in self._written().items()})

    def _written(self) -> dict[str, _Table]:
        return {name: held for name, held in self._tables.items() if held.total}

    def _records(
        self, table: str, rows: NDArray[np.void], extra: Mapping[str, NDArray[np.int64]] | None = None
    ) -> None:
        if not len(rows):
            return
        extra = extra or {}
        self._append(
            table,
            {
                name: extra[name] if name in extra else rows["time" if name == "time_ms" else name]
                for name in TABLES[table]
            },
        )

    def _append(self, table: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        if self._finished:
            raise InvariantError(f"tape: rows for {table} after the tape was finished")
        held = self._tables.get(table)
        if held is None:
            held = self._tables[table] = _Table(TABLES[table])
        held.append(arrays)
        if held.count >= self._part_rows:
            self._spill(table, held)

    def _spill(self, table: str, held: _Table) -> None:
        """Move what is held of a table into its next part file."""
        folder = self._path / PARTS
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot write the tape: {reason_of(error)}") from None
        self._write(table, held, folder / f"{table}-{held.parts:05d}.parquet")
        held.parts += 1
        held.clear()

    def _finish_table(self, table: str, held: _Table) -> None:
        target = self._path / f"{table}.parquet"
        if not held.parts:
            if held.count:
                self._write(table, held, target)
            return
        if held.count:
            self._spill(table, held)
        files = sorted((self._path / PARTS).glob(f"{table}-[0-9]*.parquet"))
        self._copy(f"select {column_list(table)} from {rows_of(*files)}", target)

    def _write(self, table: str, held: _Table, target: Path) -> None:
        data = held.columns()
        self._database.register("held_rows", data)
        self._copy(f"select {column_list(table)} from held_rows", target)
        self._database.unregister("held_rows")
        held.hash_held(data)

    def _copy(self, query: str, target: Path) -> None:
        """Write a query's rows; the file appears whole or not at all."""
        unfinished = target.with_suffix(".unfinished")
        try:
            self._database.execute(
                f"copy ({query}) to {quoted(str(unfinished))} "
                f"(format parquet, compression zstd, row_group_size {ROW_GROUP})"
            )
            os.replace(unfinished, target)
        except (OSError, duckdb.Error) as error:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            raise InputError(f"{target}: cannot write the tape: {reason_of(error)}") from None

    def _write_waterfall(self) -> None:
        for name in ("fills", "events", "instruments"):
            file = self._path / f"{name}.parquet"
            if not file.is_file():
                return
            source = f"select * from {rows_of(file)}"
            self._database.execute(f"create or replace view {name} as {source}")
        rows = self._database.execute(waterfall_query(self._step_ms)).fetchnumpy()
        self.table("waterfall", rows)
        self._finish_table("waterfall", self._tables["waterfall"])


def reason_of(error: Exception) -> str:
    """What an operating system or a database says, on one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).splitlines()[0]


class _Table:
    """Rows of one table held in memory, column by column, and the running hash of all that passed."""

    def __init__(self, columns: Columns) -> None:
        self._layout = columns
        self._capacity = _FIRST_CAPACITY
        self._buffers = {name: np.empty(self._capacity, dtype) for name, dtype in columns.items()}
        self._hash = TableHash(columns)
        self.count = 0
        self.total = 0
        self.parts = 0

    def append(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        added = len(next(iter(arrays.values())))
        end = self.count + added
        if end > self._capacity:
            self._capacity = max(end, 2 * self._capacity)
            for name, buffer in self._buffers.items():
                larger = np.empty(self._capacity, buffer.dtype)
                larger[: self.count] = buffer[: self.count]
                self._buffers[name] = larger
        for name, array in arrays.items():
            self._buffers[name][self.count : end] = array
        self.count = end
        self.total += added

    def columns(self) -> dict[str, NDArray[Any]]:
        return {name: buffer[: self.count] for name, buffer in self._buffers.items()}

    def hash_held(self, data: Mapping[str, NDArray[Any]]) -> None:
        for name, values in data.items():
            self._hash.update(name, values)

    def clear(self) -> None:
        self.count = 0

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _typed(table: str, name: str, values: Any, dtype: np.dtype[np.generic]) -> NDArray[Any]:
    """Values in a column's type; integers that do not fit are refused, not wrapped."""
    if dtype == TEXT:
        return np.array([str(value) for value in values], dtype=object)
    given = np.asarray(values)
    if given.dtype == dtype:
        return given
    array = given.astype(dtype)
    if given.dtype.kind in "iuf" and dtype.kind in "iu" and not np.array_equal(array, given):
        raise InvariantError(f"tape: {table}.{name}: values do not fit {dtype.name}")
    return array
