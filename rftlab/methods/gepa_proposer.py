"""Instructions written by GEPA: rewritten by reflection on what went wrong, kept on a Pareto front over labels.

Source: Agrawal et al. 2025 (2507.19457), algorithm 1, by its authors' library. Both halves of the labels serve: on one
the reflector sees completions and why they failed, by the other candidates are kept.
"""

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

import gepa
import torch

from rftlab.errors import RftlabError
from rftlab.methods.prompt_search import LONGEST, Prompt, PromptSearchSettings, Search
from rftlab.policy.rollout import sample
from rftlab.verifiers.chat import Endpoint

SEED = "Answer the question."
_SHARE = 0.5
_KEPT = 4
_REFLECTION_TOKENS = 256
_PART = "instruction"

_Item = tuple[int, Any]


def propose(search: Search, settings: PromptSearchSettings) -> list[str]:
    """The best instructions that GEPA finds with half of the FLOPs, the best first; none without labels to ask.

    Raises:
        RftlabError: the endpoint that reflects has never answered.
    """
    if len(search.items) < 2:
        return []
    ends = search.left * (1 - _SHARE)
    half = len(search.items) // 2
    elsewhere = _Elsewhere(settings) if settings.reflector_url else None
    with contextlib.redirect_stdout(io.StringIO()):  # its progress is no part of a cell's output
        found: Any = gepa.optimize(
            seed_candidate={_PART: SEED},
            trainset=list(search.items[:half]),
            valset=list(search.items[half:]),
            adapter=cast("Any", _Adapter(search)),
            reflection_lm=elsewhere or _Itself(search),
            stop_callbacks=lambda state: search.left <= ends or bool(elsewhere and elsewhere.silent),
            seed=search.run.cell.seed_sampling,
            logger=_Silent(),
            skip_perfect_score=True,
        )
    if elsewhere and elsewhere.silent:
        raise elsewhere.silent
    if elsewhere and elsewhere.failed:
        search.run.monitor.warn(
            f"the reflector gave no answer to {len(elsewhere.failed)} of {elsewhere.asked} requests "
            f"({elsewhere.failed[-1]}): what GEPA would have proposed there was not tried"
        )
    order = sorted(range(len(found.candidates)), key=lambda i: -found.val_aggregate_scores[i])
    texts = (_told(found.candidates[place][_PART]) for place in order)
    return [text for text in dict.fromkeys(texts) if text][:_KEPT]


class _Adapter:
    """What GEPA asks of the system under optimisation: scores of a candidate, and what to reflect on."""

    propose_new_texts = None

    def __init__(self, search: Search) -> None:
        self._search = search

    def evaluate(
        self, batch: list[_Item], candidate: Mapping[str, str], capture_traces: bool = False
    ) -> "gepa.EvaluationBatch[Any, Any]":
        """Greedy answers to labels under an instruction, without shots."""
        rows = self._search.answers(Prompt(_told(candidate[_PART]), 0), batch)
        return gepa.EvaluationBatch(
            outputs=[row["completion"] for row in rows],
            scores=[float(row["reward"]) for row in rows],
            trajectories=rows if capture_traces else None,
        )

    def make_reflective_dataset(
        self, candidate: Mapping[str, str], eval_batch: "gepa.EvaluationBatch[Any, Any]", components: Sequence[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """What was asked, what was said and what came of it."""
        rows = [
            {
                "Inputs": row["prompt"],
                "Generated Outputs": row["completion"],
                "Feedback": "right" if row["reward"] >= 1 else f"wrong: {row['reason'] or 'another answer is right'}",
            }
            for row in eval_batch.trajectories or ()
        ]
        return dict.fromkeys(components, rows)


class _Silent:
    def log(self, message: str) -> None:
        logging.getLogger(__name__).debug(message)


class _Itself:
    """The model that is asked, as its own reflector; what it reads and writes is charged like all else."""

    def __init__(self, search: Search) -> None:
        self._search, policy = search, search.run.policy
        self._generator = torch.Generator(policy.device).manual_seed(search.run.cell.seed_sampling)

    def __call__(self, prompt: str | list[dict[str, Any]]) -> str:
        policy = self._search.run.policy
        ids = policy.encode_prompt(policy.in_chat(_text(prompt), cot=False))
        room = policy.context
        if room is not None:  # the end of the prompt says what to do
            ids = ids[-max(1, room - _REFLECTION_TOKENS) :]
        cap = _REFLECTION_TOKENS if room is None else min(_REFLECTION_TOKENS, max(1, room - len(ids)))
        [rollout] = sample(policy, [ids], max_new_tokens=cap, generator=self._generator)
        self._search.run.monitor.generated(len(rollout.completion_ids))
        return policy.decode(rollout.completion_ids, cot=False)


class _Elsewhere:
    """An endpoint as reflector; its FLOPs are its host's, and are not counted.

    GEPA goes on after whatever a reflector raises, so that what went wrong is kept here.

    Attributes:
        asked: requests so far.
        failed: why some had no answer.
        silent: the error to end with where none ever had.
    """

    def __init__(self, settings: PromptSearchSettings) -> None:
        self._endpoint = Endpoint(settings.reflector_url, settings.reflector_model, timeout_s=120.0)
        self.asked, self.failed = 0, list[str]()
        self.silent: RftlabError | None = None

    def __call__(self, prompt: str | list[dict[str, Any]]) -> str:
        if self.silent:  # GEPA asks again what failed
            raise self.silent
        self.asked += 1
        try:
            [reply] = self._endpoint.ask([self._endpoint.request("You improve instructions.", _text(prompt), "")])
        except RftlabError as error:
            self.silent = RftlabError(str(error).replace("judge:", "reflector:"))
            raise self.silent from None
        if reply.error:
            self.failed.append(reply.error)
            raise RftlabError(f"reflector: {reply.error}")
        return reply.text


def _text(prompt: str | list[dict[str, Any]]) -> str:
    return prompt if isinstance(prompt, str) else "\n\n".join(str(message.get("content", "")) for message in prompt)


def _told(text: str) -> str:
    """An instruction that a model wrote: one line of visible characters, of bounded length."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST]
