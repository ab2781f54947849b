"""What `rftlab sense` leaves beside results, and what `rftlab advise` finds there: one JSON file a task and base."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rftlab.advise.facts import Facts, make
from rftlab.advise.of_task import Subject
from rftlab.advise.sense.asked import Sizes, key, questions
from rftlab.advise.signals import FORECASTS, Forecast
from rftlab.errors import RftlabError
from rftlab.record import write_atomically

FOLDER = Path("results") / "sense"
_VERSION = 1


def place(subject: Subject, beside: Path, folder: Path = FOLDER) -> Path:
    """The file of a task, its base and the way they are asked; another one once data, model or prompt change.

    Args:
        subject: the task.
        beside: where its paths start from.
        folder: where such files lie.
    """
    asked = key(questions(subject, cot=True, sizes=Sizes(), beside=beside)["cot"])
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
    return folder / f"{subject.name.replace('/', '-').replace(chr(92), '-')}-{digest}.json"


def keep(path: Path, body: Mapping[str, Any]) -> Path:
    """Write what was found, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"version": _VERSION, **body}, indent=1, allow_nan=False)
    return write_atomically(path, text + "\n")


def forecast(subject: Subject, beside: Path, folder: Path = FOLDER) -> Forecast:
    """What was forecast of the base; nothing where nothing was, or what lies there cannot be read.

    Args:
        subject: the task.
        beside: where its paths start from.
        folder: where such files lie.
    """
    body = _body(subject, beside, folder)
    try:
        high = (body.get("gains", {}).get("shots") or [None])[-1]  # estimate, low, high
        found = {each["arm"]: each for each in body.get("outlooks", []) if each["word"] in FORECASTS}
        known = {arm: found[arm] for arm in ("RFT", "SFT") if arm in found}
        because = {arm: "; ".join(map(str, each["because"])) for arm, each in known.items() if each.get("because")}
        words = {arm: each["word"] for arm, each in known.items()}
        return Forecast(words, high is not None and high < 0, because)
    except (KeyError, TypeError, AttributeError, IndexError):
        return Forecast()


def _body(subject: Subject, beside: Path, folder: Path) -> dict[str, Any]:
    """What lies there; {} where it is not of this version or cannot be read."""
    if not folder.is_dir():
        return {}
    try:
        body = json.loads(place(subject, beside, folder).read_text(encoding="utf-8"))
        return body if body["version"] == _VERSION else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, RftlabError):
        return {}


def recall(subject: Subject, beside: Path, folder: Path = FOLDER) -> Facts:
    """Facts that were measured on the base; none where nothing was, or what lies there cannot be read.

    Args:
        subject: the task.
        beside: where its paths start from.
        folder: where such files lie.
    """
    try:
        return make(_body(subject, beside, folder).get("facts", {}))
    except (TypeError, AttributeError, RftlabError):
        return Facts()
