"""Models, tokenizers and adapters, checked before anything runs: loaded as a cell loads them, but without weights.

In the preflight's child, because it imports torch; only for cells of another model than the unchanged tiny base.
"""

from typing import TYPE_CHECKING

import torch

from rftlab.cell import Cell
from rftlab.errors import RftlabError, told
from rftlab.policy import quantization
from rftlab.policy.caps import given
from rftlab.policy.context import asked, require_task_fits, room_of, say_caps, say_shots
from rftlab.policy.decode import own_forward
from rftlab.policy.load import Policy, load_policy
from rftlab.tasks.base import Example
from rftlab.user_code.child import announce

if TYPE_CHECKING:
    from rftlab.preflight.checks import Looked

# A hub model is downloaded here, once, and not by every cell.
_LOAD_LIMIT_S = 6 * 3600.0
# Characters that a template, a system message and examples may put around a prompt.
_LONGEST_AROUND = 1_000_000


def check(looked: "Looked") -> None:
    """Raise unless every model can be loaded, adapted and asked.

    Raises:
        RftlabError: as `load_policy`; or a chat template that cannot be written out, a system message where there is
            none, or a prompt longer than the context.
    """
    policies: dict[object, Policy] = {}
    seen = set()
    for cell in looked.cells:
        key = (cell.model, cell.adapter, cell.template, cell.system)
        if key not in policies:
            announce(f"loading model {cell.model!r} without its weights", limit=_LOAD_LIMIT_S)
            policies[key] = load_policy(cell, meta=True)
        policy, task = policies[key], looked.task(cell)
        if looked.here:
            on_cpu = cell.device == "cpu" or not torch.cuda.is_available()
            quantization.require_widths(cell, policy.model.base_model.model, on_cpu=on_cpu)
        question = (*key, *asked(cell, task))
        if question not in seen:
            seen.add(question)
            announce(f"asking model {cell.model!r} with the prompts of task {cell.task_name!r}", limit=_LOAD_LIMIT_S)
            _require_askable(cell, policy, task.test[0])
            capped = say_caps(looked, cell, task, policy.count_gold)
            require_task_fits(capped, task, policy.count_prompt, policy.context)
            say_shots(looked, capped, task, policy.template, room_of(policy, capped))
            if reason := own_forward(policy.model, given(capped, cot=cell.cot)):
                name = cell.model.rpartition("/")[2]
                looked.say([f"{name}: transformers decodes its completions, more slowly, since {reason}"])


def _require_askable(cell: Cell, policy: Policy, example: Example) -> None:
    try:
        text = policy.prompt_text(example, cot=cell.cot_eval)
    except Exception as error:  # a chat template is a program of the model's makers
        raise RftlabError(
            f"the chat template of model {cell.model!r} cannot write out a prompt: {told(error)}"
        ) from error
    if " ".join(example.prompt.split()) not in " ".join(text.split()):
        raise RftlabError(f"the chat template of model {cell.model!r} leaves out what is asked; give another model")
    if len(text) > len(example.prompt) + _LONGEST_AROUND:
        raise RftlabError(
            f"the chat template of model {cell.model!r} writes {len(text):,} characters for a prompt of "
            f"{len(example.prompt):,}; give another model"
        )
