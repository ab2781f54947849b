"""What the untrained base says to a list of prompts: sampled once a grid, then read by every cell that asks the same.

Every cell evaluates the base before its first step, on the same items. The completions are kept by content in the
folder that `RFTLAB_SHARED` names (`results/<grid>/shared` in batch; unset in a notebook opened by hand): one file per
question, named by the hash of all that decides the answer, so that nothing can go stale and every record is the same
with the folder, without it, or with half of it. Verifiers judge anew each time.

A results folder travels and may be written by others, and a false answer would be every cell's. So what is read counts
only with the signature of this user on this machine; else the base is asked again.
"""

import contextlib
import hashlib
import hmac
import json
import os
import platform
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers
from peft import PeftModel

import rftlab
from rftlab.policy.load import Policy
from rftlab.policy.rollout import Rollout, sample
from rftlab.record import write_atomically

FOLDER = "RFTLAB_SHARED"


def sample_base(policy: Policy, prompts: Sequence[Sequence[int]], *, seed: int, **decoding: Any) -> list[Rollout]:
    """What the untrained base behind a policy says; shared with every cell that asks it the same, as `sample_shared`.

    Args:
        policy: one with an adapter, trained or not; or a base.
        prompts: token ids.
        seed: of the generator that samples.
        decoding: the other keywords of `rftlab.policy.rollout.sample`.
    """
    return _shared(policy, prompts, seed, decoding, base=True)


def sample_shared(policy: Policy, prompts: Sequence[Sequence[int]], *, seed: int, **decoding: Any) -> list[Rollout]:
    """`rftlab.policy.rollout.sample`, read from the shared folder where the untrained base was asked the same before.

    Args:
        policy: who is asked; only what an untrained policy says is shared.
        prompts: token ids.
        seed: of the generator that samples.
        decoding: the other keywords of `sample`.
    """
    return _shared(policy, prompts, seed, decoding, base=False)


def _shared(
    policy: Policy, prompts: Sequence[Sequence[int]], seed: int, decoding: dict[str, Any], *, base: bool
) -> list[Rollout]:
    folder = os.environ.get(FOLDER)
    secret = _secret() if folder and (base or policy.untrained) else None
    path = Path(folder) / f"{_key(policy, prompts, seed, decoding)}.json" if folder and secret else None
    if path and secret and (found := _read(path, prompts, secret)):
        return found
    generator = torch.Generator(policy.device).manual_seed(seed)
    with policy.as_base() if base and isinstance(policy.model, PeftModel) else contextlib.nullcontext():
        rollouts = sample(policy, prompts, generator=generator, **decoding)
    if path and secret:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            answers = json.dumps([{**asdict(rollout), "prompt_ids": []} for rollout in rollouts])
            write_atomically(path, _signature(secret, path, answers) + "\n" + answers)
        except OSError:
            pass  # a full disk costs the sharing, not the cell
    return rollouts


def _secret() -> bytes | None:
    """What only this user on this machine can sign with, made on first use; None where it cannot be kept private."""
    try:
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "rftlab"
        path = home / "secret"
        if not path.exists():
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(dir=home)  # readable by its owner alone
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(secrets.token_bytes(32))
                # Kernels start together: a link, unlike a rename, never replaces what another one has made.
                os.link(temporary, path)
            except FileExistsError:
                pass
            finally:
                Path(temporary).unlink()
        at = path.stat()
        private = os.name != "posix" or (at.st_uid == os.geteuid() and not at.st_mode & 0o077)
        return path.read_bytes() if private and at.st_size == 32 else None
    except (OSError, RuntimeError):
        return None


def _signature(secret: bytes, path: Path, answers: str) -> str:
    return hmac.new(secret, f"{path.name}\n{answers}".encode(), "sha256").hexdigest()


def _key(policy: Policy, prompts: Sequence[Sequence[int]], seed: int, decoding: dict[str, Any]) -> str:
    decides = [
        policy.base_hash, policy.number_format, policy.eos_ids,
        [list(prompt) for prompt in prompts], seed, sorted(decoding.items()),
        # Other hardware or other libraries may round differently, and records are promised per machine.
        rftlab.__version__, torch.__version__, transformers.__version__, platform.platform(), platform.node(),
        torch.backends.cpu.get_cpu_capability(),
        torch.get_num_threads(), torch.cuda.get_device_name(policy.device) if policy.device.type == "cuda" else "cpu",
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:24]


def _read(path: Path, prompts: Sequence[Sequence[int]], secret: bytes) -> list[Rollout] | None:
    try:
        signature, _, answers = path.read_text(encoding="utf-8").partition("\n")
        if not hmac.compare_digest(signature.encode(), _signature(secret, path, answers).encode()):
            return None  # damaged, or not made here
        rows = json.loads(answers)
        return [Rollout(**row | {"prompt_ids": list(prompt)}) for prompt, row in zip(prompts, rows, strict=True)]
    except (OSError, ValueError, TypeError):
        return None  # not there yet, or damaged: ask again
