"""A prompt that a search found, as a file beside a cell's record: what stands before every question, word by word."""

import json
from dataclasses import asdict
from pathlib import Path

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.policy.context import room_of
from rftlab.policy.load import Policy, load_policy
from rftlab.policy.weights import POLICY, PROMPT, read_manifest
from rftlab.record import write_atomically
from rftlab.tasks.base import Example
from rftlab.tasks.shots import Shots


def write_prompt(shots: Shots, folder: Path) -> None:
    """Write instruction and labels of a template into a policy's folder."""
    body = {
        "instruction": shots.instruction,
        "count": shots.count,
        "choice": shots.choice,
        "cot": shots.cot,
        "pool": [asdict(example) for example in shots.pool] if shots.count else [],
    }
    write_atomically(folder / PROMPT, json.dumps(body, indent=1, sort_keys=True) + "\n")


def load_at(cell: Cell, folder: Path) -> Policy:
    """The policy that the cell of a folder kept: its weights, or the base under the prompt that was found.

    Args:
        cell: how it is asked, its caps as numbers, for which shots leave room.
        folder: of the cell that kept it.

    Raises:
        RftlabError: as `load_policy`; or the file of a prompt cannot be read.
    """
    policy = load_policy(cell, kept=folder)
    return _under_prompt(policy, cell, folder / POLICY / PROMPT) if read_manifest(folder).is_prompt else policy


def _under_prompt(policy: Policy, cell: Cell, path: Path) -> Policy:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        pool = [Example(**row) for row in body.pop("pool")]
        policy.template = Shots.of(policy.template, pool, fits=room_of(policy, cell), **body)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RftlabError(f"{path} cannot be read ({error}); run its cell again") from None
    return policy
