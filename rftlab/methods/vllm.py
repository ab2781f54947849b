"""Sampling by vLLM on the GPU that trains: an option of the methods that TRL's online trainers run.

TRL starts the engine in the trainer's process and hands it the policy's weights before each draw. Here its draws follow
the cell's seed, the base under an adapter keeps its very weights, and log-probabilities are held against the trainer's
as those of the packaged sampler are (`rftlab.methods.mismatch`), in place of TRL's own correction.
"""

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from peft.tuners.lora import LoraLayer
from pydantic import Field

from rftlab.errors import RftlabError
from rftlab.methods.base import Settings, TrainingRun
from rftlab.parts import AUTO
from rftlab.policy.rollout import Rollout


class VLLMSettings(Settings):
    """Who samples, by TRL's names."""

    use_vllm: bool = Field(False, description="sample by vLLM on the GPU that trains")
    vllm_mode: Literal["colocate"] = Field("colocate", description="in the trainer's process")
    vllm_gpu_memory_utilization: float = Field(0.3, gt=0, lt=1, description="share of the GPU's memory for vLLM")


def require(settings: Settings, method: str, device: str) -> None:
    """Raise if settings ask for vLLM, which cannot sample here.

    Args:
        settings: of any method.
        method: its name.
        device: a cell's `device`.

    Raises:
        RftlabError: it is not installed, or there is no GPU to sample on.
    """
    if not getattr(settings, "use_vllm", False):
        return
    lacks = ""
    if importlib.util.find_spec("vllm") is None:
        lacks = "vllm is not installed; run: pip install 'rftlab[vllm]' (without constraints.txt)"
    elif device not in (AUTO, "cuda") and not device.startswith("cuda:"):
        lacks = f"vLLM samples on a GPU, and device is {device!r}; give device: auto"
    elif not torch.cuda.is_available():
        lacks = "vLLM samples on a GPU, and this machine has none"
    if lacks:
        raise RftlabError(f"method {method!r}, setting 'use_vllm': {lacks}, or leave use_vllm out")


def arguments(run: TrainingRun) -> dict[str, Any]:
    """What TRL's configuration is told of vLLM; nothing where the packaged sampler samples.

    Raises:
        RftlabError: as `require`.
    """
    settings = run.settings
    if not settings.use_vllm:
        return {}
    require(settings, run.cell.method, run.cell.device)
    longest = max(run.policy.count_prompt(example, run.cell.cot) for example in run.labels.asked)
    return {
        **settings.model_dump(include=set(VLLMSettings.model_fields)),
        "vllm_max_model_length": longest + run.max_new_tokens,
    }


def sample(
    trainer: Any, prompts: Sequence[Sequence[int]], eos: Sequence[int], generator: torch.Generator
) -> list[Rollout]:
    """One completion of each prompt by the trainer's engine, from the policy as it is.

    Args:
        trainer: TRL's, made with `arguments`.
        prompts: token ids.
        eos: tokens that end a completion.
        generator: where the draw's seed comes from.
    """
    engine = trainer.vllm_generation
    if trainer.state.global_step != trainer._last_loaded_step:
        engine.sync_weights()
        trainer._last_loaded_step = trainer.state.global_step
    # The engine samples with torch's global generator, which it has seeded with 0 for all.
    torch.manual_seed(int(torch.randint(2**31, (), generator=generator, device=generator.device)))
    _, drawn, logprobs, _ = engine.generate(
        prompts=list(map(list, prompts)), images=None, num_generations=trainer.num_generations
    )
    # One that vLLM knows no log-probability of counts as certain: what is corrected then cuts its weight.
    return [
        Rollout(list(prompt), list(ids), [found[0] or 0.0 for found in values], truncated=ids[-1] not in eos)
        for prompt, ids, values in zip(prompts, drawn, logprobs, strict=True)
    ]


def keep_base(trainer: Any) -> None:
    """Let a trainer that has an engine hand it the policy without changing the base under an adapter."""
    if not trainer.use_vllm:
        return
    hand_over = trainer.vllm_generation.sync_weights

    def sync_weights() -> None:
        with base_as_it_was(trainer.model):
            hand_over()

    trainer.vllm_generation.sync_weights = sync_weights


@contextlib.contextmanager
def base_as_it_was(model: Any) -> Iterator[None]:
    """Put the weights under an adapter back that adding it and subtracting it again would leave rounded.

    In bfloat16 a base would move by up to 1/256 of each weight, a draw at a time.
    """
    layers: list[Any] = [module for module in model.modules() if isinstance(module, LoraLayer)]
    bases = [layer.get_base_layer().weight for layer in layers]
    before = [weight.detach().clone() for weight in bases]
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, was in zip(bases, before, strict=True):
                weight.copy_(was)
