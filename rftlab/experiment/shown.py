"""What a model will be put and taught: rendered prompts, labelled completions, tokens and rewards, without weights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from textwrap import indent
from typing import Any

from rftlab.cell import Cell
from rftlab.errors import about
from rftlab.naming import short_name
from rftlab.policy.context import shots
from rftlab.policy.load import Policy, load_policy
from rftlab.preflight.checks import Looked, key, task_key
from rftlab.tasks.base import Example, Task
from rftlab.tasks.of_cell import draw_labels, verifier_of
from rftlab.tasks.shots import Choice, Shots
from rftlab.user_code.child import announce
from rftlab.verifiers.base import Verifier, make_verifier

_LOAD_LIMIT_S = 6 * 3600.0
_LONGEST = 4_000


def shown(request: Mapping[str, Any]) -> list[str]:
    """Texts for people, one for each way in which cells ask: task, model, prompt and verifier.

    Args:
        request: `cells` as JSON values; `examples`, how many of each; `limit`, seconds for a step in a user's code.

    Raises:
        RftlabError: a task, a model or a verifier cannot be loaded.
    """
    found: dict[object, Cell] = {}
    looked = Looked([], request["limit"])
    cells = [Cell.make(values) for values in request["cells"]]
    for cell in sorted(cells, key=lambda cell: -cell.labels):  # those that are trained, with what they are trained on
        way = (task_key(cell), cell.model, cell.template, cell.system, cell.cot, cell.verifier,
               key(cell.verifier_settings), cell.answer_format, len(shots(cell, looked.task(cell))))  # fmt: skip
        found.setdefault(way, cell)
    return [_told(cell, looked.task(cell), request["examples"]) for cell in found.values()]


def _told(cell: Cell, task: Task, count: int) -> str:
    announce(f"loading model {cell.model!r} without its weights", limit=_LOAD_LIMIT_S)
    policy = load_policy(cell, meta=True)
    if pool := shots(cell, task):
        kind: Choice = "nearest" if cell.settings.get("choice") == "nearest" else "random"
        labels = draw_labels(cell, task).train
        template = Shots.of(policy.template, labels, count=len(pool), choice=kind, cot=cell.cot)
        policy = replace(policy, template=template)
    name, settings = verifier_of(cell, task)
    announce(f"loading verifier {name!r}")
    with about("verifier_settings", settings):
        verifier = make_verifier(name, answer_format=cell.answer_format, settings=settings)
    examples = (draw_labels(cell, task).asked or task.test)[:count]
    prompt = "with" if cell.cot else "without"
    head = (
        f"{task.name} with {cell.model}, {prompt} chain-of-thought, judged by {short_name(name)} ({cell.answer_format})"
    )
    head += f"\n{verifier.told}" if verifier.told else ""
    head += f"\n{task.folds.told}; these are of seed {cell.seed}" if task.folds else ""
    announce(f"scoring {len(examples)} examples with verifier {name!r}")
    return "\n\n".join([head, *_examples(policy, verifier, examples, cot=cell.cot)])


def _examples(policy: Policy, verifier: Verifier, examples: Sequence[Example], *, cot: bool) -> Iterator[str]:
    for example in examples:
        prompt = f"{example.id}: prompt, {policy.count_prompt(example, cot)} tokens"
        if not example.answer:
            yield "\n".join([prompt, _shortened(policy.prompt_text(example, cot=cot)), "no gold completion"])
            continue
        taught = cot and bool(example.rationale)
        gold = policy.completion_text(example, cot=taught)
        score = verifier(gold, example)
        lacking = ", without a rationale: it has none" if cot and not taught else ""
        why = f" ({score.reason})" if score.reward < 1 else ""
        [tokens] = policy.count_gold([example], taught)
        yield "\n".join(
            [
                prompt,
                _shortened(policy.prompt_text(example, cot=cot)),
                f"gold completion, {tokens} tokens{lacking}: reward {score.reward:g}{why}",
                _shortened(gold),
            ]
        )


def _shortened(text: str) -> str:
    more = f"\n... and {len(text) - _LONGEST} characters more" if len(text) > _LONGEST else ""
    return indent(text[:_LONGEST] + more, "    | ", lambda _: True)
