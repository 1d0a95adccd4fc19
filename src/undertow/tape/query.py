"""Questions put to a run: DuckDB views over the tables of its folder, answered as NumPy arrays or exact
integers.

Every table of the schema is a view, empty when the run did not record it, unless it was asked to be held in
memory for many questions; small answers are kept, as a run does not change. A run that was killed has no tape
and is refused. `class` and `group` are quoted in queries ("group").

Units: as in `undertow.tape.schema`. Invariant: a `Tape` never writes; equal content gives an equal
`content_hash()` whatever the cut into parts.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from undertow.errors import DataError
from undertow.tape.folder import PARTIAL, SEAL_KEY, TABLES_KEY, RunFolder
from undertow.tape.schema import TABLES, TEXT, Columns, rows_of, sql_type
from undertow.tape.seal import require_seal
from undertow.tape.waterfall import waterfall_query

DROPPED = "dropped"  # said in run.json of draws that keep their score alone
KEPT_ROWS = 1000  # answers up to so many rows are kept: measures ask the same small questions over and over


def connection() -> duckdb.DuckDBPyConnection:
    """A private in-memory database that never looks for extensions and keeps rows in their order."""
    database = duckdb.connect(":memory:")
    database.execute("set autoinstall_known_extensions = false")
    database.execute("set autoload_known_extensions = false")
    database.execute("set enable_progress_bar = false")
    return database


class Tape:
    """A run's tables. Raises InputError when `folder` is no run, DataError on missing or damaged files."""

    def __init__(self, folder: Path | str | RunFolder) -> None:
        self.folder = folder if isinstance(folder, RunFolder) else RunFolder.open(Path(folder))
        self.record = self.folder.read()
        if self.record["status"] == PARTIAL and TABLES_KEY not in self.record:
            raise DataError(
                f"{self.folder.path}: holds no tape: the run was killed, or is still going; run it again "
                "(Ctrl-C keeps what was recorded until then)"
            )
        if self.record.get("tape") == DROPPED:
            raise DataError(
                f"{self.folder.path}: its tape was dropped, as it is one draw of several; run its case.toml "
                "for one that is kept"
            )
        require_seal(self.folder.path, self.record.get(SEAL_KEY, {}))
        self._database = connection()
        self._answers: dict[str, list[tuple[Any, ...]]] = {}
        self.tables = tuple(name for name in TABLES if self._add_view(name))

    def _add_view(self, table: str) -> bool:
        """Declare one table; whether the run recorded it."""
        file = self.folder.path / f"{table}.parquet"
        recorded = file.is_file()
        if recorded:
            source = f"select * from {rows_of(file)}"
        elif table in self.record.get(TABLES_KEY, ()):
            raise DataError(f"{file}: missing, and the run recorded it; bring it back or run the case again")
        elif table == "waterfall":
            source = waterfall_query(max(1, round(1000 * float(self.record.get("step_seconds", 1)))))
        else:
            columns = ", ".join(
                f'null::{sql_type(dtype)} as "{name}"' for name, dtype in TABLES[table].items()
            )
            source = f"select {columns} where false"
        try:
            self._database.execute(f"create view {table} as {source}")
        except duckdb.Error as error:
            raise DataError(f"{self.folder.path}: cannot read {file.name}: {_first_line(error)}") from None
        return recorded

    def hold(self, table: str) -> None:
        """Keep a table in memory from now on: for whoever asks it hundreds of questions in a row."""
        self._database.execute(f"create table held_{table} as select * from {table}")
        self._database.execute(f"create or replace view {table} as select * from held_{table}")

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """The relation a query names, for use with DuckDB's own methods."""
        return self._database.sql(query)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """A query's rows as plain Python values; sums of integers are exact."""
        if query in self._answers:
            return list(self._answers[query])
        try:
            found = self._database.execute(query).fetchall()
        except duckdb.Error as error:
            raise DataError(f"{self.folder.path}: {_first_line(error)}") from None
        if len(found) <= KEPT_ROWS:
            self._answers[query] = found
        return list(found)

    def value(self, query: str) -> Any:
        """The single value of a query of one row and one column; None when it has no row."""
        rows = self.rows(query)
        return rows[0][0] if rows else None

    def fetch(self, query: str) -> dict[str, NDArray[Any]]:
        """A query's columns as arrays; a missing number is NaN. Sums beyond 2**53 need `rows` or a cast."""
        try:
            columns = self._database.execute(query).fetchnumpy()
        except duckdb.Error as error:
            raise DataError(f"{self.folder.path}: {_first_line(error)}") from None
        return {name: _filled(column) for name, column in columns.items()}

    def content_hash(self) -> str:
        """The tape's hash recomputed from its files; equals what `TapeWriter.tape_hash()` said."""
        digests = {}
        for table in self.tables:
            running = TableHash(TABLES[table])
            for name in TABLES[table]:
                running.update(name, self.fetch(f'select "{name}" from {table}')[name])
            digests[table] = running.hexdigest()
        return combined_hash(digests)

    def close(self) -> None:
        """Let go of the files."""
        self._database.close()

    def __enter__(self) -> Tape:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class TableHash:
    """A running hash of a table's columns that does not depend on how rows were cut into chunks."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._running = {name: hashlib.blake2b(digest_size=16) for name in columns}

    def update(self, name: str, values: NDArray[Any]) -> None:
        """Take the next values of one column."""
        if self._columns[name] == TEXT:
            self._running[name].update("".join(f"{value}\0" for value in values).encode())
        else:
            whole = np.ascontiguousarray(values, dtype=self._columns[name].newbyteorder("<"))
            self._running[name].update(whole.view(np.uint8).data)

    def hexdigest(self) -> str:
        """The hash over the columns' names, types and contents, in schema order."""
        total = hashlib.blake2b(digest_size=16)
        for name, running in self._running.items():
            total.update(f"{name}:{self._columns[name].str}:{running.hexdigest()};".encode())
        return total.hexdigest()


def combined_hash(digests: dict[str, str]) -> str:
    """One hash over the tables of a tape, in order of their names."""
    text = ";".join(f"{name}={digests[name]}" for name in sorted(digests))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _filled(column: NDArray[Any]) -> NDArray[Any]:
    if not isinstance(column, np.ma.MaskedArray):
        return column
    if not np.any(np.ma.getmaskarray(column)):
        return np.asarray(column.data)
    if column.dtype.kind in "iub":
        return np.asarray(np.ma.MaskedArray(column, dtype=np.float64).filled(np.nan))
    if column.dtype.kind == "f":
        return np.asarray(column.filled(np.nan))
    return np.asarray(column.filled(None))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
