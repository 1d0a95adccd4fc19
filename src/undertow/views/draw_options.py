"""The options that every command over several draws shares, as the command line shows them.

Holds names, defaults and help only; nothing heavy is imported, so that `undertow --help` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Settings = Annotated[
    tuple[str, ...], Parameter(name="--set", negative=(), show_default=False, consume_multiple=False)
]
Names = Annotated[tuple[str, ...], Parameter(negative=(), show_default=False, consume_multiple=False)]
Origin = Annotated[str, Parameter(name="--from")]
Switch = Annotated[bool, Parameter(negative=(), show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True)
class DrawOptions:
    """Which case is drawn how often, and where the result goes."""

    set_: Annotated[
        Settings,
        Parameter(help="Override one value of the case or its rulebook: KEY=VALUE. May be repeated."),
    ] = ()
    without: Annotated[
        Names, Parameter(help="Take one of the case's mechanisms away, by its name. May be repeated.")
    ] = ()
    data: Annotated[
        Path | None, Parameter(help="Folder with recorded data; else published facts are the outside.")
    ] = None
    accounts: Annotated[int | None, Parameter(help="How many accounts the crowd has.")] = None
    first_seed: Annotated[int, Parameter(help="The first of the seeds; the others follow it.")] = 1
    jobs: Annotated[int, Parameter(help="Processes side by side; the result does not depend on it.")] = 2
    out: Annotated[
        Path | None, Parameter(help="Folder to create the result's folder in; a free name is taken.")
    ] = None
    quiet: Annotated[Switch, Parameter(help="Print nothing but the result's folder.")] = False


AS_GIVEN = DrawOptions()
