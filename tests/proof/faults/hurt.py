"""Files of a real study damaged, those of its tuning, shared answers, policies and checkpoints too."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.proof.faults.damage import DAMAGES
from tests.proof.faults.driven import Place, place
from tests.proof.faults.studies import STUDIES, Study, goes_on, in_peace, killed
from tests.proof.proof import Case

_TUNED, _LONG = STUDIES[:2]
_FILES: dict[str, Study] = {
    "tuning.json": _TUNED,
    "grid.yaml": _TUNED,
    "shared/*.json": _TUNED,
    "cells/*/policy/*.safetensors": _TUNED,
    "cells/*/policy/manifest.json": _TUNED,
    "report/report.html": _TUNED,
    "shared/checkpoints/*.pt": _LONG,
}


def studies(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """One file is damaged; a study of which a cell, or the rest of a training, is left goes on over it."""
    cases = [(pattern, damage) for pattern in _FILES for damage in DAMAGES]
    chance.shuffle(cases)
    for pattern, damage in sorted(cases[:count]):
        study = _FILES[pattern]
        peace, seconds = in_peace(study)
        with place(folder) as here:
            if study is _LONG:
                killed(study, here, chance, 0.2 * seconds)
            else:
                shutil.copytree(peace, here.results)
            yield f"{pattern} {damage}", _hurt(pattern, damage, here, chance) or goes_on(study, here, peace)


def _hurt(pattern: str, damage: str, here: Place, chance: random.Random) -> str:
    found = sorted(here.results.glob(pattern))
    if not found:
        return f"no {pattern} was there to be damaged"
    path = chance.choice(found)
    path.write_bytes(DAMAGES[damage](path.read_bytes(), chance))
    others = [cell for cell in sorted((here.results / "cells").glob("[!.]*")) if cell not in path.parents]
    if others:
        shutil.rmtree(chance.choice(others))
    return ""
