"""The house rules for text, executed: no reminders, no machine paths, no dead links, no unnamed tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tidy_rules import ROOT, label, report, syntax, text_of, tree_files

# Written so that no pattern finds itself.
REMINDERS = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.~/-])(?:/(?:root|work|tmp)/|/(?:home|Users)/\w|[A-Z]:\\Users)")
REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|debian\.org|anaconda\.org|crates\.io|docker\.io|ghcr\.io"
    r"|--(?:extra-)?index-[u]rl|--find-[l]inks|--trusted-[h]ost"
)
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
TEST_NAME = re.compile(r"`(tests/[\w./-]+\.py)::(\w+)`")

DOCUMENTS = [path for path in tree_files() if path.suffix == ".md"]


def offences_of(pattern: re.Pattern[str]) -> list[str]:
    """Every line of every text file of the tree that the pattern finds, with its place."""
    found = []
    for path in tree_files():
        text = text_of(path)
        if text is None or not pattern.search(text):
            continue
        found += [
            f"{label(path)}:{number}: {line.strip()[:80]}"
            for number, line in enumerate(text.splitlines(), start=1)
            if pattern.search(line)
        ]
    return found


def anchors_of(path: Path) -> set[str]:
    """The anchors that a document's headings make: lower case, spaces to hyphens, punctuation dropped."""
    anchors = set()
    for line in FENCE.sub("", path.read_text()).splitlines():
        if heading := re.match(r"#{1,6}\s+(.*)", line):
            words = re.sub(r"[^\w\- ]", "", heading[1].strip().lower())
            anchors.add(words.replace(" ", "-"))
    return anchors


def dead_links_of(path: Path) -> list[str]:
    """Relative links of a document that lead nowhere: no such file, or no such heading in it."""
    dead = []
    for match in LINK.finditer(FENCE.sub("", path.read_text())):
        target = match[1] or match[2]
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        place = (path.parent / name).resolve() if name else path
        missing_heading = (
            anchor and place.suffix == ".md" and place.is_file() and anchor not in anchors_of(place)
        )
        if not place.exists() or missing_heading or not place.is_relative_to(ROOT):
            dead.append(f"{label(path)}: {target}")
    return dead


def test_no_reminders_are_left() -> None:
    report(offences_of(REMINDERS))


def test_no_machine_paths() -> None:
    report(offences_of(MACHINE_PATHS))


def test_no_registry_hosts() -> None:
    report(offences_of(REGISTRIES))


def test_patterns_find_what_they_should() -> None:
    assert REMINDERS.search("# TO" + "DO: later")
    assert MACHINE_PATHS.search('open("/' + 'root/data.csv")')
    assert MACHINE_PATHS.search("cd /" + "home/someone")
    assert not MACHINE_PATHS.search("see docs/work/notes")
    assert REGISTRIES.search("https://py" + "pi.org/simple")


def test_locks_name_no_address() -> None:
    locks = sorted((ROOT / "requirements").glob("*.lock"))
    assert [path.name for path in locks] == ["dev.lock", "run.lock"]
    for path in locks:
        assert "://" not in path.read_text(), label(path)


def test_development_lock_holds_the_runtime_lock() -> None:
    """`make test` and `make run` use the same releases, so one environment serves both."""
    pins = [
        set(re.findall(r"^\S+==\S+", (ROOT / "requirements" / name).read_text(), re.MULTILINE))
        for name in ("run.lock", "dev.lock")
    ]
    assert pins[0] and pins[0] <= pins[1]


def test_relative_links_resolve() -> None:
    report([dead for path in DOCUMENTS for dead in dead_links_of(path)])


def test_invariant_rows_name_existing_tests() -> None:
    table = (ROOT / "docs" / "invariants.md").read_text()
    rows = [
        line for line in table.splitlines() if line.startswith("|") and not re.match(r"\|[\s:|-]+$", line)
    ]
    header, *rows = rows
    assert "Test" in header and rows
    offences = []
    for row in rows:
        named = TEST_NAME.findall(row)
        if not named:
            offences.append(f"no test named: {row[:80]}")
        for file_name, function_name in named:
            path = ROOT / file_name
            known = path.is_file() and any(
                isinstance(node, ast.FunctionDef) and node.name == function_name
                for node in ast.walk(syntax(path))
            )
            if not known:
                offences.append(f"no such test: {file_name}::{function_name}")
    report(offences)
