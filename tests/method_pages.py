"""The pages docs/methods/NAME.md: `python -m tests.method_pages` writes them, tests/test_method_pages.py holds them.

A page is put together from what stands beside the code: the method's card and settings, the comments `# Deviation N:`
of its module and of those it uses, what docs/metrics.md says of the metrics it logs, and what
`python -m tests.bench.method_pages NAME` measured.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from rftlab.methods.base import load_method
from rftlab.preflight.settings import written
from rftlab.presets import PRESETS
from rftlab.record import write_atomically
from rftlab.registry import METHODS
from tests.bench.method_pages import LABELS, TASK, read
from tests.method_uses import enclosing, used_by

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "methods"
INDEX = "README"
_CARD = re.compile(r"^(Idea|Objective|Settings|Presets|Costs|When|What goes wrong|Deviations from the paper): ", re.M)
_DEVIATION = re.compile(r"\s*# Deviation (\d+): (.*)")
_MORE = re.compile(r"\s*# (.*)")


class Deviation(NamedTuple):
    """A `# Deviation N:` comment: its number, its sentence, and the line of code below it."""

    number: int
    text: str
    path: str
    line: int


def deviations(module: str) -> list[Deviation]:
    """Those of a module, in order."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    lines, found = path.read_text(encoding="utf-8").splitlines(), []
    for at, line in enumerate(lines):
        if begun := _DEVIATION.fullmatch(line):
            said, below = [begun[2]], at + 1
            while (more := _MORE.fullmatch(lines[below])) and not _DEVIATION.fullmatch(lines[below]):
                said.append(more[1])
                below += 1
            found.append(Deviation(int(begun[1]), " ".join(said), str(path.relative_to(ROOT)), below + 1))
    return found


def module_of(method: str) -> str:
    """The dotted name of the module a method is defined in."""
    return METHODS[method].target.partition(":")[0]


def explanations() -> dict[str, tuple[str, str]]:
    """Of every metric of a step that docs/metrics.md tells: what it is, and how it looks when it goes wrong."""
    told = {}
    for row in (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in row.replace(r"\|", "\0").strip("|").split("|")]
        for name in re.findall(r"`((?:train|kl|eval|pairs|thumbs)/[\w/]+)`", cells[0]) if len(cells) == 3 else ():
            told[name] = (cells[1].replace("\0", r"\|"), cells[2].replace("\0", r"\|"))
    return told


def explained(metric: str, told: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    """What docs/metrics.md says of a metric; None where it says nothing."""
    return told.get("train/part/NAME" if metric.startswith("train/part/") else metric)


def page(method: str) -> str:
    """The page of a method, Markdown."""
    entry, loaded = METHODS[method], load_method(method)
    parts = card_of(loaded.card)
    lines = [
        f"# {method}", "", f"{sentence(entry.summary)} Code: {_link(module_of(method))}. The page is written by "
        "`python -m tests.method_pages`, from the code and from what was measured.", "",
        *_section("What it optimises", [parts.get("Idea", "")]),
        *_formula(parts.get("Objective", "")),
        *_section("When", [parts.get("When", "")]),
        *_deviations(method, parts), *_settings(loaded, parts), *_metrics(method), *_section(
            "When things go wrong", [parts.get("What goes wrong", "")]), *_costs(method, parts), *_result(method),
    ]  # fmt: skip
    return "\n".join(map(_wrapped, lines)).rstrip() + "\n"


def _formula(text: str) -> Iterator[str]:
    """As code, since Markdown would read < and * in it."""
    if text:
        yield from (f"    {line}" for line in textwrap.wrap(text, 112))
        yield ""


def _wrapped(line: str) -> str:
    """Prose in lines of at most 120 characters; rows of tables and code as they are."""
    if line.startswith(("|", "    ", "#")):
        return line
    bullet = re.match(r"\d+\. |- |", line)
    hanging = " " * len(bullet[0] if bullet else "")
    line = line.replace("<", "&lt;")
    told = textwrap.fill(line, 120, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
    return told + "\n" * line.endswith("\n")


def card_of(card: str) -> dict[str, str]:
    """The parts of a card by their labels; a card without labels is its idea."""
    head, *rest = _CARD.split(card)
    parts = dict(zip(rest[::2], rest[1::2], strict=True))
    return {label: " ".join(text.split()) for label, text in (({"Idea": head} if head.strip() else {}) | parts).items()}


def sentence(text: str) -> str:
    """A phrase as a sentence."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _link(module: str, line: int = 0) -> str:
    path = f"{module.replace('.', '/')}.py"
    return f"[{path}](../../{path}{f'#L{line}' if line else ''})"


def _section(title: str, texts: Sequence[str]) -> Iterator[str]:
    if any(texts):
        yield f"## {title}\n"
        for text in filter(None, texts):
            yield sentence(text) + "\n"


def _deviations(method: str, parts: Mapping[str, str]) -> Iterator[str]:
    entry, used = METHODS[method], used_by(method)
    if not entry.trains:  # what it runs of trained methods' code is no training
        used = used._replace(others=[])
    told = {
        module: [each for each in deviations(module) if (module, enclosing(module, each.line)) in used.definitions]
        for module in sorted({module for module, _ in used.definitions})
    }
    own = told.pop(module_of(method))
    beside = [each for of in told.values() for each in of]
    text = parts.get("Deviations from the paper")
    if not (own or beside or used.others or text):
        return
    yield "## Deviations from the paper\n"
    if text:
        yield sentence(text) + "\n"
    elif not own:
        yield "None of its own in code; settings that differ from the paper's are named below.\n"
    yield from (f"{each.number}. {sentence(each.text)} ([line]({_line(each)}))" for each in own)
    if own:
        yield ""
    if beside:
        yield "In code it shares with other methods:\n"
        yield from (f"- {sentence(each.text)} ([{each.path}]({_line(each)}))" for each in beside)
        yield ""
    if used.others:
        links = ", ".join(f"[{name}]({name}.md)" for name in used.others)
        yield f"It uses code of {links}, with the deviations told there.\n"


def _line(each: Deviation) -> str:
    return f"../../{each.path}#L{each.line}"


def _settings(loaded: Any, parts: Mapping[str, str]) -> Iterator[str]:
    fields = loaded.Settings.model_fields
    if not fields:
        return
    yield "## Settings\n"
    for label in ("Settings", "Presets"):
        if text := parts.get(label):
            yield sentence(text) + "\n"
    yield "| setting | default | what |"
    yield "|---|---|---|"
    for name, field in fields.items():
        default = written(field.get_default(call_default_factory=True))
        yield f"| `{name}` | {_cell(default)} | {_cell(field.description or _choices(field))} |"
    yield ""
    if loaded.presets:
        yield f"Presets: {', '.join(f'`{name}`' for name in loaded.presets)}.\n"


def _choices(field: Any) -> str:
    return ", ".join(map(str, get_args(field.annotation))) if get_origin(field.annotation) is Literal else ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _metrics(method: str) -> Iterator[str]:
    told = explanations()
    if logged := _measured(method)["logged"]:
        yield "## Logged metrics\n"
        yield "Of every step in `trace.jsonl`, beside the cost so far and the [evaluations](../metrics.md).\n"
        yield "| metric | what | when things go wrong |"
        yield "|---|---|---|"
        for metric in logged:
            what, wrong = explained(metric, told) or ("", "")
            yield f"| `{metric}` | {what} | {wrong} |"
        yield ""


def _measured(method: str) -> Mapping[str, Any]:
    return read().get(method, {"version": 0, "logged": [], "runs": []})


def _costs(method: str, parts: Mapping[str, str]) -> Iterator[str]:
    runs = _measured(method)["runs"]
    steps = sum(run["optimizer_steps"] for run in runs)
    text = parts.get("Costs")
    if not (steps or text):
        return
    yield "## Costs\n"
    if text:
        yield sentence(text) + "\n"
    if steps:
        yield "Measured in the result below, a step:\n"
        yield "| completions | verifier calls | generated tokens | trained tokens | FLOPs | peak of the process |"
        yield "|--:|--:|--:|--:|--:|--:|"
        names = ("completions", "verifier_calls", "tokens_generated", "tokens_trained", "flops")
        each = [sum(run[name] for run in runs) / steps for name in names]
        memory = max(run["peak_memory_bytes"] for run in runs) / 1e6
        yield f"| {each[0]:.1f} | {each[1]:.1f} | {each[2]:.0f} | {each[3]:.0f} | {each[4]:.1e} | {memory:.0f} MB |\n"
        yield "Seconds a step, also on SmolLM2-135M: [what a step of each method costs](../methods_cost.md).\n"


def _result(method: str) -> Iterator[str]:
    entry, found = METHODS[method], _measured(method)
    seeds = " ".join(str(run["seed"]) for run in found["runs"]) or "0"
    yield "## A result\n"
    yield f"    python -m tests.bench.method_pages {method} --seeds {seeds}\n"
    if not found["runs"]:
        yield "It has not been run.\n"
        return
    about = f"{LABELS} labels" if entry.uses_labels else "no labels"
    yield (
        f"On the tiny base, `{TASK}` asked to think, {about}, default settings, 100 test items; sampled: 25 items x 4 "
        "at temperature 1. So few steps show that it runs and what it does first, not which method is better.\n"
    )
    if entry.teacher:
        yield "Its teacher here is the tiny base itself, with nothing to teach: read the costs, not the accuracy.\n"
    if found["version"] != entry.version:
        yield f"Measured with version {found['version']} of the method, which is at version {entry.version} now.\n"
    yield "| | seed | steps | greedy, % | sampled, % | KL to base, nats a token |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name in dict.fromkeys(("base", method)):
        for run in _measured(name)["runs"]:
            yield (
                f"| {name} | {run['seed']} | {run['optimizer_steps']} | {_percent(run['accuracy'])} | "
                f"{_percent(run['sampled_accuracy'])} | {_number(run['kl_to_base'])} |"
            )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def index() -> str:
    """The page that lists all others."""
    rows = (
        f"| [{name}]({name}.md) | {entry.family} | {_cell(entry.summary)} | {', '.join(PRESETS.get(name, ()))} |"
        for name, entry in METHODS.items()
    )
    about = (
        "Written by `python -m tests.method_pages`. Of TRL only the stable trainers are used, in the versions that "
        "`pyproject.toml` takes; what TRL has as experimental alone is written here, so that no method is missing."
    )
    heads = ["| method | family | what | presets |", "|---|---|---|---|"]
    return "\n".join(["# The methods, a page each", "", _wrapped(about), "", *heads, *rows, ""])


def pages() -> dict[str, str]:
    """Every page by its name, the index among them."""
    return {INDEX: index(), **{name: page(name) for name in METHODS}}


def main() -> None:
    """Write the pages, and remove those of methods that are gone."""
    written_now = pages()
    for name, text in written_now.items():
        write_atomically(FOLDER / f"{name}.md", text)
    for path in FOLDER.glob("*.md"):
        if path.stem not in written_now:
            path.unlink()


if __name__ == "__main__":
    main()
