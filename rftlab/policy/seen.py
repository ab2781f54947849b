"""Whether items were among the labels of a kept policy, or of one it started from; no torch."""

import itertools
from collections.abc import Callable, Iterator, Sequence

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.policy import teachers, weights
from rftlab.tasks.base import Example, Labels, Task, normalise_prompt
from rftlab.tasks.folds import task_of
from rftlab.tasks.of_cell import draw_labels

TRAINED, CHOSEN = "was trained on", "was chosen by"


def items_asked(cell: Cell, task: Task) -> tuple[Example, ...]:
    """The held-out items that a cell's policy is asked."""
    beyond = task.ood_asked(cell.evaluation.ood_items)
    return (*task.test[: cell.evaluation.test_items], *itertools.chain(*beyond.values()))


def seen(start: str, items: Sequence[Example], what: str, load: Callable[[Cell], Task] = task_of) -> Iterator[str]:
    """Sentences on items that were labels a policy, or one it started from, was trained on or chosen by.

    Args:
        start: folder of the cell that kept the policy, or the beginning of its id.
        items: what is asked; none says nothing.
        what: how the sentences name them.
        load: the task of a cell; where it raises an RftlabError, that is said instead.
    """
    held = {normalise_prompt(example.prompt) for example in items}
    while start and held:
        try:
            cell = weights.cell_of(weights.find_cell(start))
            labels = draw_labels(cell, load(cell))
        except RftlabError as error:
            yield f"Whether its {what} were among the labels of the policy {start} cannot be told: {error}."
            return
        for examples, use in ((labels.asked, TRAINED), (labels.development, CHOSEN)):
            if common := held & {normalise_prompt(example.prompt) for example in examples}:
                yield (
                    f"CONTAMINATED: {len(common)} of its {len(held)} {what} are among the {len(examples)} examples "
                    f"that cell {cell.id} {use}; on them accuracy measures memory."
                )
        start = cell.start_from


def inherited(cell: Cell, task: Task, labels: Labels, load: Callable[[Cell], Task] = task_of) -> list[str]:
    """What of a cell's own test and development items the policies it starts from have seen, and its teachers.

    In sentences. Development items stay those of every arm of the seed, or arms could not be compared: it is said, and
    none is replaced. That its parent was chosen by the same ones is no fault: they are there to choose by.
    """
    kept = [folder for teacher in teachers.named(cell.settings) if (folder := teachers.kept_by(teacher))]
    found: list[str] = []
    for start in (cell.start_from, *map(str, kept)):
        development = seen(start, labels.development, "development items", load)
        found += seen(start, items_asked(cell, task), "held-out items", load)
        found += (text for text in development if CHOSEN not in text)
    return found
