"""A model and its tokenizer from files, whole or not at all: nothing missing is made up, nothing present is dropped."""

import pickle
from collections.abc import Collection
from pathlib import Path
from typing import Any

from safetensors import safe_open
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging as transformers_logging

from rftlab.errors import RftlabError, told
from rftlab.policy.hub import locate, require_reachable


def load_checkpoint(
    auto_class: Any, model: str, *, what: str = "model", tokenizer: dict[str, Any] | None = None, **options: Any
) -> tuple[Any, PreTrainedTokenizerBase]:
    """The model in evaluation mode, and its tokenizer.

    transformers fills up tensors that a checkpoint lacks with random numbers, anew at every load, and drops those its
    config has no place for, with a warning: a study of such a model is a study of noise. Pickled weights are read as
    tensors only, so that they cannot run code.

    Args:
        auto_class: such as `transformers.AutoModelForCausalLM`.
        model: `tiny-base`, a local directory, or a hub id.
        what: how the model is called in error messages.
        tokenizer: options of the tokenizer.
        options: further ones of the model.

    Raises:
        RftlabError: it cannot be found or loaded, or its weights are not exactly those its config.json describes.
    """
    transformers_logging.disable_progress_bar()
    require_reachable(model)
    where = locate(model)
    part = "tokenizer"
    try:
        loaded_tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False, **(tokenizer or {}))
        part = "model"
        loaded, info = auto_class.from_pretrained(where, output_loading_info=True, trust_remote_code=False, **options)
    except pickle.PickleError:
        raise RftlabError(
            f"{what} {model!r}: its pickled weights hold more than tensors, which could run code when they are read; "
            "give a copy saved as safetensors"
        ) from None
    except Exception as error:  # whatever reading a user's files raises is about these files
        its = "" if part == "model" else f": its {part}"
        mend = "get or save the model again" if Path(where).is_dir() else "give a saved model's folder"
        raise RftlabError(f"{what} {model!r}{its} cannot be loaded: {told(error)}; {mend}") from error
    _require_whole(f"{what} {model!r}", info)
    _require_fractions(f"{what} {model!r}", Path(where), loaded)
    return loaded.eval(), loaded_tokenizer


def require_fit(name: str, model: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise unless the model says text from left to right, and its tokenizer speaks its vocabulary and can end.

    Raises:
        RftlabError: as said.
    """
    known = set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values())
    saved = model.config.architectures or []
    if saved and not known & set(saved):
        raise RftlabError(f"model {name!r} is a {saved[0]}, not a causal language model; give one that writes text")
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise RftlabError(
            f"model {name!r}: its tokenizer has {len(tokenizer)} tokens, but the model embeddings for {rows}; "
            "they do not belong together, or the embeddings have to be resized and saved"
        )
    if tokenizer.eos_token_id is None:
        raise RftlabError(
            f"model {name!r}: its tokenizer has no end-of-sequence token, so completions never end; name it as "
            "eos_token in tokenizer_config.json"
        )


def _require_whole(name: str, info: dict[str, Any]) -> None:
    mend = "config.json and weights do not belong together, or the copy is incomplete; get or save the model again"
    if lacking := [*info["missing_keys"], *(str(key) for key in info["mismatched_keys"])]:
        raise RftlabError(f"{name} lacks {_some(lacking)}, which would be filled with random numbers: {mend}")
    if foreign := info["unexpected_keys"]:
        raise RftlabError(f"{name} holds {_some(foreign)} that its config.json has no place for: {mend}")


def _require_fractions(name: str, folder: Path, loaded: Any) -> None:
    """Raise if a tensor of weights is stored as whole numbers, which are read without a word, and mean nothing.

    Quantised weights are, and say so in their config.
    """
    if getattr(loaded.config, "quantization_config", None) is not None:
        return
    parameters = dict(loaded.named_parameters())
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as held:
            kinds = {key: held.get_slice(key).get_dtype() for key in held.keys() if key in parameters}  # noqa: SIM118
        if whole := [key for key, kind in kinds.items() if kind[0] in "IUB" and kind != "BF16"]:
            kind = kinds[min(whole)]
            raise RftlabError(f"{name} holds {_some(whole)} as whole numbers ({kind}); get or save the model again")


def _some(keys: Collection[str]) -> str:
    """How many tensors, and the name of the first."""
    first = min(keys)
    return f"the tensor {first}" if len(keys) == 1 else f"{len(keys)} tensors ({first}, ...)"
