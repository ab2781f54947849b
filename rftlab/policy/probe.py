"""How long the base's own correct completions are, where a task has no gold completions to tell how long they get."""

from collections.abc import Callable

from rftlab.cell import Cell
from rftlab.policy.base_answers import sample_shared
from rftlab.policy.caps import Probe, parameter
from rftlab.policy.context import require_prompt_fits
from rftlab.policy.load import Policy, load_policy
from rftlab.tasks.base import Task
from rftlab.tasks.folds import rows
from rftlab.tasks.of_cell import verifier_of
from rftlab.user_code.child import announce
from rftlab.verifiers.base import Verifier, make_verifier

# Enough for a 99th percentile of a base that is right now and then; one batch.
_PROMPTS, _SAMPLES, _GENEROUS = 32, 2, 1024
# A large model on a CPU takes its time.
_LIMIT_S = 3 * 3600.0


def probe_cell(cell: Cell, task: Task, cot: bool) -> Probe:
    """What `probe` finds for a cell, its verifier and its base loaded here."""
    name, settings = verifier_of(cell, task)
    verifier = make_verifier(name, answer_format=cell.answer_format, settings=settings)
    return probe(cell, task, verifier, lambda: load_base(cell), cot=cot)


def load_base(cell: Cell) -> Policy:
    """The untrained base of a cell, wherever its training starts from."""
    return load_policy(Cell.make({**cell.flat(), "start_from": ""}))


def probe(cell: Cell, task: Task, verifier: Verifier, base: Callable[[], Policy], *, cot: bool) -> Probe:
    """Tokens of the base's correct completions of train prompts, asked by the cell's decoding.

    The same prompts and the same seed for every cell, so that all cells of a task get one cap.

    Args:
        cell: its temperature and nucleus.
        task: prompts, evenly spread over its pool.
        verifier: decides; an answer counts without its tags too, as the base may not know the form yet.
        base: the untrained policy.
        cot: asked with chain-of-thought, or without.
    """
    announce(f"asking model {cell.model!r} how long its correct completions are", limit=_LIMIT_S)
    policy = base()
    pool = rows(task) or task.prompts
    step = max(1, len(pool) // _PROMPTS)
    asked = [example for example in pool[::step][:_PROMPTS] for _ in range(_SAMPLES)]
    prompts = [policy.encode_prompt(policy.prompt_text(example, cot=cot)) for example in asked]
    room = policy.context
    length, example = max(zip(map(len, prompts), asked, strict=True), key=lambda pair: pair[0])
    cap = _GENEROUS if room is None else max(1, min(_GENEROUS, room - length))
    least = Cell.make({**cell.flat(), parameter(cot=cot): cap})
    require_prompt_fits(least, f"the prompt of example {example.id} of task {task.name!r}", length, room, cot=cot)
    rollouts = sample_shared(
        policy, prompts, max_new_tokens=cap, seed=0, temperature=cell.decoding.temperature,
        top_p=cell.decoding.top_p, greedy=False,
    )  # fmt: skip
    scores = verifier.score([policy.decode(rollout.completion_ids, cot=cot) for rollout in rollouts], asked)
    correct = [
        len(rollout.completion_ids)
        for rollout, score in zip(rollouts, scores, strict=True)
        if score.parts.get("correct", score.reward) >= 1 and not rollout.truncated
    ]
    return Probe(correct, len(asked), cap)
