"""Whether cells can go on from the kept policies they name."""

from rftlab.policy import weights
from rftlab.policy.hub import locate
from rftlab.policy.identity import model_identity
from rftlab.policy.seen import inherited
from rftlab.preflight.checks import HUB_LIMIT_S, Looked
from rftlab.tasks.of_cell import draw_labels
from rftlab.user_code.child import announce


def check(looked: Looked) -> None:
    """Raise unless each policy is there, whole, on the cell's own base and of the shape of the cell's adapter.

    What a policy has seen of a cell's held-out and development items is said.

    Raises:
        RftlabError: as said.
    """
    asked = {(cell.start_from, cell.model, cell.adapter): cell for cell in looked.cells}
    for cell in asked.values():
        announce(f"reading the policy of {cell.start_from}", limit=HUB_LIMIT_S)
        manifest = weights.verify(weights.find_cell(cell.start_from))
        weights.require_same_shape(manifest, cell)
        weights.require_same_base(manifest, model_identity(locate(cell.model)), cell.model)
    for cell in looked.cells:
        task = looked.task(cell)
        found = inherited(cell, task, draw_labels(cell, task), looked.task)
        looked.notes += [note for text in found if (note := f"{cell.label}: {text}") not in looked.notes]
