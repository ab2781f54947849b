"""A policy as files: saved beside its cell's record, and loaded again to say exactly what it said then.

An adapter is written by PEFT, a whole model by transformers, both as safetensors in the precision they were trained
in; no file names a folder of the machine.
"""

import json
import os
from pathlib import Path

from rftlab.cell import Cell
from rftlab.files.staging import staged, swap_in
from rftlab.policy import weights
from rftlab.policy.hub import TINY_BASE
from rftlab.policy.load import Policy
from rftlab.policy.prompt_file import load_at, write_prompt
from rftlab.tasks.shots import Shots


def wanted() -> str:
    """What the run wants kept: "none", "best" or "all"; by hand a policy is kept for good."""
    return os.environ.get(weights.KEEP) or "all"


def save(policy: Policy, cell: Cell, folder: Path, *, max_new_tokens: int, keep: str = "all") -> Path:
    """Write a trained policy into a cell's folder; its folder `policy` appears whole or not at all.

    Args:
        policy: what was trained, or the base under a prompt that a search found: then the prompt alone is written.
        cell: by which cell.
        folder: the cell's folder.
        max_new_tokens: the cap on its completions when it was evaluated.
        keep: "best" where a better seed may take its place, "all" where it stays.

    Returns:
        The policy's folder.
    """
    final = folder / weights.POLICY
    name = base_name(cell.model)
    with staged(final) as staging:
        if isinstance(policy.template, Shots):  # what was found is a prompt; the weights are the base's
            write_prompt(policy.template, staging)
        elif cell.adapter.kind == "lora":
            _save_adapter(policy, name, staging)
        else:
            policy.model.save_pretrained(staging)
            policy.tokenizer.save_pretrained(staging)
        tidy(staging, name)
        weights.Manifest(
            cell=cell.id,
            model=name,
            identity=dict(policy.identity),
            adapter=cell.adapter.model_dump(mode="json"),
            dtype=policy.number_format,
            device=policy.device.type,
            keep=keep,
            max_new_tokens=max_new_tokens,
            parent=weights.digest(weights.find_cell(cell.start_from)) if cell.start_from else "",
            files=weights.files_of(staging),
        ).write(staging)
        swap_in(staging, final)
    return final


def load_kept(cell: str | Path, *, results: str | Path | None = None) -> Policy:
    """The policy that a finished cell kept, unmerged, on its base: it answers exactly as when it was evaluated.

    Exactly holds on the same machine, in the same precision and with the same number of compute threads (the record's
    environment says which).

    Args:
        cell: its folder, or the beginning of its id.
        results: results folder an id is looked for in; by default every folder of `results/`.

    Raises:
        RftlabError: no such cell, it keeps no policy, a file is damaged, or the base is not there or another.
    """
    folder = weights.find_cell(str(cell), Path(results) if results else None)
    return load_at(weights.as_evaluated(folder), folder)


def base_name(model: str) -> str:
    """A name of a base that holds on any machine: `tiny-base`, a hub id, or the last part of a folder."""
    path = Path(model).expanduser()
    return path.resolve().name if model != TINY_BASE and path.is_dir() else model


def _save_adapter(policy: Policy, name: str, folder: Path) -> None:
    config = policy.model.peft_config["default"]
    before, config.base_model_name_or_path = config.base_model_name_or_path, name
    try:
        # Embeddings are never resized here; "auto" would ask the hub about the base.
        policy.model.save_pretrained(folder, selected_adapters=["default"], save_embedding_layers=False)
    finally:
        config.base_model_name_or_path = before
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty model card, which names the base's folder


def tidy(folder: Path, name: str) -> None:
    """Make the files of a model those of anyone's: equal policies are equal files, and no file names a place.

    Trainers turn the cache off, which would make everyone's sampling slow; that is turned back. safetensors leaves its
    files to their owner alone; they become as readable as the others.
    """
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)
    for path in folder.glob("*config.json"):
        values = json.loads(path.read_text(encoding="utf-8"))
        for place in ("_name_or_path", "name_or_path"):
            if place in values:
                values[place] = name
        if values.get("use_cache") is False:
            values["use_cache"] = True
        for field, value in values.items():
            if field in ("target_modules", "exclude_modules", "modules_to_save") and isinstance(value, list):
                values[field] = sorted(value)
        path.write_text(json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
