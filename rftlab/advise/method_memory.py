"""What each method holds and what its steps add, by its code: rows of completions, tables over the vocabulary, copies.

Legend: B completions of a pass, T tokens of a completion, V vocabulary; a table is (B, T + 1, V) in fp32.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rftlab.advise.work import Device, Work
from rftlab.policy.anatomy import Anatomy

Settings = Mapping[str, Any]
Parts = tuple[dict[str, float], dict[str, float]]

_FP32 = 4
# Weights, gradients and AdamW's two moments, all fp32: Loshchilov and Hutter 2019 (1711.05101), algorithm 2.
_LEARNT = 4
# TRL's fused output layer: so many tokens by so many of the vocabulary at once, in a buffer of that size, and fp32
# copies of a tile in its backward pass (trl.trainer.utils, trl.kernels.chunked_logprob).
_TILE_TOKENS, _TILE_WORDS, _TILE_COPIES = 4096, 32768, 7.25
# `rftlab.policy.rollout`: rows decoded at once, and vectors over the vocabulary a row.
_ROWS, _ROW_COPIES, _NUCLEUS_COPIES = 256, 4.0, 9.0
# `rftlab.evaluate.divergence`: numbers of a table, rows of one, draws of an item, tables at once.
_DIVERGENCE, _DIVERGENCE_ROWS, _DRAWS, _DIVERGENCE_TABLES = 2**26, 64, 2, 5.0
# Rewards and log-probabilities of labelled completions inside an RFT trainer: `rftlab.methods.demonstrations`.
_DEMONSTRATION_TABLES = 3.0
# Of methods that pass two models in turn and hold whole distributions, what a process's heap took, in what torch had
# asked for: measured (docs/architecture.md); with every tensor in pages of its own it is 1.
_FRAGMENTS = 1.7
# Flat vectors of all trained weights in TRPO's step: start, g, x, r, p, Fp, the step, and what is being made.
_TRPO_VECTORS = 8


class Run:
    """The sums of one model, method and device."""

    def __init__(self, anatomy: Anatomy, settings: Settings, work: Work, device: Device) -> None:
        self.anatomy, self.settings, self.work, self.device = anatomy, settings, work, device

    def get(self, name: str, default: Any = 0) -> Any:
        """A setting; what it is where it is not given."""
        found = self.settings.get(name)
        return default if found is None else found

    def of(self, settings: Settings) -> "Run":
        """The same with other settings, of a stage."""
        return Run(self.anatomy, settings, self.work, self.device)

    @property
    def trained(self) -> float:
        """Bytes of one copy of all that is trained: of a reference, an average, a target."""
        return float(_FP32 * self.anatomy.trained)

    @property
    def learning(self) -> float:
        """The policy's adapter, its gradients and optimiser; without an adapter its weights stand under weights."""
        return self.trained * _LEARNT - (0.0 if self.anatomy.adapter else self.trained)

    def critic(self, *, heads: int = 1, words: bool = False) -> float:
        """A critic's own weights with gradients and optimiser: see `rftlab.methods.critic`."""
        return _LEARNT * (self.trained + _FP32 * self._heads(heads, words))

    def target(self, *, heads: int = 1, words: bool = False) -> float:
        """A copy of a critic that is not trained."""
        return self.trained + _FP32 * self._heads(heads, words)

    def _heads(self, heads: int, words: bool) -> float:
        a = self.anatomy
        tied = words and a.vocabulary * a.hidden > _TIED_ABOVE
        return heads * a.hidden * float(a.hidden if tied else a.vocabulary if words else 1)

    def table(self, rows: float, tokens: float) -> float:
        """Numbers over the vocabulary before every token."""
        return _FP32 * rows * (tokens + 1) * self.anatomy.vocabulary

    def tile(self, tokens: float) -> float:
        """TRL's fused output layer over so many tokens, backwards."""
        wide = min(self.anatomy.vocabulary, _TILE_WORDS)
        # Of the buffer a process holds what is written to; a GPU holds all of it.
        buffer = wide if self.device.kind == "cpu" else _TILE_WORDS
        return _FP32 * min(tokens, _TILE_TOKENS) * (buffer + _TILE_COPIES * wide)

    def kept(self, rows: float, tokens: float, *, written_out: bool = False) -> float:
        """What a pass keeps for its backward pass, up to the last hidden state."""
        a = self.anatomy
        pairs = a.pairs * tokens * tokens if written_out else 0.0
        # Computed again, layer by layer, from what went into each.
        at_once = a.layers if self.work.recomputes else 1
        inputs = _FP32 * a.layers * a.hidden if self.work.recomputes else 0.0
        return (rows * (tokens * a.saved + pairs) + a.cast) / at_once + rows * tokens * inputs

    def in_turn(self, bytes: float) -> float:
        """What passes of two models in turn take, of which one's freed pieces seldom fit the other's."""
        return bytes * (_FRAGMENTS if self.device.kind == "cpu" else 1.0)

    @property
    def length(self) -> float:
        """Tokens of a prompt with what is sampled after it."""
        return float(self.work.prompt + self.work.cap)

    def sampling(self, prompts: float, each: float) -> float:
        """Sampling completions: weights laid out for it, caches and the next token's numbers."""
        a, work = self.anatomy, self.work
        rows = min(float(_ROWS), prompts * each)
        distinct = min(prompts, rows)
        cache = a.number * a.cache * (rows * self.length + distinct * work.prompt)
        copies = _ROW_COPIES if work.nucleus == 1 else _NUCLEUS_COPIES
        prefill = a.number * distinct * work.prompt * (2 * a.widest + 4 * a.hidden)
        return self.prepared + max(cache + _FP32 * rows * a.vocabulary * copies, prefill)

    @property
    def prepared(self) -> float:
        """Weights laid out once more while sampling: on a CPU those oneDNN takes (`Policy.merged`)."""
        if self.device.kind != "cpu":
            return 0.0
        a = self.anatomy
        # Of those that are rounded the output layer alone stays in single precision.
        return 2.0 * (a.prepared + a.vocabulary * a.hidden) if a.rounds else float(_FP32 * a.prepared)

    def divergence(self) -> tuple[float, float]:
        """The KLs to the base, at its two worst moments; without an adapter the base is loaded beside."""
        a, work = self.anatomy, self.work
        rows = min(_DRAWS * work.sampled, _DIVERGENCE_ROWS, max(1, _DIVERGENCE // (work.cap * a.vocabulary)))
        table, beside = self.table(rows, work.cap), 0.0 if a.adapter else float(a.bytes)
        return beside + self.prepared + 3 * table, beside + _DIVERGENCE_TABLES * table

    @property
    def rows(self) -> float:
        """Completions a step samples."""
        return float(self.get("prompts_per_step", 4) * self.get("num_generations", 1))

    @property
    def per_pass(self) -> float:
        """Completions of a forward and backward pass."""
        return min(self.rows, float(self.get("per_device_train_batch_size", 64)))

    def attempts(self, each: int) -> float:
        """Sampling before training, so many completions of a prompt: see `rftlab.methods.attempts`."""
        prompts = max(1, self.work.labels)
        return self.sampling(prompts, each or max(8, 512 // prompts))

    def rollouts(self) -> float:
        """Sampling of a training step."""
        return self.sampling(self.get("prompts_per_step", 4), self.get("num_generations", 1))


# `rftlab.methods.critic`: a head over the vocabulary with more weights is tied to the base's own.
_TIED_ABOVE = 4_000_000


def parts_of(method: str, run: Run) -> Parts:
    """What a method holds from beginning to end, and what each of its steps adds while it lasts, in bytes.

    Args:
        method: registered name; a user's own is taken for `grpo` if its settings have groups, else for `sft`.
        run: of its model, settings and device.
    """
    return _METHODS.get(method, _online if "num_generations" in run.settings else _fit)(run)


def _fit(run: Run) -> Parts:
    """SFT: a pass over labelled completions."""
    rows = min(float(run.get("per_device_train_batch_size", 16)), float(max(1, run.work.labels)))
    training = run.kept(rows, run.work.prompt + run.work.gold) + run.tile(rows * run.work.mean)
    return {"training state": run.learning}, {"training pass": training}


def _rejection(run: Run) -> Parts:
    """SFT on what the policy sampled itself."""
    long = run.work._replace(gold=run.work.cap, mean=float(run.work.cap), labels=_ROWS)
    held, steps = _fit(Run(run.anatomy, run.settings, long, run.device))
    restart = {"fresh weights": run.trained} if run.get("restart") and not run.anatomy.adapter else {}
    return {**held, **restart}, {**steps, "rollouts": run.attempts(run.get("samples"))}


def _dpo(run: Run) -> Parts:
    """Two completions a pair, of policy and reference."""
    rows = 2.0 * run.get("per_device_train_batch_size", 16)
    training = run.kept(rows, run.length) + run.tile(rows * run.work.cap)
    sampled = {} if run.get("pairs_file") else {"rollouts": run.attempts(run.get("pair_generations"))}
    return {"training state": run.learning, "reference": run.trained}, {"training pass": training, **sampled}


def _kto(run: Run) -> Parts:
    """One completion a thumb, of policy and reference."""
    rows = float(run.get("per_device_train_batch_size", 16))
    training = run.kept(rows, run.length) + run.tile(rows * run.work.cap)
    sampled = {} if run.get("thumbs_file") else {"rollouts": run.attempts(run.get("generations"))}
    return {"training state": run.learning, "reference": run.trained}, {"training pass": training, **sampled}


def _online(run: Run) -> Parts:
    """GRPO and RLOO: groups sampled, then learnt from in passes."""
    training = run.kept(run.per_pass, run.length) + run.tile(run.per_pass * run.work.cap)
    reference = {"reference": run.trained} if run.get("beta") else {}
    return {"training state": run.learning, **reference}, {"training pass": training, "rollouts": run.rollouts()}


def _judged(run: Run) -> Parts:
    """On-policy distillation: two output layers at once, and a teacher, taken for as large as the base."""
    held, steps = _online(run)
    both = steps["training pass"] + run.tile(run.per_pass * run.work.cap)
    return {**held, "teacher": float(run.anatomy.bytes)}, {**steps, "training pass": both}


def _self_judged(run: Run) -> Parts:
    """The same with the policy as its own teacher, a copy of what is trained."""
    held, steps = _judged(run)
    return {**held, "teacher": run.trained}, steps


def _taught(run: Run) -> Parts:
    """SFT on what a teacher sampled, taken for as large as the base."""
    held, steps = _rejection(run)
    return {**held, "teacher": float(run.anatomy.bytes)}, steps


def _beside(run: Run, rows: float, *, together: bool) -> Parts:
    """GRPO with labelled completions in the same loss or in steps of their own; these have the full output layer."""
    held, steps = _online(run)
    gold = run.work.prompt + run.work.gold
    labelled = run.kept(rows, gold) + _DEMONSTRATION_TABLES * run.table(rows, gold)
    # In one loss both passes are kept until the backward pass, which frees the labels' part first.
    own = run.kept(run.per_pass, run.length) if together else 0.0
    return held, {**steps, "training pass": max(steps["training pass"], own + labelled)}


def _batch_beside(run: Run, *, together: bool) -> Parts:
    """CHORD and interleaved: a batch of labelled completions, dealt out to the passes."""
    passes = max(1.0, run.rows / run.per_pass)
    rows = min(float(run.get("sft_batch_size", 16)), float(max(1, run.work.labels)))
    return _beside(run, -(-rows // passes), together=together)


def _hpt(run: Run) -> Parts:
    return _beside(run, run.per_pass / max(1, run.get("num_generations", 1)), together=True)


def _ppo(run: Run) -> Parts:
    """Policy and critic, one after the other, and what is estimated before."""
    work, rows = run.work, min(run.per_pass, -(-run.rows // run.get("num_mini_batches", 1)))
    training = run.kept(rows, run.length) + 5.0 * run.table(rows, work.cap)
    estimating = 4.0 * run.table(run.per_pass, work.cap)
    copies = {"critic": run.critic()} | ({"reference": run.trained} if run.get("kl_coef") else {})
    steps = {"training pass": max(training, estimating), "rollouts": run.rollouts()}
    return {"training state": run.learning, **copies}, steps


def _trpo(run: Run) -> Parts:
    """A step by conjugate gradients: attention written out, and a backward pass of a backward pass."""
    work = run.work
    fisher = min(run.per_pass, max(1.0, run.get("fisher_share", 0.25) * run.rows))
    gradient = run.kept(run.per_pass, run.length, written_out=True) + 3.5 * run.table(run.per_pass, work.cap)
    twice = 3 * run.kept(fisher, run.length, written_out=True) + 7.0 * run.table(fisher, work.cap)
    critic = run.kept(run.per_pass, run.length)
    training = run.table(run.rows, work.cap) + max(gradient, twice, critic)
    # It has no optimiser, but vectors as long as all that is trained.
    state = run.learning - 3 * run.trained + _TRPO_VECTORS * run.trained
    return {"training state": state, "critic": run.critic()}, {"training pass": training, "rollouts": run.rollouts()}


def _acer(run: Run) -> Parts:
    """Policy and critic of every token in one pass, their average, and a memory of draws."""
    work, words = run.work, run.anatomy.vocabulary
    training = run.in_turn(2 * run.kept(run.per_pass, run.length) + 9.5 * run.table(run.per_pass, work.cap))
    draws = min(float(run.get("memory", 32)), max(1.0, work.steps / (1 + run.get("replay_ratio", 4))))
    stores = words <= run.get("store_below", 4096)
    memory = draws * (run.table(run.rows, work.cap) if stores else run.trained)
    copies = {"critic": run.critic(words=True), "average policy": run.trained, "memory": memory}
    copies |= {} if stores else {"sampled policy": run.trained}
    steps = {"training pass": training, "rollouts": run.rollouts()}
    return {"training state": run.learning, **copies}, steps


def _sac(run: Run) -> Parts:
    """Policy and twin critics of every token in one pass, their targets and the reference."""
    rows = float(run.get("batch_size", 64))
    training = run.in_turn(2 * run.kept(rows, run.length) + 10.5 * run.table(rows, run.work.cap))
    copies = {"critic": run.critic(heads=2, words=True), "target critic": run.target(heads=2, words=True)}
    copies |= {"reference": run.trained}
    return {"training state": run.learning, **copies}, {"training pass": training, "rollouts": run.rollouts()}


def _ddpg(run: Run) -> Parts:
    """Critic, then policy; targets of both."""
    rows = float(run.get("batch_size", 64))
    training = run.in_turn(run.kept(rows, run.length) + 5.6 * run.table(rows, run.work.cap))
    copies = {"critic": run.critic(words=True), "target critic": run.target(words=True), "target policy": run.trained}
    return {"training state": run.learning, **copies}, {"training pass": training, "rollouts": run.rollouts()}


def _rlhf(run: Run) -> Parts:
    """SFT, then a reward model on pairs, then PPO beside that model."""
    first = _fit(run.of(run.get("sft", {}))) if run.get("sft_share", 0.2) else ({}, {})
    held, steps = _ppo(run)
    pairs = 2.0 * run.get("reward_batch_size", 16)
    sampled = {} if run.get("pairs_file") else {"pairs": run.attempts(run.get("pair_generations"))}
    judging = {"reward model's pass": run.kept(pairs, run.length), **sampled}
    # What PPO holds is not there yet while the first stages run.
    later = sum(held.values()) - held["training state"]
    earlier = {
        f"{name} of an earlier stage": max(0.0, bytes - later) for name, bytes in {**first[1], **judging}.items()
    }
    return {**held, "reward model": run.critic()}, {**steps, **earlier}


def _stages(run: Run) -> Parts:
    """One method after another: of each part the most of any."""
    held: dict[str, float] = {}
    steps: dict[str, float] = {}
    for stage in run.get("stages", ()):
        own, also = parts_of(stage["method"], run.of(stage["settings"]))
        held = _most(held, own)
        steps = _most(steps, also)
    return held, steps


def _most(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    return {name: max(first.get(name, 0.0), second.get(name, 0.0)) for name in (*first, *second)}


_METHODS: Mapping[str, Callable[[Run], Parts]] = {
    "sft": _fit, "rejection_sft": _rejection, "dpo": _dpo, "kto": _kto, "grpo": _online, "rloo": _online,
    "chord": partial(_batch_beside, together=True), "interleaved": partial(_batch_beside, together=False), "hpt": _hpt,
    "ppo": _ppo, "trpo": _trpo, "acer": _acer, "sac": _sac, "ddpg": _ddpg, "rlhf": _rlhf, "sft+grpo": _stages,
    "distill": _judged, "sdft": _self_judged, "sdpo": _self_judged, "distill-offline": _taught,
    "sft-matched-rollouts": _rejection,
}  # fmt: skip
