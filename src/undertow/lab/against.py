"""The same case with the outside from published facts and from recordings: what the difference does to it.

Holds the pair of ensembles and their folder. Units: as `difference`. Invariant: both are run at the same
seeds, so all that differs is the price off the venue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undertow.lab.difference import FactDifference, as_plain, differences
from undertow.lab.ensemble import (
    Ensemble,
    Variant,
    new_folder,
    run_variants,
    scored_variant_of,
    write_ensemble,
)
from undertow.lab.pool import Pool
from undertow.lab.progress import Progress, Silent
from undertow.tape.folder import RunFolder

DIFFERENCE_FILE = "difference.json"


@dataclass(frozen=True)
class Against:
    """Two ensembles of a case, and every fact in both."""

    folder: Path
    facts_only: Ensemble
    recorded: Ensemble

    @property
    def status(self) -> str:
        """ "complete" when both are."""
        return max(self.facts_only.status, self.recorded.status)  # "partial" sorts behind "complete"

    @property
    def rows(self) -> tuple[FactDifference, ...]:
        """Every fact, facts-only first."""
        return differences(self.facts_only.variant.case.facts, self.facts_only.spread, self.recorded.spread)


def against_data(
    case: str | Path,
    seeds: Sequence[int],
    data: Path,
    settings: Mapping[str, Any] | None = None,
    out: Path | None = None,
    *,
    jobs: int = 1,
    keep_tapes: bool = False,
    progress: Progress | None = None,
) -> Against:
    """Run a case over draws twice, without and with recordings, into one new folder with difference.json."""
    plain = scored_variant_of(case, settings)
    pair = [plain, Variant(plain.name, plain.case, plain.settings, data)]
    folder = new_folder(out, f"{plain.case.name}-against-data")
    places = [folder / "facts", folder / "recorded"]
    for place in places:
        place.mkdir()
    with Pool(jobs) as pool:
        ensembles = run_variants(pair, seeds, pool, progress or Silent(), places, keep_tapes)
    for ensemble in ensembles:
        write_ensemble(ensemble)
    found = Against(folder, *ensembles)
    RunFolder(folder).write_json(DIFFERENCE_FILE, {"status": found.status, "facts": as_plain(found.rows)})
    return found
