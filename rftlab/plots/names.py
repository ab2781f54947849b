"""How methods, arms and measures are written wherever people read them: figures, page, terminal, widgets."""

import re

METHODS = {
    "base": "untrained base",
    "base-few-shot": "few-shot base",
    "base-maj": "majority-vote base",
    "prompt-search": "searched-prompt base",
    "sft": "SFT",
    "rejection_sft": "rejection-sampling SFT",
    "sft-matched-rollouts": "SFT on matched rollouts",
    "distill": "on-policy distillation",
    "distill-offline": "offline distillation",
    "sdft": "SDFT",
    "sdpo": "SDPO",
    "sft+grpo": "SFT+GRPO",
    "interleaved": "interleaved SFT/GRPO",
    "chord": "CHORD",
    "hpt": "HPT",
    "grpo": "GRPO",
    "rloo": "RLOO",
    "ppo": "PPO",
    "trpo": "TRPO",
    "acer": "ACER",
    "sac": "SAC",
    "ddpg": "DDPG",
    "dpo": "DPO",
    "kto": "KTO",
    "rlhf": "RLHF",
    "grpo-random": "random-reward GRPO",
    "grpo-format": "format-reward GRPO",
}
"""Registered method -> its name; a method of one's own is called as its class is."""
MEASURES = {
    "accuracy": "greedy accuracy",
    "sampled_accuracy": "sampled accuracy",
    "train_accuracy": "train accuracy",
    "ood_accuracy": "out-of-distribution accuracy",
    "ood_rule_accuracy": "accuracy, rule changed",
    "ood_surface_accuracy": "accuracy, wording changed",
    "retention_accuracy": "retention",
    "base_train_accuracy": "the base's train accuracy",
    "score": "greedy score",
    "sampled_score": "sampled score",
    "train_score": "train score",
    "ood_score": "out-of-distribution score",
    "apart_accuracy": "accuracy by the verifier apart",
    "apart_score": "score by the verifier apart",
    "reward_hacking_gap": "reward hacking",
    "accuracy_lenient": "lenient accuracy",
    "accuracy_at_equal_compute": "accuracy at equal compute",
    "format_rate": "format rate",
    "truncation_rate": "truncation rate",
}
"""Measure -> its name; all are shares."""
COSTS = {
    "flops": "training FLOPs",
    "tokens": "tokens generated + trained",
    "tokens_generated": "tokens generated",
    "seconds": "training seconds",
    "step": "optimiser step",
}
"""What training is measured along -> its name."""
_SHARE = re.compile(r"(pass|majority)_at_(\d+)")
_SAMPLING = {
    "once_against_best_of": "one answer against the base's best of {}",
    "once_against_majority_of": "one answer against the base's majority of {}",
    "best_at_tokens_of": "best of n at the tokens of {} answers of the base",
    "majority_at_tokens_of": "majority of n at the tokens of {} answers of the base",
}
_TIMES = re.compile(rf"({'|'.join(_SAMPLING)})_(\d+)")
_MORE = re.compile(r" (?=\[|\+ )")


def title(name: str) -> str:
    """How a method, an arm or a measure is written: `GRPO`, `GRPO [preset=deepseek]`, `pass@8`, `greedy accuracy`.

    What has no name of its own is written as it is called, with spaces.
    """
    if known := MEASURES.get(name) or COSTS.get(name):
        return known
    if of_k := _SHARE.fullmatch(name):
        return f"{of_k[1]}@{of_k[2]}"
    if times := _TIMES.fullmatch(name):
        return _SAMPLING[times[1]].format(times[2])
    method, more = method_of(name)
    return METHODS.get(method, method.replace("_", " ")) + more


def method_of(arm: str) -> tuple[str, str]:
    """An arm's method, and what tells it from others of the same: `grpo`, ` [preset=deepseek]`."""
    method = _MORE.split(arm, maxsplit=1)[0]
    return method, arm.removeprefix(method)
