"""The name of one data file as DuckDB must be given it: that file, and no other.

DuckDB reads a path as a pattern (`*`, `?`, `[...]`), a leading `~` as a home folder and a folder `key=value`
as a column. Holds the spelling and the option that switch all of it off, for every room that reads with
DuckDB. Opens nothing.

Invariant: whatever a folder is called, what is read is the file at that path.
"""

from __future__ import annotations

from pathlib import Path

ONLY_ITS_COLUMNS = "hive_partitioning = false"  # an option of `read_parquet` and `read_csv`


def one_file(path: Path) -> str:
    """A path in which every character stands for itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path.absolute()))
