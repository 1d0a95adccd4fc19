"""How the tidy tests read the tree: the files under version control, their syntax, their documents.

Holds readers only; the rules themselves stand in tests/unit/test_tidy.py and test_tidy_documents.py.
"""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "undertow"

_SKIPPED_FOLDERS = {".git", ".venv", "runs", "build", "dist", "__pycache__"}


@cache
def tree_files() -> tuple[Path, ...]:
    """Every file that is, or could be, under version control; a plain walk where there is no repository."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0 and (ROOT / ".git").exists():
        paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not _SKIPPED_FOLDERS & set(path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in paths if path.is_file()))


@cache
def text_of(path: Path) -> str | None:
    """A file's text, or None when it is not text."""
    raw = path.read_bytes()
    if b"\0" in raw:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def python_files(*folders: str) -> list[Path]:
    """Python files of the tree below the named top folders."""
    return [
        path for path in tree_files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders
    ]


@cache
def syntax(path: Path) -> ast.Module:
    """A Python file's parsed syntax."""
    return ast.parse(path.read_text(), filename=str(path))


def report(offences: list[str]) -> None:
    """Fail with every offender on a line of its own."""
    assert not offences, "\n".join(["", *offences])


def label(path: Path) -> str:
    """A path as it is shown in a failure."""
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """The dotted name of a source file of the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(path: Path, tree: ast.Module) -> set[str]:
    """Dotted names of this package that a file imports anywhere, also inside functions and for types.

    `from package import name` yields `package.name`, which may be a module or something in it.
    """
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found.update(f"{origin}.{alias.name}" for alias in node.names)
    return {name for name in found if name.split(".")[0] == "undertow"}


def functions_of(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method, nested ones too."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def is_kernel(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function is compiled: decorated with `@kernel`."""
    return any(isinstance(mark, ast.Name) and mark.id == "kernel" for mark in function.decorator_list)


def docstrings_of(tree: ast.Module) -> set[int]:
    """Identities of the string nodes that are docstrings, or stand alone as attribute documentation."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }
