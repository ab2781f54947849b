"""The presets that methods have, by name: listed and recognised without importing the methods, which import torch."""

from collections.abc import Mapping

PRESETS: Mapping[str, tuple[str, ...]] = {
    "sft": ("dft",),
    "grpo": ("deepseek", "dr_grpo", "dapo", "gspo", "cispo"),
    "rloo": ("paper",),
    "chord": ("mu", "phi"),
    "hpt": ("paper", "llama"),
    "rejection_sft": ("rft", "star", "expert_iteration"),
    "base-few-shot": ("tuned",),
    "prompt-search": ("gepa",),
    "ppo": ("instructgpt",),
    "acer": ("paper",),
    "sac": ("discrete",),
    "ddpg": ("paper",),
    "trpo": ("paper",),
    "rlhf": ("instructgpt",),
    "dpo": ("paper", "simpo", "orpo"),
}


def meant(name: str) -> str:
    """How a sentence on an unknown method ends whose name is a preset's; "" if it is none.

    Example: `; it is a preset: give method: grpo, preset: dapo`.
    """
    of = [f"method: {method}, preset: {name}" for method, presets in PRESETS.items() if name in presets]
    return f"; it is a preset: give {' or '.join(of)}" if of else ""
