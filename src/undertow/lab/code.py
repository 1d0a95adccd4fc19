"""Which code a result came from, so that what was kept beside a tape is not taken for what is measured now.

Invariant: two trees of the same bytes give the same hash, wherever they lie.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path


@cache
def code_hash() -> str:
    """Sixteen hex digits over all that a run can depend on: the package's code, cases and rulebooks aside."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        if root / "views" not in path.parents:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
