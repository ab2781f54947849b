"""The model card of an exported policy: made from its record, in the form the Hugging Face hub reads."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rftlab import record, stats
from rftlab.cell import Cell
from rftlab.policy.hub import PACKAGED, TINY_BASE, locate
from rftlab.policy.identity import folder_of
from rftlab.policy.load import Policy
from rftlab.policy.weights import Manifest
from rftlab.record import Record
from rftlab.record.outcomes import worth
from rftlab.tasks.base import Example

QUESTION = "{question}"


def model_card(cell: Cell, found: Record, manifest: Manifest, policy: Policy, folder: Path, *, whole: bool) -> str:
    """The text of README.md: what the policy is, how to ask it, what was measured and how, and its limits.

    Args:
        cell: that trained it.
        found: its record.
        manifest: of the policy.
        policy: its tokenizer and template render the prompt.
        folder: the cell's.
        whole: it is written as a whole model, not as an adapter.
    """
    base = manifest.model
    licence = licence_of(cell.model)
    front = ["library_name: " + ("transformers" if whole else "peft"), f"base_model: {base}"]
    front += [f"license: {licence}"] if licence else []
    sections = [
        "\n".join(["---", *front, "---"]),
        f"# {cell.task_name} by {cell.method_name}, {cell.labels} labels",
        f"A {'whole model' if whole else 'LoRA adapter'} on the base `{base}`, trained by rftlab cell `{found.id}` "
        f"(seed {cell.seed}), policy digest `{manifest.digest}`.\n"
        f"Licence of the base: {licence or 'not stated in its files; see its own card'}.",
        "## How to ask it",
        f"```python\n{_snippet(cell, policy, base, whole=whole)}```",
        f"This is the prompt it was evaluated with, as text; `{QUESTION}` is replaced. Completions were capped at "
        f"{cell.max_new_tokens} tokens. The answer stands between `<answer>` and `</answer>`.",
        "## What was measured",
        _table(("metric", "value"), _measured(cell, found, folder)),
        *(f"*{warning}*" for warning in found.warnings),
        "## How it was trained",
        _table(("parameter", "value"), _training(cell, found, manifest)),
        "## What it may be compared with",
        "Only with runs that share these fields of its contract.",
        _table(("field", "value"), _flat(found.contract)),
        "## Versions",
        _table(("what", "version"), _versions(found.environment)),
        "## Limits",
        _limits(cell, manifest, whole=whole),
    ]
    return "\n\n".join(sections) + "\n"


def _snippet(cell: Cell, policy: Policy, base: str, *, whole: bool) -> str:
    prompt = policy.prompt_text(Example("asked", QUESTION, ""), cot=cell.cot_eval)
    bos = not policy.tokenizer.chat_template
    if whole:
        load = "model = AutoModelForCausalLM.from_pretrained(folder)\n"
    else:
        load = (
            f"base = {base!r}  # {'a hub id' if '/' in base else 'give the folder of this base'}\n"
            "model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)\n"
        )
    return (
        ("" if whole else "from peft import PeftModel\n")
        + "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        + 'folder = "."  # this folder\n'
        + load
        + "tokenizer = AutoTokenizer.from_pretrained(folder)\n"
        + f"prompt = {prompt!r}.replace({QUESTION!r}, 'your question')\n"
        + f'inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens={bos}, return_token_type_ids=False)\n'
        + f"output = model.eval().generate(**inputs, max_new_tokens={cell.max_new_tokens}, do_sample=False)\n"
        + 'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))\n'
    )


def _measured(cell: Cell, found: Record, folder: Path) -> Iterator[tuple[str, str]]:
    rows = map(json.loads, (folder / record.SAMPLES).read_text(encoding="utf-8").splitlines())
    interval = stats.items_interval([worth(row) for row in rows if row["part"] == "test"])
    yield (
        "accuracy (greedy, held-out test items)",
        f"{100 * interval.estimate:.1f} %, 95 % interval over {interval.n} items "
        f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]",
    )
    for name, value in found.metrics.items():
        if value is not None and name not in ("accuracy", "learning_rate"):
            yield name, f"{value:.4g}"


def _training(cell: Cell, found: Record, manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "task", " ".join([cell.task, *(f"{name}={_plain(value)}" for name, value in cell.task_settings.items())])
    yield "verifier", Path(cell.verifier).name if cell.verifier else "the task's own"
    yield "method", " ".join(filter(None, [cell.method_name, cell.preset]))
    if cell.settings:
        yield "settings", ", ".join(f"{name}={_plain(value)}" for name, value in cell.settings.items())
    yield "labels", str(cell.labels)
    yield "chain-of-thought", f"trained {_with(cell.cot)}, asked {_with(cell.cot_eval)}"
    yield "seeds", f"{cell.seed_data} (data), {cell.seed_init} (init), {cell.seed_sampling} (sampling)"
    yield "adapter", ", ".join(f"{name}={value}" for name, value in manifest.adapter.items())
    yield "started from", f"policy {manifest.parent}" if manifest.parent else "the base"
    yield "budget", f"{cell.budget.amount:g} {cell.budget.unit}"
    for name in ("learning_rate", "optimizer_steps", "tokens_trained", "tokens_generated", "flops", "seconds"):
        value = found.metrics.get(name, found.cost.get(name))
        if value is not None:
            yield name, f"{value:.4g}"


def _with(cot: bool) -> str:
    return "with" if cot else "without"


def _versions(environment: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("python", "platform", "gpu", "git_commit"):
        yield name, str(environment.get(name))
    for name, value in dict(environment.get("libraries", {})).items():
        yield name, str(value)


def _limits(cell: Cell, manifest: Manifest, *, whole: bool) -> str:
    lines = [
        f"- Trained and measured on one task, `{cell.task_name}`; what it unlearned elsewhere was not measured.",
        "- The interval covers the choice of the items; another seed may land outside it.",
        f"- Trained in {manifest.dtype} on {manifest.device}.",
    ]
    if manifest.keep == "best":
        lines.append("- Kept as the best seed of its arm on development items, by which others were passed over.")
    if whole and cell.adapter.kind == "lora":
        lines.append("- The adapter was folded into the base: sums are rounded anew, and a close answer may flip.")
    if cell.model == TINY_BASE:
        lines.append("- The tiny base had what tuning sharpens built in on purpose: no evidence about large models.")
    return "\n".join(lines)


def licence_of(model: str) -> str:
    """Licence of a base as its own files state it, "" where they do not."""
    if model == TINY_BASE:
        return "apache-2.0"  # this repository's
    folder = folder_of(locate(model))
    readme = folder / "README.md" if folder else None
    if readme is None or not readme.is_file():
        return ""
    text = readme.read_text(encoding="utf-8", errors="replace")
    if any(text.startswith(packaged.card) for packaged in PACKAGED.values()):
        return "apache-2.0"
    front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    stated = re.search(r"^license:\s*[\"']?([\w.+-]+)", front[1], re.MULTILINE) if front else None
    return stated[1] if stated else ""


def _table(head: tuple[str, str], rows: Iterator[tuple[str, str]]) -> str:
    return "\n".join(f"| {a} | {b} |" for a, b in [head, ("---", "---"), *((a, _cell(b)) for a, b in rows)])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and not prefix and name in ("match", "arm", "shown"):
            if name != "shown":
                yield from _flat(value, name)
        elif value is not None:
            yield name, _plain(value)


def _plain(value: Any) -> str:
    """A value without the folders of this machine."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_plain(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    text = str(value)
    return Path(text).name if text.startswith(("/", "~")) else text
