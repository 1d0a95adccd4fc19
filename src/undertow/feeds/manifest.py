"""Which recorded tapes give the prices off the venue: a TOML file, checked once.

Holds the model of a manifest and its loading, from the package's library or from a path. Holds no data.
Units: `weight` is relative among the tapes of one coin; 0 marks a witness that is compared but gives no
price. The time of a bar's row is its start, and `bar_seconds` later its price is known.
Invariant: every tape of a loaded manifest names a file, a kind and at least one coin; every coin has a tape
that gives a price.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from undertow.errors import DataError, InputError
from undertow.rulebook.extent import MOST_BYTES, parsed
from undertow.rulebook.text import text_of

Name = Annotated[str, Field(min_length=1)]


class Tape(BaseModel):
    """One recorded source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    kind: Literal["bars", "index-minutes", "pool"]
    file: Name
    venue: str = ""  # bars: the value of the column `venue`
    bar_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None  # bars: from a bar's time to its end
    column: str = ""  # pool: the price column
    weight: Annotated[float, Field(ge=0, le=1_000)] = 1.0
    symbols: Annotated[dict[Name, Name], Field(min_length=1)]  # coin -> the symbol in the file

    @model_validator(mode="after")
    def _needs_by_kind(self) -> Tape:
        if self.kind == "bars" and not self.venue:
            raise ValueError("a tape of bars needs venue, the value of that column in its file")
        if self.kind == "bars" and self.bar_seconds is None:
            raise ValueError("a tape of bars needs bar_seconds, the length of a bar: it is known at its end")
        if self.kind != "bars" and self.bar_seconds is not None:
            raise ValueError(f"bar_seconds does nothing for a file of kind {self.kind}; leave it out")
        if self.kind == "pool" and not self.column:
            raise ValueError("a pool needs column, the name of the price column in its file")
        if self.kind != "bars" and len(self.symbols) != 1:
            raise ValueError(f"a file of kind {self.kind} holds one coin, so symbols has one entry")
        return self

    @property
    def bar_ms(self) -> int:
        """Milliseconds from a row's time until its price is known: 0 where it is known at once."""
        return 1_000 * (self.bar_seconds or 0)


class Manifest(BaseModel):
    """The tapes of one event."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    folder: str = ""
    tape: Annotated[list[Tape], Field(min_length=1)]

    @model_validator(mode="after")
    def _every_coin_has_a_price(self) -> Manifest:
        names = [tape.name for tape in self.tape]
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise ValueError(f"tape {min(repeated)!r} stands twice; each name stands once")
        for coin in self.coins():
            if not any(tape.weight > 0 for tape in self.tapes_of(coin)):
                raise ValueError(f"{coin} has witnesses only; one tape of it needs a weight above 0")
        return self

    def coins(self) -> tuple[str, ...]:
        """Every coin that a tape names, in alphabetical order."""
        return tuple(sorted({coin for tape in self.tape for coin in tape.symbols}))

    def tapes_of(self, coin: str) -> tuple[Tape, ...]:
        """The tapes that hold a coin, in the manifest's order."""
        return tuple(tape for tape in self.tape if coin in tape.symbols)


def load_manifest(name_or_path: str | Path) -> Manifest:
    """A manifest by its name in the library or by its path; DataError lists every fault."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        shipped = resources.files("undertow.feeds").joinpath("library")
        names = sorted(entry.name[:-5] for entry in shipped.iterdir() if entry.name.endswith(".toml"))
        if str(name_or_path) not in names:
            raise DataError(f"no recorded feed is called {str(name_or_path)!r}; there is {', '.join(names)}")
        raw, label = shipped.joinpath(f"{name_or_path}.toml").read_bytes(), f"{name_or_path}.toml"
    else:
        label = str(path)
        try:
            with path.open("rb") as file:
                raw = file.read(MOST_BYTES + 1)
        except (OSError, ValueError):
            raise DataError(f"{path}: not readable; a TOML file that lists tapes is needed") from None
    if len(raw) > MOST_BYTES:
        raise DataError(f"{label}: has more than {MOST_BYTES // 1024} KiB; it lists tapes, and holds none")
    try:
        return Manifest.model_validate(parsed(text_of(raw, label)))
    except InputError as error:
        raise DataError(str(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{label}: not TOML: {error}") from None
    except ValidationError as error:
        faults = []
        for one in error.errors():
            place = ".".join(str(part) for part in one["loc"]) or "file"
            faults.append(f"  {place}: {one['msg'].removeprefix('Value error, ')}")
        raise DataError("\n".join([f"{label}: {len(faults)} fault(s)", *faults])) from None
    except ValueError as error:
        raise DataError(f"{label}: {error}") from None
