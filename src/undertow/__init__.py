"""Undertow: a venue engine for leveraged crypto markets, and a crash laboratory built on it.

Holds the public names and nothing else; each is imported when it is first asked for, so that `import
undertow` is quick and the command line's `--help` never loads the compiler. What is not in `__all__` may
change in any release.

A rulebook is read by `load_rulebook`, as a case is by `load_case`: `undertow.rulebook` is the package itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

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


def __getattr__(name: str) -> Any:
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
