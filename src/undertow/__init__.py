"""Undertow: a venue engine for leveraged crypto markets, and a crash laboratory built on it.

Holds the public names and nothing else; each is imported when it is first asked for, so that `import
undertow` is quick and the command line's `--help` never loads the compiler. What is not in `__all__` may
change in any release.

A rulebook is read by `load_rulebook`, as a case is by `load_case`: `undertow.rulebook` is the package itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what editors and type checkers see; at run time each is imported when it is asked for
    from undertow.case.load import load_case as load_case
    from undertow.errors import UndertowError as UndertowError
    from undertow.lab.compare import compare as compare
    from undertow.lab.run import run_case as run
    from undertow.rulebook.load import load_rulebook as load_rulebook
    from undertow.venue.facade import Venue as Venue

__version__ = "0.1.0"

__all__ = ["UndertowError", "Venue", "__version__", "compare", "load_case", "load_rulebook", "run"]

# Public name -> where it is defined; the name there after a colon when it differs.
_HOMES = {
    "UndertowError": "undertow.errors",
    "Venue": "undertow.venue.facade",
    "compare": "undertow.lab.compare",
    "load_case": "undertow.case.load",
    "load_rulebook": "undertow.rulebook.load",
    "run": "undertow.lab.run:run_case",
}


if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name for something

    def __getattr__(name: str) -> object:
        """Import a public name from its home on first use and keep it."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'undertow' has no attribute {name!r}")
        module, _, other = home.partition(":")
        value = getattr(import_module(module), other or name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
