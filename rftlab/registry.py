"""What rftlab knows by name: tasks, verifiers, methods and executors.

Each registry is a literal dict, name -> Entry. Listing one imports nothing heavy: an entry is resolved only when it is
used. A new task, verifier, method or executor is one new file and one line here. A user's own is
`path/to/module.py:attribute`, `package.module:attribute` of an installed package, or the name of an entry point of one.
"""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from rftlab import user_code
from rftlab.errors import CAUGHT, RftlabError, came_from_user, told
from rftlab.presets import meant
from rftlab.user_code import installed

# Of a file, in bytes; the system refuses to look for longer ones.
_LONGEST_NAME = 256


@dataclass(frozen=True)
class Entry:
    """Where a registered thing lives and what it is, in one line.

    Attributes:
        target: "module:attribute", imported on use.
        summary: one line for `rftlab tasks|verifiers|methods`.
        variants: the names allowed after a slash (`arithmetic/word`); ("*",) leaves the check to the target.
        notebook: methods only; the notebook a grid executes for it.
        uses_labels: methods only; False where training does not depend on the label budget (the untrained base).
        trains: methods only; False where the weights stay as they are, so that there is no policy to keep.
        needs_rationales: methods only; True where training with chain-of-thought imitates the labels' rationales.
        prompts: methods only; "" where it trains on labels alone; else prompts without labels are trained on "beside"
            them, or also "alone".
        shots: methods only; labels that stand before every prompt where `settings.shots` does not say how many.
        keeps_prompt: methods only; True where what is found is a prompt, which is kept as trained weights are.
        resumes: methods only; True where a training that was killed goes on from its last checkpoint.
        orders: methods only; True where prompts can come by a curriculum.
        spreads: methods only; True where several processes may train one cell together.
        recomputes: methods only; True where its passes can compute activations again (`gradient_checkpointing`).
        dropout: methods only; False where the loss compares two policies and LoRA dropout would be noise between them.
        teacher: methods only; True where `settings.teacher` names what it learns from.
        version: raised when an example of the task, a verdict of the verifier or an update of the method changes, so
            that cells run before count as others.
        preset_versions: methods only; the same for what a preset sets, where it is above 1.
        family: methods only; base, control, sft, rft, hybrid or preference; a user's own is a family of its own.
        verifiers: tasks only; variant -> registered names of all that judge it where a cell names no verifier ("*" for
            the variants that are not listed).
    """

    target: str
    summary: str
    variants: tuple[str, ...] = ()
    notebook: str = ""
    uses_labels: bool = True
    trains: bool = True
    needs_rationales: bool = False
    prompts: Literal["", "beside", "alone"] = ""
    shots: int = 0
    keeps_prompt: bool = False
    resumes: bool = False
    orders: bool = False
    spreads: bool = False
    recomputes: bool = False
    dropout: bool = True
    teacher: bool = False
    version: int = 1
    preset_versions: Mapping[str, int] = field(default_factory=dict)
    family: str = ""
    verifiers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


TASKS: Mapping[str, Entry] = {
    "arithmetic": Entry(
        "rftlab.tasks.arithmetic:load",
        "procedural arithmetic with worked rationales, in the words of the tiny base",
        variants=("chain", "word", "word_new", "word_both", "dose", "count", "choice", "rare", "band"),
        version=2,
        verifiers={"*": ("exact",)},
    ),
    "file": Entry(
        "rftlab.tasks.file:load",
        "your own JSONL, CSV, TSV or Parquet file, or a Hugging Face dataset id, in the shapes people have",
        verifiers={"*": ("exact",)},
    ),
    "math": Entry(
        "rftlab.tasks.math:load",
        "Countdown, equations, word problems, GSM8K from the hub or a file",
        variants=("countdown", "equations", "word", "gsm8k", "tiny"),
        verifiers={"word": ("math",), "gsm8k": ("math",), "*": ("solver",)},
    ),
    "code": Entry(
        "rftlab.tasks.code:load",
        "write or repair a Python function, judged by hidden tests in the sandbox; HumanEval, MBPP",
        variants=("write", "repair", "humaneval", "mbpp", "tiny"),
        verifiers={"*": ("code",)},
    ),
    "qa": Entry(
        "rftlab.tasks.qa:load",
        "closed questions on science, history and geography; multiple choice, also from a file",
        variants=("facts", "choice", "tiny"),
        version=3,
        verifiers={"facts": ("exact",), "*": ("choice",)},
    ),
    "medical": Entry(
        "rftlab.tasks.medical:load",
        "closed clinical questions: doses, units, scores, rules, PubMedQA (a benchmark, not medical advice)",
        variants=("dose", "units", "scores", "triage", "pubmedqa", "tiny"),
        verifiers={"triage": ("exact",), "pubmedqa": ("exact",), "*": ("numeric",)},
    ),
    "gym": Entry(
        "rftlab.tasks.gym:load",
        "any reasoning-gym dataset by name: gym/maze, gym/sudoku, ...",
        variants=("*",),
        verifiers={"*": ("gym",)},
    ),
    "creative": Entry(
        "rftlab.tasks.creative:load",
        "verses and product lines under stated constraints, graded by their form",
        variants=("verse", "product", "tiny"),
        verifiers={"*": ("rubric", "form", "originality")},
    ),
}

VERIFIERS: Mapping[str, Entry] = {
    "exact": Entry(
        "rftlab.verifiers.exact:Exact", "the answer's text, after normalisation, equals the gold answer", version=5
    ),
    "math": Entry(
        "rftlab.verifiers.math:Math", "the answer is mathematically equal to the gold answer (math-verify)", version=6
    ),
    "numeric": Entry(
        "rftlab.verifiers.numeric:Numeric", "one number within a tolerance; units by dimension", version=5
    ),
    "choice": Entry("rftlab.verifiers.choice:Choice", "the chosen option, by letter or by text", version=6),
    "regex": Entry("rftlab.verifiers.regex:Regex", "the answer matches a regular expression", version=3),
    "json-schema": Entry(
        "rftlab.verifiers.json_schema:JsonSchema", "JSON that fits a schema, or equals gold too", version=4
    ),
    "solver": Entry("rftlab.verifiers.solver:Solver", "any answer that satisfies the constraints is right", version=3),
    "story": Entry(
        "rftlab.verifiers.story:Story", "the sum that an arithmetic prompt tells, worked out; reads no gold answer"
    ),
    "game": Entry("rftlab.verifiers.game:Game", "the moves, replayed by the rules, reach the goal", version=2),
    "code": Entry(
        "rftlab.verifiers.code:Code", "model-written Python passes hidden tests, run in the sandbox", version=3
    ),
    "sql": Entry("rftlab.verifiers.sql:Sql", "a query gives the gold query's result on hidden databases", version=2),
    "gym": Entry(
        "rftlab.verifiers.gym.verifier:Gym",
        "full marks by reasoning-gym's own scorer, run in isolation or replaced",
        version=4,
    ),
    "format": Entry("rftlab.verifiers.parts:Format", "part: exactly one well-formed pair of answer tags", version=2),
    "length": Entry("rftlab.verifiers.parts:Length", "part: soft penalty on completions longer than a cap", version=2),
    "repetition": Entry("rftlab.verifiers.parts:Repetition", "part: share of n-grams that are not repeats", version=2),
    "originality": Entry("rftlab.verifiers.originality:Originality", "part: share of n-grams that are new", version=4),
    "form": Entry(
        "rftlab.verifiers.form:Form", "a text's stated form: lines, syllables, rhyme, required words", version=2
    ),
    "rubric": Entry(
        "rftlab.verifiers.rubric:Rubric", "weighted composition of verifiers, each component logged", version=2
    ),
    "reward-model": Entry(
        "rftlab.verifiers.reward_model:RewardModel", "a local sequence-classification model's score", version=2
    ),
    "judge": Entry(
        "rftlab.verifiers.judge:Judge", "a language model's grade, from an OpenAI-compatible endpoint", version=2
    ),
}

METHODS: Mapping[str, Entry] = {
    "base": Entry(
        "rftlab.methods.base:Base", "no training: the row every method is read against",
        notebook="10_sft.ipynb", family="base", uses_labels=False, trains=False,
    ),
    "sft": Entry(
        "rftlab.methods.sft:SFT", "supervised fine-tuning on labelled completions (TRL SFTTrainer)",
        notebook="10_sft.ipynb", family="sft", orders=True, needs_rationales=True, resumes=True,
        spreads=True, recomputes=True, version=2,
    ),
    "grpo": Entry(
        "rftlab.methods.grpo:GRPO", "reinforcement fine-tuning with the verifier as reward (TRL GRPOTrainer)",
        notebook="20_rft.ipynb", family="rft", orders=True, dropout=False, prompts="alone", resumes=True,
        spreads=True, recomputes=True, version=3, preset_versions={"dapo": 2},
    ),
    "sft+grpo": Entry(
        "rftlab.methods.sequential:SFTThenGRPO", "hybrid: part of the budget on SFT, then GRPO from that adapter",
        notebook="20_rft.ipynb", family="hybrid", needs_rationales=True, dropout=False, prompts="beside", resumes=True,
        spreads=True, recomputes=True, version=3,
    ),
    "rloo": Entry(
        "rftlab.methods.rloo:RLOO", "REINFORCE with the rest of the group as baseline (TRL RLOOTrainer)",
        notebook="20_rft.ipynb", family="rft", orders=True, dropout=False, prompts="alone", resumes=True,
        spreads=True, recomputes=True, version=3,
    ),
    "chord": Entry(
        "rftlab.methods.chord:CHORD", "hybrid: SFT and GRPO in one loss, the SFT weight falling as training goes on",
        notebook="20_rft.ipynb", family="hybrid", needs_rationales=True, dropout=False, prompts="beside",
        recomputes=True, version=3,
    ),
    "hpt": Entry(
        "rftlab.methods.hpt:HPT", "hybrid: SFT on prompts no rollout solves, GRPO on the others",
        notebook="20_rft.ipynb", family="hybrid", needs_rationales=True, dropout=False, prompts="beside",
        recomputes=True, version=3,
    ),
    "interleaved": Entry(
        "rftlab.methods.interleaved:Interleaved", "hybrid: SFT and GRPO steps in turn on one adapter",
        notebook="20_rft.ipynb", family="hybrid", needs_rationales=True, dropout=False, prompts="beside",
        recomputes=True, version=3,
    ),
    "rejection_sft": Entry(
        "rftlab.methods.rejection_sft:RejectionSFT", "SFT on the policy's own verified completions, in rounds",
        notebook="20_rft.ipynb", family="rft", prompts="alone", recomputes=True, version=2,
    ),
    "sft-matched-rollouts": Entry(
        "rftlab.methods.matched_rollouts:MatchedRolloutsSFT",
        "SFT on all right completions of as many rollouts of the base as grpo would draw with the budget",
        notebook="20_rft.ipynb", family="rft", prompts="alone",
    ),
    "distill": Entry(
        "rftlab.methods.distill:Distill",
        "on-policy distillation: a teacher judges every token of the policy's own completions (TRL)",
        notebook="20_rft.ipynb", family="sft", orders=True, dropout=False, prompts="alone", resumes=True, teacher=True,
    ),
    "distill-offline": Entry(
        "rftlab.methods.distill_offline:DistillOffline", "SFT on a teacher's completions that the verifier accepted",
        notebook="20_rft.ipynb", family="sft", prompts="alone", teacher=True,
    ),
    "sdft": Entry(
        "rftlab.methods.sdft:SDFT",
        "self-distillation: the policy with a label in its context teaches the policy without it",
        notebook="10_sft.ipynb", family="sft", dropout=False, needs_rationales=True,
    ),
    "sdpo": Entry(
        "rftlab.methods.sdpo:SDPO", "self-distillation: a right completion, or the verifier's words, teach the others",
        notebook="20_rft.ipynb", family="rft", orders=True, dropout=False, prompts="alone",
    ),
    "grpo-random": Entry(
        "rftlab.methods.controls:GRPORandom", "control: GRPO whose reward is a coin",
        notebook="20_rft.ipynb", family="control", dropout=False, prompts="alone", recomputes=True, version=3,
    ),
    "grpo-format": Entry(
        "rftlab.methods.controls:GRPOFormat", "control: GRPO that pays for the format alone",
        notebook="20_rft.ipynb", family="control", dropout=False, prompts="alone", resumes=True,
        spreads=True, recomputes=True, version=3,
    ),
    "base-few-shot": Entry(
        "rftlab.methods.prompting:FewShot", "control: the untrained base with labels in its prompt, few or many",
        notebook="10_sft.ipynb", family="base", trains=False, needs_rationales=True, shots=4,
    ),
    "prompt-search": Entry(
        "rftlab.methods.prompt_search:PromptSearch", "the untrained base under the best prompt that the budget finds",
        notebook="10_sft.ipynb", family="base", trains=False, keeps_prompt=True,
    ),
    "base-maj": Entry(
        "rftlab.methods.controls:Majority", "control: the untrained base's most frequent answer of several samples",
        notebook="10_sft.ipynb", family="base", uses_labels=False, trains=False,
    ),
    "ppo": Entry(
        "rftlab.methods.ppo:PPO", "PPO: token-level advantages from a critic, clipped ratio; the verifier as reward",
        notebook="20_rft.ipynb", family="rft", orders=True, dropout=False, prompts="alone", version=2,
    ),
    "acer": Entry(
        "rftlab.methods.acer:ACER", "actor-critic with replay: Retrace, truncated importance weights, trust region",
        notebook="20_rft.ipynb", family="rft", orders=True, dropout=False, prompts="alone", version=2,
    ),
    "sac": Entry(
        "rftlab.methods.sac:SAC", "soft actor-critic over tokens: twin Q, replay, entropy or KL in the objective",
        notebook="20_rft.ipynb", family="rft", orders=True, dropout=False, prompts="alone", version=2,
    ),
    "ddpg": Entry(
        "rftlab.methods.ddpg:DDPG", "deterministic policy gradient; its action is the next-token distribution",
        notebook="20_rft.ipynb", family="rft", orders=True, dropout=False, prompts="alone", version=3,
    ),
    "trpo": Entry(
        "rftlab.methods.trpo:TRPO", "TRPO: natural gradient under a KL constraint, checked by a line search",
        notebook="20_rft.ipynb", family="rft", orders=True, dropout=False, prompts="alone", version=2,
    ),
    "rlhf": Entry(
        "rftlab.methods.rlhf:RLHF", "RLHF: SFT, a reward model on preference pairs, then PPO against it",
        notebook="20_rft.ipynb", family="preference", needs_rationales=True, dropout=False, version=2,
    ),
    "dpo": Entry(
        "rftlab.methods.dpo:DPO", "DPO on preference pairs, from a file or simulated (TRL DPOTrainer)",
        notebook="20_rft.ipynb", family="preference", dropout=False, resumes=True, recomputes=True, version=2,
    ),
    "kto": Entry(
        "rftlab.methods.kto:KTO", "KTO on thumbs up and down, from a file or simulated (TRL KTOTrainer)",
        notebook="20_rft.ipynb", family="preference", dropout=False, resumes=True,
    ),
}  # fmt: skip


EXECUTORS: Mapping[str, Entry] = {
    "local": Entry("rftlab.execute.local:run_cells", "this machine; needs nothing else"),
    "ray": Entry("rftlab.execute.on_ray:run_cells", "a Ray cluster, found or started (extra: ray)"),
    "slurm": Entry("rftlab.execute.on_slurm:run_cells", "Slurm job arrays, by submitit (extra: slurm)"),
}


def find(registry: Mapping[str, Entry], name: str, kind: str) -> tuple[Entry, str]:
    """Entry for ``name`` and its variant ("" if the name has no slash).

    Args:
        registry: one of TASKS, VERIFIERS, METHODS, EXECUTORS.
        name: a registered name, `name/variant`, a user's own `path.py:attribute`, or what `installed_target` knows.
        kind: "task", "verifier", "method" or "executor"; used in the error's sentence.

    Raises:
        RftlabError: no such name; the nearest names are offered.
    """
    if ".py:" in name:
        return Entry(name, "yours", prompts="alone"), ""
    if target := installed_target(registry, name, kind):
        offer = installed.offers(kind).get(name)
        return Entry(target, f"of {offer.package}" if offer else "of an installed package", prompts="alone"), ""
    head, _, variant = name.partition("/")
    entry = registry.get(name) or registry.get(head)
    if entry is None and name.endswith(".py"):
        inside = user_code.public_names(name, classes=kind == "method")
        give = " or ".join(f"{name}:{each}" for each in inside[:3]) or f"{name}:NAME, its function or class"
        raise RftlabError(f"{kind} {name!r} names a file and nothing in it; give {give}")
    if entry is None and kind == "task" and len(name.encode()) < _LONGEST_NAME and Path(name).is_file():
        raise RftlabError(f"task {name!r} is a file of no rows; give a .jsonl, .json, .csv, .tsv or .parquet file")
    if entry is None or (variant and name not in registry and not entry.variants):
        near = (meant(name) if kind == "method" else "") or suggest(name, [*names(registry), *installed.offers(kind)])
        raise RftlabError(f"unknown {kind} {name!r}{near}")
    if name in registry and not entry.variants:
        return entry, ""
    if entry.variants and entry.variants != ("*",) and variant not in entry.variants:
        raise RftlabError(f"unknown {kind} {name!r}{suggest(name, names({head: entry}))}")
    return entry, variant


def installed_target(registry: Mapping[str, Entry], name: str, kind: str) -> str:
    """The "module:attribute" of a name that an installed package brings; empty for all others.

    That is a dotted name, or an entry point's where no part of rftlab has that name.

    Raises:
        RftlabError: the entry point cannot be used.
    """
    if kind not in installed.GROUPS or name in registry or name.partition("/")[0] in registry:
        return ""
    if installed.is_dotted(name):
        return name
    offer = installed.offers(kind).get(name)
    if offer and offer.problem:
        raise RftlabError(f"{kind} {name!r} of {offer.package} cannot be used: {offer.problem}")
    return offer.target if offer else ""


def family_of(method: str) -> str:
    """base, control, sft, rft, hybrid or preference; own for a user's method."""
    return (entry.family if (entry := METHODS.get(method)) else "") or "own"


def trains(method: str) -> bool:
    """Whether a method changes the weights; a user's own does."""
    entry = METHODS.get(method)
    return entry is None or entry.trains


def names(registry: Mapping[str, Entry]) -> list[str]:
    """Every name that can be asked for, variants written out."""
    return [f"{name}/{each}" if each else name for name, entry in registry.items() for each in entry.variants or ("",)]


def resolve(entry: Entry) -> Any:
    """The object an entry points to, imported now.

    Raises:
        RftlabError: the module or the attribute does not exist, or importing it fails in whichever way.
    """
    module_name, _, attribute = entry.target.rpartition(":")
    try:
        module = user_code.load(module_name) if module_name.endswith(".py") else importlib.import_module(module_name)
    except FileNotFoundError as error:
        if came_from_user(error):  # of a file that theirs opens
            raise RftlabError(f"cannot load {entry.target!r}: {told(error)}") from error
        raise RftlabError(f"cannot load {entry.target!r}: {error}; give it as path/to/module.py:function") from error
    except CAUGHT as error:
        mend = "" if came_from_user(error) else "; mend the file, or install what it needs"
        raise RftlabError(f"cannot load {entry.target!r}: {told(error)}{mend}") from error
    try:
        return attrgetter(attribute)(module)
    except AttributeError:
        known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise RftlabError(f"cannot load {entry.target!r}: it has no {attribute!r}{suggest(attribute, known)}") from None


def suggest(name: str, known: Iterable[str]) -> str:
    """How a sentence on an unknown name ends: `; did you mean grpo?`, or with all that is known."""
    near = difflib.get_close_matches(name, known := [*known], n=3, cutoff=0.5)
    return f"; did you mean {', '.join(near)}?" if near else f"; known: {', '.join(known) or 'none'}"
