"""Methods' settings, checked before anything runs; in the preflight's child, because methods import torch."""

import json
from typing import TYPE_CHECKING

from rftlab.cell import NOT_YET
from rftlab.errors import RftlabError, about
from rftlab.grid.tuning import LADDERS, method_key
from rftlab.methods import vllm
from rftlab.methods.base import load_method, make_settings, rates_of, stages_of
from rftlab.methods.sequential import SequenceSettings
from rftlab.methods.spread import refuse_recomputing, refuse_spread
from rftlab.registry import METHODS, find
from rftlab.user_code.child import announce

if TYPE_CHECKING:
    from rftlab.preflight.checks import Looked


def check(looked: "Looked") -> None:
    """Raise unless every method can be loaded, takes its preset and settings, can sample, and has rates for all trials.

    The stages of methods whose rates are still to be chosen, and their ladders, are left in `looked.facts`.

    Raises:
        RftlabError: the method's own sentence.
    """
    asked = {
        json.dumps(
            [
                method_key(c),
                c.tuning.model_dump(),
                c.learning_rates,
                c.tuned_by == NOT_YET,
                c.device,
                c.processes,
                c.gradient_checkpointing,
            ],
            sort_keys=True,
        ): c
        for c in looked.cells
    }
    for cell in asked.values():
        announce(f"loading method {cell.method!r}")
        method = load_method(cell.method)
        with about("settings", cell.settings):
            settings = make_settings(method, cell.method, cell.preset, cell.settings)
            refuse_spread(cell, settings)
            refuse_recomputing(cell.method, cell.gradient_checkpointing)
            parts = settings.made if isinstance(settings, SequenceSettings) else [(cell.method, settings)]
            for name, part in parts if looked.here else []:
                vllm.require(part, name, cell.device)
        rates = cell.tuning.learning_rates or getattr(method.ladder, cell.adapter.kind)
        trials = cell.tuning.trials if find(METHODS, cell.method, "method")[0].uses_labels else 1
        if len(rates) < trials:
            raise RftlabError(
                f"tuning.trials is {trials}, but method {cell.method!r} has {len(rates)} learning rates for adapter "
                f"{cell.adapter.kind}; give tuning.learning_rates, or fewer trials"
            )
        stages = stages_of(method, cell.method, settings)
        rates_of(cell, stages)
        if cell.tuned_by == NOT_YET:
            ladders = [[stage.name, list(stage.ladder.of(cell.adapter.kind))] for stage in stages]
            looked.facts.setdefault(LADDERS, {})[method_key(cell)] = ladders
