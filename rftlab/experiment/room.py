"""Whether what a cell will ask and train on fits into the model's context."""

from functools import partial
from typing import TYPE_CHECKING

from rftlab.evaluate.beside import with_room_for
from rftlab.policy import context

if TYPE_CHECKING:
    from rftlab.experiment.prepared import Prepared


def require_room(run: "Prepared") -> None:
    """Prompts and completions of every part, and of the tasks of retention.

    Raises:
        RftlabError: some do not fit.
    """
    sizes, task, policy = run.cell.evaluation, run.task, run.policy
    test = max(sizes.test_items, sizes.sampled_items)
    beyond = [e for part in task.ood_asked(sizes.ood_items).values() for e in part]
    beyond += task.ood_along(sizes.ood_items, sizes.along_items)
    asked = (*run.labels.asked, *run.labels.development, *task.test[:test], *beyond)
    for cot, examples in ((run.cell.cot, run.labels.asked), (run.cell.cot_eval, asked)):
        context.require_room(run.capped, examples, partial(policy.count_prompt, cot=cot), policy.context, cot=cot)
    for retained in run.also.retention:
        with_room_for(run.capped, policy, retained)
