"""Base model, tokenizer and adapter as one value: the policy that methods train and evaluation asks."""

import contextlib
import difflib
import functools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase, set_seed

from rftlab.cell import Cell
from rftlab.errors import RftlabError, one_line
from rftlab.parts import AUTO
from rftlab.policy import quantization, weights
from rftlab.policy.checkpoint import load_checkpoint, require_fit
from rftlab.policy.device import place
from rftlab.policy.hub import TINY_BASE, locate
from rftlab.policy.identity import identity_hash, model_identity
from rftlab.policy.precision import SMALL, compute_in_half, number_format, wants_half
from rftlab.policy.products import prepared
from rftlab.record.machine import BF16, FP32
from rftlab.tasks.base import Example
from rftlab.tasks.template import TEMPLATES, Template, Thinking
from rftlab.verifiers.base import CLOSE_TAG, OPEN_TAG, THINK, THOUGHT

# Stands for a prompt where only what a chat template writes after it is of interest.
_MARK = "0PROMPT0"


@dataclass
class Policy:
    """A causal language model being tuned, with everything needed to ask it.

    Attributes:
        model: a PeftModel (LoRA) or the plain model (full fine-tuning).
        tokenizer: its tokenizer; padding and end-of-sequence tokens are set.
        template: words around prompt and answer.
        identity: 12 hex digits each for weights, config, generation_config, tokenizer and chat_template of the base.
        system: system message before every prompt, "" for none; only with a chat template.
        quantized: in words how the base is held and computes, where it is quantised; "" where not.
        computes_in: bfloat16 where products are computed in it though the weights are in single precision, by autocast.
        votes: completions sampled for what counts as one greedy answer, the most frequent of theirs; 0 for a plain one.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    template: Template
    identity: Mapping[str, str]
    system: str = ""
    votes: int = 0
    computes_in: torch.dtype | None = None
    quantized: str = ""
    _opened: dict[tuple[str, bool], bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def base_hash(self) -> str:
        """12 hex digits for every file that decides what the base says."""
        return identity_hash(self.identity)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @property
    def number_format(self) -> str:
        """Of the weights, such as `float32`, and of products where they have another one."""
        if self.quantized:
            return self.quantized
        weights = str(next(self.model.parameters()).dtype).removeprefix("torch.")
        return f"{weights}, products in bfloat16" if self.computes_in else weights

    @property
    def computes_in_half(self) -> bool:
        """Whether products are of factors in bfloat16."""
        return "bfloat16" in self.number_format

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """Token ids that end a completion."""
        configured = self.model.generation_config.eos_token_id
        ids = configured if isinstance(configured, list) else [configured]
        return tuple({int(i) for i in [*ids, self.tokenizer.eos_token_id] if i is not None})

    @property
    def parameters(self) -> int:
        """Weights of the base that every token is multiplied with: all but embedding lookups; the head counts."""
        return self._multiplied(lambda name, _: "lora_" not in name)

    @property
    def trained_parameters(self) -> int:
        """Weights that training changes, embedding lookups left out as in `parameters`."""
        return self._multiplied(lambda _, p: p.requires_grad)

    def _multiplied(self, counts: Callable[[str, nn.Parameter], bool]) -> int:
        head = self.model.get_output_embeddings().weight
        lookups = {id(m.weight) for m in self.model.modules() if isinstance(m, nn.Embedding) and m.weight is not head}
        weights = self.model.named_parameters()
        return sum(quantization.count(p) for name, p in weights if counts(name, p) and id(p) not in lookups)

    def has_diverged(self) -> bool:
        """Whether a trained weight, or what the model says to a single token, is not a finite number any more."""
        if not all(bool(p.isfinite().all()) for p in self.model.parameters() if p.requires_grad):
            return True
        training = self.model.training
        with torch.no_grad():
            logits = self.model.eval()(torch.tensor([[self.eos_ids[0]]], device=self.device)).logits
        self.model.train(training)
        return not bool(logits.isfinite().all())

    @property
    def context(self) -> int | None:
        """Tokens of prompt and completion the model has positions for, None where its configuration sets no limit.

        With long rotary scaling those up to which angles are the same for all: beyond, a text's follow from the longest
        in its batch, and what is sampled is not what is trained.
        """
        text = self.model.config.get_text_config()
        most: int | None = getattr(text, "max_position_embeddings", None)
        rope = getattr(text, "rope_parameters", None) or {}
        return int(rope["original_max_position_embeddings"]) if rope.get("rope_type") == "longrope" else most

    @property
    def untrained(self) -> bool:
        """Whether the policy still is the base: a LoRA adapter whose B is zero (full fine-tuning cannot tell)."""
        if not isinstance(self.model, PeftModel):
            return False
        return not any(bool(p.any()) for name, p in self.model.named_parameters() if "lora_B" in name)

    def prompt_text(self, example: Example, *, cot: bool) -> str:
        """The whole text put to the model, chat template and system message applied where there is a chat template.

        A template that takes `enable_thinking` gets ``cot``.
        """
        return self.in_chat(self.template.prompt(example, cot=cot), cot=cot)

    def in_chat(self, text: str, *, cot: bool) -> str:
        """What a template wrote as the user's message in the chat template, where there is one."""
        return self._chat(text, cot) if self.tokenizer.chat_template else text

    def _chat(self, text: str, cot: bool) -> str:
        messages = [{"role": "system", "content": self.system}] if self.system else []
        switch: dict[str, Any] = {"enable_thinking": cot} if self.switches_thinking else {}
        return str(
            self.tokenizer.apply_chat_template(
                [*messages, {"role": "user", "content": text}], tokenize=False, add_generation_prompt=True, **switch
            )
        )

    @property
    def switches_thinking(self) -> bool:
        """Whether the chat template can be told to think or not to (`enable_thinking`)."""
        return "enable_thinking" in str(self.tokenizer.chat_template)

    def thinking(self, *, cot: bool) -> Thinking:
        """How completions think: "open" where the prompt ends in a `<think>` that it does not close.

        "block" where the chat template knows `</think>` and chain-of-thought is asked for; "none" otherwise.
        """
        template = str(self.tokenizer.chat_template)
        if THOUGHT not in template and THINK not in template:
            return "none"
        if (template, cot) not in self._opened:
            tail = self._chat(_MARK, cot).rpartition(_MARK)[2]
            self._opened[template, cot] = tail.rfind(THINK) > tail.rfind(THOUGHT)
        return "open" if self._opened[template, cot] else "block" if cot else "none"

    def encode_prompt(self, text: str) -> list[int]:
        """Token ids of a prompt text; a chat template already wrote the beginning-of-sequence token."""
        special = not self.tokenizer.chat_template
        return list(self.tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"])

    def completion_text(self, example: Example, *, cot: bool) -> str:
        """The labelled completion, with the rationale where this model thinks.

        Raises:
            RftlabError: chain-of-thought is asked for and the example has no rationale.
        """
        return self.template.completion(example, cot=cot, thinking=self.thinking(cot=cot))

    def encode_completion(self, example: Example, *, cot: bool) -> list[int]:
        """Token ids of the labelled completion, end-of-sequence token included."""
        ids = self.tokenizer(self.completion_text(example, cot=cot), add_special_tokens=False)["input_ids"]
        return [*ids, int(self.tokenizer.eos_token_id)]

    def count_prompt(self, example: Example, cot: bool) -> int:
        """Tokens of an example's whole prompt."""
        return len(self.encode_prompt(self.prompt_text(example, cot=cot)))

    def count_gold(self, examples: Sequence[Example], cot: bool) -> list[int]:
        """Tokens of labelled completions, end-of-sequence token included."""
        texts = [self.completion_text(example, cot=cot) for example in examples]
        if not texts:  # a tokenizer takes no empty list
            return []
        return [len(ids) + 1 for ids in self.tokenizer(texts, add_special_tokens=False)["input_ids"]]

    def decode(self, completion_ids: Sequence[int], *, cot: bool) -> str:
        """Text of a completion as it is judged: special tokens dropped, spaces untouched.

        Tags that decide what is judged (`<think>`, `<answer>`) stay even where the tokenizer calls them special, and a
        completion of a prompt that ends in `<think>` begins with it.

        Args:
            completion_ids: tokens of the completion.
            cot: whether the prompt asked for chain-of-thought.
        """
        spoken = [token for token in completion_ids if token not in self._silent]
        text = str(self.tokenizer.decode(spoken, skip_special_tokens=False, clean_up_tokenization_spaces=False))
        return THINK + text if self.thinking(cot=cot) == "open" else text

    @functools.cached_property
    def _silent(self) -> frozenset[int]:
        """Ids of special tokens that are not part of what a completion says."""
        special = {i for i, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        special |= {i for i in self.tokenizer.all_special_ids if i is not None}
        heard = {self.tokenizer.convert_tokens_to_ids(tag) for tag in (THINK, THOUGHT, OPEN_TAG, CLOSE_TAG)}
        return frozenset(special - (heard - {self.tokenizer.unk_token_id}))

    @contextlib.contextmanager
    def as_base(self) -> Iterator[Any]:
        """The untrained base behind a LoRA policy.

        Raises:
            RftlabError: full fine-tuning overwrote the base weights.
        """
        if not isinstance(self.model, PeftModel):
            raise RftlabError("full fine-tuning keeps no base beside the policy; load one with load_policy")
        with self.model.disable_adapter():
            yield self.model

    def merged(self) -> AbstractContextManager[None]:
        """LoRA folded into the base weights and large products prepared, for sampling; weights stay as they are."""
        return prepared(self.model, self.computes_in)


def load_policy(cell: Cell, *, kept: Path | None = None, meta: bool = False) -> Policy:
    """Base, tokenizer and adapter, as training starts from them, where and in which precision the cell says.

    The adapter is freshly initialised (`seed_init`); where the cell starts from a kept policy, it is that one's, and
    with full fine-tuning all weights are.

    Args:
        cell: names model, adapter and template.
        kept: folder of a finished cell, to load its policy whatever `cell` starts from.
        meta: read no weights, not those of a kept policy either: a policy of the base's shapes on torch's meta device,
            which can be asked for prompts and tokens. What is refused with the base's weights is refused without.

    Raises:
        RftlabError: the model cannot be found or loaded, is no causal language model, its tokenizer does not fit it, or
            the adapter does not fit; the policy to start from is not there, is damaged, sits on another base or has an
            adapter of another shape.
    """
    quantization.require(cell, here=not meta)
    make_reproducible(cell.model)
    start = kept or (weights.find_cell(cell.start_from) if cell.start_from and not meta else None)
    manifest = weights.verify(start) if start else None
    if manifest:
        weights.require_same_shape(manifest, cell)
        if not kept:
            weights.require_weights(manifest, "start_from")
        start = None if manifest.is_prompt else start
    whole = start / weights.POLICY if start and cell.adapter.kind == "full" else None
    precision, wanted = _as_trained(cell, manifest) if kept and manifest else (cell.precision, cell.device)
    device = torch.device("meta") if meta else place(wanted)
    model, tokenizer, half = _loaded(cell, str(whole or cell.model), device, precision)
    require_fit(cell.model, model, tokenizer)
    quantization.require_widths(cell, model, on_cpu=device.type == "cpu")
    commit = getattr(model.config, "_commit_hash", None)
    identity = {} if meta else model_identity(locate(cell.model), commit)
    if manifest:
        weights.require_same_base(manifest, identity, cell.model)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    bits = "" if meta else cell.quantization.removeprefix(quantization.NONE)
    computes_in = torch.bfloat16 if half and not bits and model.dtype == torch.float32 else None
    if computes_in:
        compute_in_half(model, device.type)
    set_seed(cell.seed_init)
    if cell.adapter.kind == "lora":
        model = adapted(model, cell)
        if start:
            _load_adapter(model, start / weights.POLICY)
    if not meta and not bits:  # those were put there as they were read
        model.to(device)
    if cell.system and not tokenizer.chat_template:
        raise RftlabError(f"model {cell.model!r} has no chat template, so it takes no system message; remove it")
    template = TEMPLATES[cell.template if cell.template != "auto" else "instruct" if tokenizer.chat_template else "qa"]
    return Policy(
        model.eval(), tokenizer, template, identity, system=cell.system, computes_in=computes_in,
        quantized=quantization.number_format(bits, half=half) if bits else "",
    )  # fmt: skip


def _as_trained(cell: Cell, manifest: weights.Manifest) -> tuple[str, str]:
    """Precision and device of a kept policy: it answers as it did, also on a machine that has other GPUs, or none."""
    return BF16 if "bfloat16" in manifest.dtype else FP32, "cpu" if cell.device == "cpu" else AUTO


def _loaded(cell: Cell, path: str, device: torch.device, precision: str) -> tuple[Any, PreTrainedTokenizerBase, bool]:
    """Model and tokenizer, and whether it is to compute in bf16; small models are not, unless they are told to."""
    if device.type == "meta":
        return *load_checkpoint(AutoModelForCausalLM, path, dtype=torch.float32, device_map="meta"), False
    half = wants_half(precision, device.type)
    model, tokenizer = _read(cell, path, device, half=half)
    if half and precision == AUTO and sum(map(quantization.count, model.parameters())) < SMALL:
        half = False
        if device.type != "cpu" or cell.quantization != quantization.NONE:
            model, tokenizer = _read(cell, path, device, half=False)
    return model, tokenizer, half


def _read(cell: Cell, path: str, device: torch.device, *, half: bool) -> tuple[Any, PreTrainedTokenizerBase]:
    if cell.quantization != quantization.NONE:
        return quantization.load(cell.quantization, path, device, half=half)
    dtype = number_format(cell.adapter.kind, device.type, bf16=half)
    return load_checkpoint(AutoModelForCausalLM, path, dtype=dtype)


def adapted(model: Any, cell: Cell) -> PeftModel:
    """The model with a fresh LoRA adapter of the cell's shape.

    Raises:
        RftlabError: the adapter does not fit.
    """
    config = _lora_config(cell)
    wanted = cell.adapter.target_modules
    modules = {name for name, _ in model.named_modules()}
    for target in sorted(config.target_modules or ()) if wanted != "all-linear" else ():
        if not any(name == target or name.endswith(f".{target}") for name in modules):
            linear = {
                name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, nn.Linear)
            }
            near = difflib.get_close_matches(target, linear, n=3, cutoff=0.5) or sorted(linear)
            raise RftlabError(
                f"adapter.target_modules {wanted!r}: model {cell.model!r} has no module {target!r}; "
                f"did you mean {', '.join(near)}?"
            )
    try:
        with warnings.catch_warnings():
            # peft reads a property that transformers 5 renames; nothing a user can act on.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            return get_peft_model(model, config)
    except ValueError as error:
        raise RftlabError(f"adapter.target_modules {wanted!r} does not fit: {one_line(str(error))}") from None


def make_reproducible(model: str) -> None:
    """Let torch compute the same each time, and the tiny base on one thread.

    So small a model is fastest on one thread, and its records then do not depend on the number of workers.
    """
    if model == TINY_BASE:
        torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # In deterministic mode torch fills every `empty` it makes, against code that reads what it never wrote. TRL's
    # log-probability buffer has room for 32768 tokens of vocabulary: filling it took a third of a GRPO step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _load_adapter(model: Any, folder: Path) -> None:
    loaded: Any = set_peft_model_state_dict(model, load_file(folder / SAFETENSORS_WEIGHTS_NAME))
    missing = [name for name in loaded.missing_keys if "lora_" in name]
    for name in (*missing, *loaded.unexpected_keys):
        raise RftlabError(
            f"the adapter in {folder} does not fit this base: {name} is {'missing' if missing else 'not in it'}; "
            "give the model and adapter.target_modules it was trained with"
        )


def _lora_config(cell: Cell) -> LoraConfig:
    targets: str | list[str] = cell.adapter.target_modules
    if targets != "all-linear":
        targets = [name.strip() for name in str(targets).split(",") if name.strip()]
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=cell.adapter.r,
        lora_alpha=cell.adapter.alpha,
        lora_dropout=cell.adapter.dropout,
        target_modules=targets,
    )
