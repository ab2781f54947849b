"""A teacher as a policy beside the one that is trained: checked before a run, loaded, and counted."""

from dataclasses import replace
from typing import TYPE_CHECKING

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.methods.base import TrainingRun
from rftlab.policy import teachers, weights
from rftlab.policy.hub import locate, require_reachable
from rftlab.policy.kept import load_kept
from rftlab.policy.load import Policy, load_policy
from rftlab.policy.seen import inherited
from rftlab.tasks.of_cell import draw_labels
from rftlab.user_code.child import announce

if TYPE_CHECKING:
    from rftlab.preflight.checks import Looked


def load_teacher(run: TrainingRun, teacher: str) -> Policy:
    """The teacher, put the very prompts that the policy is put; what is fed to it is counted from now on.

    Args:
        run: of the policy; its monitor counts.
        teacher: a finished cell's folder or id, a model's folder, or a hub id.

    Raises:
        RftlabError: none is given, it cannot be loaded, or its tokenizer is another than the policy's.
    """
    if not teacher:
        raise RftlabError(_none_given(run.cell.method))
    policy, folder = run.policy, teachers.kept_by(teacher)
    if folder:
        found = load_kept(folder)
    else:
        where = {"model": teacher, "precision": run.cell.precision, "device": run.cell.device}
        found = load_policy(Cell.make(where))
        found.model = found.model.unload()  # a teacher has no adapter of its own
    _require_same_tokenizer(teacher, found.tokenizer, policy.tokenizer, run.cell.model)
    found.model.to(policy.device).requires_grad_(False).eval()
    found = replace(found, tokenizer=policy.tokenizer, template=policy.template, system=policy.system)
    run.monitor.beside(found)
    return found


def check(looked: "Looked") -> None:
    """Raise unless each teacher is there, whole, and has the tokenizer of its cell's model.

    What teachers have seen of a cell's held-out and development items is said.

    Raises:
        RftlabError: as said.
    """
    done = set()
    for cell in looked.cells:
        names = list(teachers.named(cell.settings))
        if not names:
            raise RftlabError(_none_given(cell.method))
        for teacher in names:
            if (teacher, cell.model) not in done:
                announce(f"reading the teacher {teacher}")
                _require_usable(teacher, cell.model)
                done.add((teacher, cell.model))
        task = looked.task(cell)
        looked.say(f"{cell.label}: {text}" for text in inherited(cell, task, draw_labels(cell, task), looked.task))


def _require_usable(teacher: str, model: str) -> None:
    folder = teachers.kept_by(teacher)
    if folder:
        weights.verify(folder)
    theirs = weights.cell_of(folder).model if folder else teacher
    for name in dict.fromkeys((theirs, model)):
        require_reachable(name)
    first, second = (AutoTokenizer.from_pretrained(locate(name), trust_remote_code=False) for name in (theirs, model))
    _require_same_tokenizer(teacher, first, second, model)


def _none_given(method: str) -> str:
    return (
        f"method {method!r} learns from a teacher: give settings.teacher, the folder or id of a finished cell that "
        "kept its policy, a model's folder, or a hub id, of the same tokenizer"
    )


def _require_same_tokenizer(
    teacher: str, theirs: PreTrainedTokenizerBase, ours: PreTrainedTokenizerBase, model: str
) -> None:
    if theirs.get_vocab() != ours.get_vocab() or theirs.eos_token_id != ours.eos_token_id:
        raise RftlabError(
            f"teacher {teacher!r} has another tokenizer than {model!r} ({len(theirs)} and {len(ours)} tokens): what it "
            "says has no meaning to the policy; give a teacher of the same tokenizer"
        )
