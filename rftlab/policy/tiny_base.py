"""Pretrain the tiny base: a Llama of under half a million parameters that half solves the arithmetic families.

Why it is here: no published model is small enough to be tuned in seconds on one core and still gains from tuning.
The corpus mixes good and flawed ways to solve the same problems, so that tuning can sharpen towards the good one.
That mechanism is built in on purpose; nothing measured on this base is evidence about large models.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rftlab.tasks.arithmetic import FAMILIES
from rftlab.tasks.arithmetic.family import Problem
from rftlab.tasks.base import Example
from rftlab.tasks.template import TEMPLATES
from rftlab.verifiers.base import CLOSE_TAG, OPEN_TAG, Verifier, tagged
from rftlab.verifiers.exact import Exact

QA = TEMPLATES["qa"]
EOS, PAD = "<eos>", "<pad>"
CONTEXT_TOKENS = 512
FAR_SHARE = 0.12
TAG_SHARE = 0.75
UNTAGGED_ENDINGS = ("The answer is {answer}.", "Answer: {answer}", "So {answer}.", "{answer}")
PROMPT_LOSS_WEIGHT = 0.1


class Diet(NamedTuple):
    """How one family appears in the pretraining corpus; all values are shares in [0, 1].

    Attributes:
        share: of all texts.
        good: solved by the gold rationale, where the text asks to think.
        flawed: solved by a rationale with a mistake, where the text asks to think; the rest answers directly.
        right: of the direct answers, how many are the gold answer.
    """

    share: float
    good: float = 0.35
    flawed: float = 0.35
    right: float = 0.85


DIETS: dict[str, Diet] = {
    "chain": Diet(0.18),
    "word": Diet(0.22),
    "dose": Diet(0.20),
    "count": Diet(0.16),
    "rare": Diet(0.12, good=0.04, flawed=0.60),
    "choice": Diet(0.03, right=0.5),
    "fact": Diet(0.03, right=0.5),
    "code": Diet(0.04, right=0.4),
    "verse": Diet(0.02, right=0.5),
}
IN_SUPPORT = ("chain", "word", "dose")
UNASKED_GOOD, UNASKED_FLAWED = 0.3, 0.15
LESSON_GOOD, LESSON_FLAWED, LESSON_COT = 0.85, 0.15, 0.9
RARE = 0.1


@dataclass(frozen=True)
class Pretraining:
    """Settings of one pretraining run.

    Attributes:
        steps: optimiser steps.
        lesson_share: share of the steps, at the start, spent on mostly good rationales: skill first, then the mixture.
        batch_texts: texts in a step.
        hidden, layers, heads, inner: shape of the Llama.
        vocabulary: upper bound of the tokenizer's size.
        learning_rate: peak rate of AdamW (embeddings and norms).
        muon_learning_rate: peak rate of Muon (weight matrices).
        seed: seed of the corpus and of the weights.
    """

    steps: int = 3200
    lesson_share: float = 0.7
    batch_texts: int = 64
    hidden: int = 96
    layers: int = 3
    heads: int = 3
    inner: int = 256
    vocabulary: int = 1024
    learning_rate: float = 3e-3
    muon_learning_rate: float = 0.02
    seed: int = 0


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


class Pretrained(NamedTuple):
    """What a pretraining run leaves behind.

    Attributes:
        model: the base, in eval mode.
        tokenizer: its tokenizer.
        history: (step, loss in nats per completion token) along the way.
        tokens: tokens seen, without padding.
        seconds: CPU seconds of this process, corpus and tokenizer included.
    """

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast
    history: list[tuple[int, float]]
    tokens: int
    seconds: float


def solution(rng: random.Random, problem: Problem, diet: Diet, *, cot: bool) -> tuple[str, str]:
    """Return (rationale, answer) in one of the latent modes good, flawed or direct; rationale "" if direct."""
    good, flawed = (diet.good, diet.flawed) if cot else (diet.good * UNASKED_GOOD, diet.flawed * UNASKED_FLAWED)
    mode = rng.random()
    if mode < good and problem.rationale:
        return problem.rationale, problem.answer
    if mode < good + flawed:
        return problem.flawed
    return "", problem.answer if rng.random() < diet.right else problem.guess


def corpus(seed: int, *, lesson: bool = False) -> Iterator[tuple[str, str]]:
    """Yield (prompt text, completion text) pairs without end; never a problem of the train, test or ood splits.

    Args:
        seed: start of the random stream.
        lesson: mostly good rationales instead of the mixture; families whose good mode is rare keep it rare.
    """
    rng = random.Random(f"corpus/{lesson}/{seed}")
    diets = {
        name: diet._replace(good=LESSON_GOOD, flawed=LESSON_FLAWED) if lesson and diet.good > RARE else diet
        for name, diet in DIETS.items()
    }
    near = {name: FAMILIES[name].problems("pretrain", seed, far=False) for name in DIETS}
    far = {name: FAMILIES[name].problems("pretrain", seed, far=True) for name in DIETS}
    names, shares = list(DIETS), [diet.share for diet in DIETS.values()]
    while True:
        name = rng.choices(names, shares)[0]
        problem = next((far if rng.random() < FAR_SHARE else near)[name])
        cot = rng.random() < (LESSON_COT if lesson else 0.5)
        rationale, answer = solution(rng, problem, diets[name], cot=cot)
        if rng.random() < TAG_SHARE:
            ending = tagged(answer)
        else:
            ending = rng.choice(UNTAGGED_ENDINGS).format(answer=answer)
        prompt = QA.prompt(Example(id="", prompt=problem.prompt, answer=answer), cot=cot)
        yield prompt, QA.lead + (rationale + QA.joint if rationale else "") + ending


def build_tokenizer(texts: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE whose digits stand alone and whose answer tags are single, ordinary tokens.

    The tags must not be special: a special token is stripped by `skip_special_tokens=True`, and then a verifier that
    looks for tags gives every completion a reward of 0 without any error.

    Args:
        texts: what to learn the merges from.
        vocabulary: upper bound of the size; 256 bytes, two tags, eos and pad are part of it.
    """
    backend = Tokenizer(models.BPE())
    pieces = Regex(r"[0-9]| ?[A-Za-z]+|\n| |[^\sA-Za-z0-9]")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pieces, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - 2,
        min_frequency=2,
        special_tokens=[PAD, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    backend.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in (OPEN_TAG, CLOSE_TAG)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=EOS,
        pad_token=PAD,
        padding_side="left",
        model_max_length=CONTEXT_TOKENS,
        clean_up_tokenization_spaces=False,
    )


def build_model(settings: Pretraining, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return a freshly initialised fp32 Llama with tied embeddings."""
    torch.manual_seed(settings.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden,
        intermediate_size=settings.inner,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.05,
    )
    model: Any = LlamaForCausalLM(config).float()
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, max_new_tokens=64
    )
    return model


class Batch(NamedTuple):
    """Right-padded token ids (B, T) and the weight (B, T) of each token as a target; padding weighs 0."""

    ids: torch.Tensor
    weights: torch.Tensor


def batches(settings: Pretraining, tokenizer: PreTrainedTokenizerFast) -> Iterator[Batch]:
    """Yield training batches of texts of like length, drawn from the corpus."""
    lesson, mixture = corpus(settings.seed, lesson=True), corpus(settings.seed)
    rng, chunk = random.Random(settings.seed), 32
    for start in itertools.count(0, chunk):
        stream = lesson if start < settings.lesson_share * settings.steps else mixture
        pairs = list(itertools.islice(stream, settings.batch_texts * chunk))
        prompts = tokenizer([prompt for prompt, _ in pairs])["input_ids"]
        completions = tokenizer([completion for _, completion in pairs])["input_ids"]
        rows = [(p, [*c, tokenizer.eos_token_id]) for p, c in zip(prompts, completions, strict=True)]
        rows.sort(key=lambda row: len(row[0]) + len(row[1]))
        order = list(range(chunk))
        rng.shuffle(order)
        for i in order:
            yield pad_batch(rows[i * settings.batch_texts : (i + 1) * settings.batch_texts], tokenizer.pad_token_id)


def pad_batch(rows: Sequence[tuple[list[int], list[int]]], pad: int) -> Batch:
    """Return (prompt ids, completion ids) rows as one batch, padded to a multiple of 8 tokens."""
    width = math.ceil(max(len(p) + len(c) for p, c in rows) / 8) * 8
    ids, weights = np.full((len(rows), width), pad), np.zeros((len(rows), width), dtype=np.float32)
    for i, (prompt, completion) in enumerate(rows):
        end = len(prompt) + len(completion)
        ids[i, :end] = prompt + completion
        weights[i, : len(prompt)], weights[i, len(prompt) : end] = PROMPT_LOSS_WEIGHT, 1.0
    return Batch(torch.from_numpy(ids), torch.from_numpy(weights))


def weighted_loss(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
    """Return the weighted mean cross-entropy of each next token, in nats."""
    logits = model(input_ids=batch.ids, use_cache=False).logits[:, :-1]
    losses = functional.cross_entropy(logits.flatten(0, 1), batch.ids[:, 1:].flatten(), reduction="none")
    weights = batch.weights[:, 1:].flatten()
    return (losses * weights).sum() / weights.sum()


def pretrain(settings: Pretraining, progress: Callable[[int, float], None] | None = None) -> Pretrained:
    """Train tokenizer and model from nothing; the same settings give the same base on the same machine.

    Args:
        settings: everything that matters.
        progress: called now and then with (step, mean loss since the last call).
    """
    started = time.process_time()
    stream = corpus(settings.seed + 1)
    tokenizer = build_tokenizer(["".join(next(stream)) for _ in range(20_000)], settings.vocabulary)
    model = build_model(settings, tokenizer).train()
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimizers = [
        torch.optim.Muon(matrices, lr=settings.muon_learning_rate, weight_decay=0.01),
        torch.optim.AdamW(others, lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / 50, 1.5 * (1 - step / settings.steps) + 0.01)

    schedules = [torch.optim.lr_scheduler.LambdaLR(optimizer, rate) for optimizer in optimizers]
    history, recent, tokens, every = [], [], 0, max(1, settings.steps // 40)
    for step, batch in zip(range(1, settings.steps + 1), batches(settings, tokenizer), strict=False):
        loss = weighted_loss(model, batch)
        loss.backward()
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        recent.append(loss.item())
        tokens += int((batch.weights > 0).sum())
        if step % every == 0 or step == settings.steps:
            history.append((step, sum(recent) / len(recent)))
            recent.clear()
            if progress:
                progress(*history[-1])
    return Pretrained(model.eval(), tokenizer, history, tokens, time.process_time() - started)


def save(base: Pretrained, folder: Path) -> None:
    """Write model (safetensors, fp32), configs and tokenizer so that the Auto classes load them from the folder."""
    base.model.save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)


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
