"""A new case or rulebook file that starts from one that there is: a copy under a new name.

Holds the writing of a first file; what it may say is checked when it is read.

Invariant: a file that was just written passes `check`; nothing is overwritten, and nothing is left behind
where it does not pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from undertow.case.load import case_path, load_case
from undertow.errors import InputError
from undertow.rulebook.load import load_rulebook, preset_names, preset_path
from undertow.rulebook.text import text_of

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
NAME_LINE = re.compile(r'^name\s*=\s*"[^"]*"', re.MULTILINE)


def new_case(file: Path, source: str) -> None:
    """Write a copy of the case `source`, a name or a path, under the file's name."""
    load_case(source)
    _write(file, source, case_path(source))
    _keep_if(file, lambda: load_case(str(file)))


def new_rulebook(file: Path, source: str) -> None:
    """Write a copy of the rulebook `source`, a name or a path, under the file's name."""
    load_rulebook(source)
    _write(file, source, preset_path(source) if source in preset_names() else Path(source))
    _keep_if(file, lambda: load_rulebook(file))


def _write(file: Path, source: str, path: Path) -> None:
    if file.suffix != ".toml" or not NAME.fullmatch(file.stem):
        right = "small letters, digits and single hyphens, then .toml: my-venue.toml"
        raise InputError(f"{file}: is no name for a case or rulebook; {right}")
    text, changed = NAME_LINE.subn(f'name = "{file.stem}"', text_of(path.read_bytes(), source), count=1)
    if not changed:
        raise InputError(f"{source}: its name stands in no line of its own; copy the file by hand")
    try:
        with file.open("x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError:
        raise InputError(f"{file}: is there already; name another file, or remove it") from None
    except OSError as error:
        reason = (error.strerror or "cannot be written").lower()
        raise InputError(f"{file}: {reason}; name a file in a folder that you can write") from None


def _keep_if(file: Path, check: Callable[[], object]) -> None:
    """Leave the new file if it can be read where it stands; files that it names are found from there."""
    try:
        check()
    except InputError as error:
        file.unlink()
        first = str(error).splitlines()[0]
        raise InputError(f"{first} (write the new file into the folder of the one it starts from)") from None
