"""A kept policy as a folder for others: loads in plain transformers, or in PEFT, without rftlab; with a model card."""

import shutil
from pathlib import Path

from rftlab import record
from rftlab.errors import RftlabError
from rftlab.files.staging import staged, swap_in
from rftlab.policy import weights
from rftlab.policy.card import model_card
from rftlab.policy.kept import load_kept, tidy


def write_model(
    cell: str | Path, target: str | Path, *, merge: bool = False, results: str | Path | None = None
) -> Path:
    """Write a kept policy, its tokenizer and a model card into a new folder, which appears whole or not at all.

    Args:
        cell: folder of a finished cell, or the beginning of its id.
        target: the new folder; it may be there if it is empty.
        merge: fold an adapter into its base, so that the folder is a whole model; in half precision the sum is rounded,
            and answers may differ from the adapter's. A policy of full fine-tuning is a whole model anyway.
        results: results folder an id is looked for in; by default every folder of `results/`.

    Returns:
        The folder.

    Raises:
        RftlabError: as `rftlab.policy.kept.load_kept`; or the folder holds something, or cannot be written.
    """
    target = Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RftlabError(f"{target} is there already and not an empty folder; give another name")
    folder = weights.find_cell(str(cell), Path(results) if results else None)
    weights.require_weights(weights.read_manifest(folder), "a model of its own")
    policy, trained, found = load_kept(folder), weights.as_evaluated(folder), record.read(folder)
    assert found is not None
    whole = merge or trained.adapter.kind == "full"
    if merge and policy.quantized:
        raise RftlabError(f"the base of cell {folder.name} is quantised, and takes no adapter in; leave out --merge")
    try:
        with staged(target.absolute()) as staging:
            if merge and trained.adapter.kind == "lora":
                policy.model.merge_and_unload().save_pretrained(staging)
            else:
                _copy(folder / weights.POLICY, staging)
            policy.tokenizer.save_pretrained(staging)
            manifest = weights.read_manifest(folder)
            tidy(staging, manifest.model)
            card = model_card(trained, found, manifest, policy, folder, whole=whole)
            (staging / "README.md").write_text(card, encoding="utf-8")
            swap_in(staging, target.absolute())
    except OSError as error:
        raise RftlabError(f"cannot write {target}: {error.strerror or error}; give another folder") from None
    return target


def _copy(policy: Path, target: Path) -> None:
    for path in policy.iterdir():
        if path.name != weights.MANIFEST:
            shutil.copy(path, target / path.name)
