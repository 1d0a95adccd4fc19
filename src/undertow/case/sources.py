"""The register of published records: what a fact's source cites, and who published it, when and where.

Holds the reading of the register that ships and the finding of records in a text. A text cites a record by
its number, as in `oct2025-163`, or a row of them, as in `oct2025-342 to 346`.

Invariant: the register is read once and never changed; what is not in it has no source here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

_CITED = re.compile(r"\b([a-z]+\d{4})-(\d{3})(?: to (\d{3})\b)?")


@dataclass(frozen=True)
class Source:
    """Who published something; `date` and `url` are empty where the record has none."""

    publisher: str
    title: str
    date: str = ""
    url: str = ""

    @property
    def in_words(self) -> str:
        """The source as a reader cites it, its link last."""
        return ", ".join(part for part in (self.publisher, self.title, self.date, self.url) if part)


@dataclass(frozen=True)
class Record:
    """One published number and its source. `reliability` is high, med or low."""

    id: str
    quantity: str
    value: object
    unit: str
    reliability: str
    source: Source
    note: str = ""
    time_utc: str = ""
    venue: str = ""
    symbol: str = ""


@dataclass(frozen=True)
class Citation:
    """Records that a text cites from one source; `ids` in words, as in `oct2025-342, oct2025-343`."""

    ids: str
    records: tuple[Record, ...]

    @property
    def source(self) -> Source:
        """Where they all were published."""
        return self.records[0].source


@cache
def register() -> Mapping[str, Record]:
    """Every record that ships, by its number."""
    path = resources.files("undertow.case") / "register" / "published.toml"
    content = tomllib.loads(path.read_text("utf-8"))
    sources = {key: Source(**row) for key, row in content["sources"].items()}
    return {
        key: Record(id=key, **{**row, "source": sources[row["source"]]})
        for key, row in content["records"].items()
    }


def ids_in(text: str) -> list[str]:
    """The numbers that a text cites, a row of them one by one, each once."""
    found: dict[str, None] = {}
    for match in _CITED.finditer(text):
        first, last = int(match[2]), int(match[3] or match[2])
        found |= dict.fromkeys(f"{match[1]}-{number:03d}" for number in range(first, last + 1))
    return list(found)


def cited(texts: str | Iterable[str]) -> tuple[Citation, ...]:
    """What texts cite of the register, source by source in the order in which they come."""
    grouped: dict[Source, dict[str, Record]] = {}
    for text in [texts] if isinstance(texts, str) else texts:
        for number in ids_in(text):
            record = register().get(number)
            if record is not None:
                grouped.setdefault(record.source, {})[number] = record
    return tuple(Citation(_in_rows(list(records)), tuple(records.values())) for records in grouped.values())


def _in_rows(ids: list[str]) -> str:
    """Numbers in order, three or more that follow one another as a row."""
    parts: list[str] = []
    row: list[str] = []
    for number in [*sorted(ids), ""]:
        follows = bool(row) and number != "" and _next(row[-1]) == number
        if row and not follows:
            parts += [f"{row[0]} to {row[-1][-3:]}"] if len(row) > 2 else row
            row = []
        row.append(number)
    return ", ".join(parts)


def _next(number: str) -> str:
    event, _, place = number.partition("-")
    return f"{event}-{int(place) + 1:03d}"
