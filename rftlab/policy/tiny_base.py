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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from rftlab.errors import RftlabError
from rftlab.tasks.arithmetic import FAMILIES
from rftlab.tasks.arithmetic.family import Problem
from rftlab.tasks.base import Example
from rftlab.tasks.template import TEMPLATES
from rftlab.verifiers.base import CLOSE_TAG, OPEN_TAG, tagged

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

    Raises:
        RftlabError: steps or texts below 1, or a share beyond [0, 1].
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

    def __post_init__(self) -> None:
        for name in ("steps", "batch_texts"):
            if getattr(self, name) < 1:
                raise RftlabError(f"{name} is {getattr(self, name)!r}; give a whole number above 0")
        if not 0 <= self.lesson_share <= 1:
            raise RftlabError(f"lesson_share is {self.lesson_share!r}; give a share from 0 to 1")


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
