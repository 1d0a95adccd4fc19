"""Run every benchmark of this folder, one after another: `python -m benchmarks [name ...]`.

Each is a script of its own with its own options; this runner only starts them, so that `make bench` is one
command.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
HELPERS = {"__main__", "machine"}


def scripts() -> list[str]:
    """Names of the benchmarks: every file here that has a main block."""
    found = [path.stem for path in sorted(FOLDER.glob("*.py")) if path.stem not in HELPERS]
    return [name for name in found if "__main__" in (FOLDER / f"{name}.py").read_text("utf-8")]


def main(wanted: list[str]) -> int:
    """Run the wanted benchmarks (all, if none is named); the exit code is that of the first that fails."""
    unknown = [name for name in wanted if name not in scripts()]
    if unknown:
        sys.stderr.write(f"no benchmark named {', '.join(unknown)}; there is {', '.join(scripts())}\n")
        return 2
    for name in wanted or scripts():
        sys.stdout.write(f"\n== {name}\n")
        sys.stdout.flush()
        code = subprocess.run([sys.executable, str(FOLDER / f"{name}.py")], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
