"""Whether several processes can train a cell together, and whether its passes can compute activations again."""

from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.methods.base import Settings
from rftlab.methods.sequential import SequenceSettings
from rftlab.registry import METHODS, find


def refuse_spread(cell: Cell, settings: Settings) -> None:
    """Raise if several processes are asked for and cannot share the cell's training.

    Args:
        cell: its `processes` is what is asked for; of a method that does not train it says nothing.
        settings: of the method.

    Raises:
        RftlabError: the method, a stage of it, or the size of its groups does not allow for it.
    """
    if cell.processes == 1 or not find(METHODS, cell.method, "method")[0].trains:
        return
    parts = [(cell.method, settings), *(settings.made if isinstance(settings, SequenceSettings) else ())]
    for method, own in parts:
        if not find(METHODS, method, "method")[0].spreads:
            able = ", ".join(name for name, entry in METHODS.items() if entry.spreads)
            raise RftlabError(
                f"processes is {cell.processes}, and method {method!r} trains in one; give processes: 1, or one of "
                f"{able}"
            )
        if getattr(own, "use_vllm", False):
            raise RftlabError(
                f"processes is {cell.processes}, and vLLM samples in one (use_vllm of {method}); leave one of them out"
            )
        if getattr(own, "max_num_gen_batches", 1) > 1:
            raise RftlabError(
                f"processes is {cell.processes}, and groups are drawn again in one (max_num_gen_batches of {method}); "
                "set it to 1, or give processes: 1"
            )
        rows = getattr(own, "prompts_per_step", 0) * getattr(own, "num_generations", 0)
        if rows % cell.processes:
            raise RftlabError(
                f"processes is {cell.processes}, and the {rows} completions of a step of {method} cannot be dealt out "
                "to so many alike; give a num_generations or prompts_per_step that they divide"
            )


def refuse_recomputing(method: str, asked: bool) -> None:
    """Raise if activations are to be computed again in passes of a method that keep them.

    Raises:
        RftlabError: as said.
    """
    entry, _ = find(METHODS, method, "method")
    if asked and entry.trains and not entry.recomputes:
        able = ", ".join(name for name, each in METHODS.items() if each.recomputes)
        raise RftlabError(
            f"gradient_checkpointing is true, and passes of method {method!r} are its own and keep all they compute; "
            f"set it to false there: methods that can are {able}"
        )
