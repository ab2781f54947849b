"""What the untrained base says to a list of prompts: sampled once a grid, then read by every cell that asks the same.

Every cell evaluates the base before its first step, on the same items. The completions are kept by content in the
folder that `RFTLAB_SHARED` names (`results/<grid>/shared` in batch; unset in a notebook opened by hand): one file per
question, named by the hash of all that decides the answer, so that nothing can go stale and every record is the same
with the folder, without it, or with half of it. Verifiers judge anew each time.
"""

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers

import rftlab
from rftlab.policy.load import Policy
from rftlab.policy.rollout import Rollout, sample
from rftlab.record import write_atomically

FOLDER = "RFTLAB_SHARED"


def sample_shared(policy: Policy, prompts: Sequence[Sequence[int]], *, seed: int, **decoding: Any) -> list[Rollout]:
    """`rftlab.policy.rollout.sample`, read from the shared folder where the untrained base was asked the same before.

    Args:
        policy: who is asked; only what an untrained policy says is shared.
        prompts: token ids.
        seed: of the generator that samples.
        decoding: the other keywords of `sample`.
    """
    folder = os.environ.get(FOLDER)
    path = Path(folder) / f"{_key(policy, prompts, seed, decoding)}.json" if folder and policy.untrained else None
    if path and (found := _read(path, prompts)):
        return found
    rollouts = sample(policy, prompts, generator=torch.Generator(policy.device).manual_seed(seed), **decoding)
    if path:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps([{**asdict(rollout), "prompt_ids": []} for rollout in rollouts]))
        except OSError:
            pass  # a full disk costs the sharing, not the cell
    return rollouts


def _key(policy: Policy, prompts: Sequence[Sequence[int]], seed: int, decoding: dict[str, Any]) -> str:
    decides = [
        policy.base_hash, str(next(policy.model.parameters()).dtype), policy.eos_ids,
        [list(prompt) for prompt in prompts], seed, sorted(decoding.items()),
        # Other hardware or other libraries may round differently, and records are promised per machine.
        rftlab.__version__, torch.__version__, transformers.__version__, platform.platform(), platform.node(),
        torch.backends.cpu.get_cpu_capability(),
        torch.get_num_threads(), torch.cuda.get_device_name(policy.device) if policy.device.type == "cuda" else "cpu",
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:24]


def _read(path: Path, prompts: Sequence[Sequence[int]]) -> list[Rollout] | None:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [Rollout(**row | {"prompt_ids": list(prompt)}) for prompt, row in zip(prompts, rows, strict=True)]
    except (OSError, ValueError, TypeError):
        return None  # not there yet, or damaged: ask again
