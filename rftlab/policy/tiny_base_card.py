"""What the tiny base can do before any tuning, and its card."""

import math
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedTokenizerFast

from rftlab.policy.tiny_base import DIETS, IN_SUPPORT, QA, Pretrained, Pretraining
from rftlab.tasks.arithmetic import FAMILIES
from rftlab.tasks.base import Example
from rftlab.verifiers.base import Verifier
from rftlab.verifiers.exact import Exact

CARD = """\
# The tiny base

A Llama of {parameters:,} parameters (fp32, safetensors) that half solves the arithmetic families of rftlab, so that a
tuning experiment takes seconds on one core.

**Read this first.** The gain from tuning is built in on purpose: the model was pretrained on a mixture of good and
flawed ways to solve the same problems, and tuning sharpens it towards the good ones. It shows how the workbench works
and what a contrast looks like. Nothing measured on it is evidence about large models.

## How it was made
`notebooks/90_train_tiny_base.ipynb`, from nothing: {tokens:.1f} million tokens in {seconds:.0f} CPU seconds
(a shared core inflates them); last loss {loss:.3f} nats. {versions}.
Settings: `{settings}`.

- Texts: `Q: {{prompt}}\\nA: <answer>{{answer}}</answer>`; with `\\nThink.` before `\\nA:` a rationale may come first.
  Three quarters of the texts end in the answer tags, the others in "The answer is ..." and the like.
- Families by share: {shares}. `band` is never asked.
- First a lesson (mostly good rationales), then the mixture. In the mixture a text that asks to think is solved well
  (35 %; `rare` 4 %), with a mistake (35 %: a dropped term, a sign read wrongly; `rare` 60 %), or answered directly;
  without being asked mostly directly. Some direct answers are wrong on purpose.
- Optimiser: Muon for the weight matrices, AdamW for embeddings and norms.
- Problems of the train, test and ood splits are never in the corpus; what a problem is about decides its split.
- Tokenizer: byte-level BPE, any text survives, every digit its own token; `<answer>` and `</answer>` are single
  ordinary tokens, because special tokens would be stripped before the verifier sees them.

## What it can do
In per cent, strict about the tags: greedy, sampled at temperature 1, at least one of 8 samples right, and greedy on the
ood split. {examples} items each: the standard error of a greedy accuracy of 10 % is {error:.1f} points.

{table}

The families in support are {in_support}; their aim, asked to think, is 8 to 40 % sampled and more than half with 8
samples. Missed by: {missed}. `count`, a search and no calculation, is at the edge of support and not held to that aim.

`verse` is judged here by the exact gold text, which says little: many couplets are good.

## Limits
Made-up wording, one-digit numbers, one pretraining seed. Rationale labels are perfect and in the base's own words,
which flatters imitation. Letters other than A to C were never answers, and an adapter on frozen embeddings can hardly
learn to say them.
How adapters fare on it: [orientation.md](orientation.md).
"""


@torch.inference_mode()
def sample(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerFast,
    prompts: Sequence[str],
    *,
    temperature: float = 0.0,
    max_new_tokens: int = 64,
    batch_prompts: int = 256,
) -> list[str]:
    """Return one completion text a prompt, in order; temperature 0 is greedy, otherwise the full softmax is sampled."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    completions = [""] * len(prompts)
    chosen = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    for start in range(0, len(order), batch_prompts):
        part = order[start : start + batch_prompts]
        encoded = tokenizer([prompts[i] for i in part], return_tensors="pt", padding=True, padding_side="left")
        out = model.generate(  # type: ignore[operator]
            input_ids=encoded["input_ids"],
            attention_mask=encoded["attention_mask"],
            max_new_tokens=max_new_tokens,
            **(chosen if temperature > 0 else {"do_sample": False}),
        )
        texts = tokenizer.batch_decode(out[:, encoded["input_ids"].shape[1] :], skip_special_tokens=True)
        for i, text in zip(part, texts, strict=True):
            completions[i] = text
    return completions


class Measured(NamedTuple):
    """Accuracies in [0, 1], strict about the tags: greedy, sampled at temperature 1, and pass@k by k samples."""

    greedy: float
    sampled: float
    pass_at_k: float


def measure(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerFast,
    examples: Sequence[Example],
    *,
    cot: bool,
    samples: int = 8,
    max_new_tokens: int = 64,
    verifier: Verifier | None = None,
) -> Measured:
    """Return the accuracies of a model on examples.

    Args:
        model: the policy.
        tokenizer: its tokenizer.
        examples: what to ask.
        cot: ask to think first.
        samples: k of pass@k; 0 measures greedy only and leaves the others NaN.
        max_new_tokens: cap of a completion.
        verifier: by default the exact answer inside the tags.
    """
    verifier = verifier or Exact()
    prompts = [QA.prompt(example, cot=cot) for example in examples]
    greedy = verifier.score(sample(model, tokenizer, prompts, max_new_tokens=max_new_tokens), examples)
    accuracy = float(np.mean([score.reward for score in greedy]))
    if not samples:
        return Measured(accuracy, math.nan, math.nan)
    texts = sample(model, tokenizer, prompts * samples, temperature=1.0, max_new_tokens=max_new_tokens)
    rewards = [score.reward for score in verifier.score(texts, list(examples) * samples)]
    rewards_K_N = np.array(rewards).reshape(samples, len(examples))
    return Measured(accuracy, float(rewards_K_N.mean()), float(rewards_K_N.max(axis=0).mean()))


def measure_families(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast, *, examples: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Return one row a family and prompt mode: greedy, sampled, pass_at_8 on test items, and greedy on ood items."""
    torch.manual_seed(seed)
    rows = []
    for name, family in FAMILIES.items():
        test, ood = family.generate("test", examples, seed), family.generate("ood", examples, seed)
        for cot in (True, False):
            near = measure(model, tokenizer, test, cot=cot, samples=8)
            far = measure(model, tokenizer, ood, cot=cot, samples=0)
            prompt = "Think" if cot else "direct"
            rows.append((name, prompt, near.greedy, near.sampled, near.pass_at_k, far.greedy))
    return pd.DataFrame(rows, columns=["family", "prompt", "greedy", "sampled", "pass_at_8", "ood_greedy"])


def missed_aim(table: pd.DataFrame) -> list[str]:
    """Return the families in support that, asked to think, miss 8 to 40 % sampled or half with 8 samples."""
    asked = table[(table["prompt"] == "Think") & table["family"].isin(IN_SUPPORT)]
    met = asked["sampled"].between(0.08, 0.40) & (asked["pass_at_8"] > 0.5)
    return asked.loc[~met, "family"].tolist()


def write_card(folder: Path, base: Pretrained, settings: Pretraining, table: pd.DataFrame, *, examples: int) -> Path:
    """Write the model card, README.md, from what was measured on so many examples a family; return its path."""
    shown = table.assign(**{c: (100 * table[c]).round(1) for c in table.columns[2:]}).astype(str)
    rows = [list(shown.columns), ["---"] * shown.shape[1], *shown.to_numpy().tolist()]
    card = CARD.format(
        parameters=sum(p.numel() for p in base.model.parameters()),
        settings=settings,
        tokens=base.tokens / 1e6,
        seconds=base.seconds,
        loss=base.history[-1][1],
        examples=examples,
        in_support=", ".join(IN_SUPPORT),
        missed=", ".join(missed_aim(table)) or "none",
        error=100 * math.sqrt(0.1 * 0.9 / examples),
        table="\n".join("| " + " | ".join(row) + " |" for row in rows),
        shares=", ".join(f"{name} {diet.share:.0%}" for name, diet in DIETS.items()),
        versions=", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "transformers", "tokenizers")),
    )
    path = Path(folder) / "README.md"
    path.write_text(card, encoding="utf-8")
    return path
