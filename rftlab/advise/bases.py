"""Well-known open bases, as data: what their config.json holds, so that no hub is asked how large they are.

Numbers from the config.json files of the hub ids (the `-Instruct` one and its pretrained twin have the same shapes);
the parameter counts are those of their model cards, and a test holds shapes and counts against one another.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Base(NamedTuple):
    """A base.

    Attributes:
        id: on the Hugging Face hub; tuned to follow instructions, where there are two.
        parameters: as its card says.
        config: what decides shapes and memory.
        terms: its licence, and whether the hub wants an agreement first.
    """

    id: str
    parameters: int
    config: Mapping[str, Any]
    terms: str


_APACHE = "Apache-2.0"
_GATED = "Llama community licence; the hub asks for an agreement"


def _base(
    id: str, parameters: int, kind: str, hidden: int, wide: int, layers: int, heads: int, groups: int, words: int,
    context: int, *, tied: bool = True, head: int = 0, terms: str = _APACHE,
) -> Base:  # fmt: skip
    config = {
        "model_type": kind, "hidden_size": hidden, "intermediate_size": wide, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": groups, "vocab_size": words,
        "max_position_embeddings": context, "tie_word_embeddings": tied,
    }  # fmt: skip
    return Base(id, parameters, config | ({"head_dim": head} if head else {}), terms)


BASES: tuple[Base, ...] = (
    _base("HuggingFaceTB/SmolLM2-135M-Instruct", 134_515_008, "llama", 576, 1536, 30, 9, 3, 49152, 8192),
    _base("HuggingFaceTB/SmolLM2-360M-Instruct", 361_821_120, "llama", 960, 2560, 32, 15, 5, 49152, 8192),
    _base("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768, "qwen2", 896, 4864, 24, 14, 2, 151936, 32768),
    _base("Qwen/Qwen3-0.6B", 596_049_920, "qwen3", 1024, 3072, 28, 16, 8, 151936, 40960, head=128),
    _base("meta-llama/Llama-3.2-1B-Instruct", 1_235_814_400, "llama", 2048, 8192, 16, 32, 8, 128256, 131072, head=64,
          terms=_GATED),
    _base("Qwen/Qwen2.5-1.5B-Instruct", 1_543_714_304, "qwen2", 1536, 8960, 28, 12, 2, 151936, 32768),
    _base("HuggingFaceTB/SmolLM2-1.7B-Instruct", 1_711_376_384, "llama", 2048, 8192, 24, 32, 32, 49152, 8192),
    _base("Qwen/Qwen3-1.7B", 1_720_574_976, "qwen3", 2048, 6144, 28, 16, 8, 151936, 40960, head=128),
    _base("Qwen/Qwen2.5-3B-Instruct", 3_085_938_688, "qwen2", 2048, 11008, 36, 16, 2, 151936, 32768,
          terms="Qwen research licence"),
    _base("meta-llama/Llama-3.2-3B-Instruct", 3_212_749_824, "llama", 3072, 8192, 28, 24, 8, 128256, 131072, head=128,
          terms=_GATED),
    _base("Qwen/Qwen3-4B", 4_022_468_096, "qwen3", 2560, 9728, 36, 32, 8, 151936, 40960, head=128),
    _base("Qwen/Qwen2.5-7B-Instruct", 7_615_616_512, "qwen2", 3584, 18944, 28, 28, 4, 152064, 32768, tied=False),
    _base("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248, "llama", 4096, 14336, 32, 32, 8, 128256, 131072,
          tied=False, terms=_GATED),
    _base("Qwen/Qwen3-8B", 8_190_735_360, "qwen3", 4096, 12288, 36, 32, 8, 151936, 40960, tied=False, head=128),
    _base("Qwen/Qwen2.5-14B-Instruct", 14_770_033_664, "qwen2", 5120, 13824, 48, 40, 8, 152064, 32768, tied=False),
    _base("Qwen/Qwen2.5-32B-Instruct", 32_763_876_352, "qwen2", 5120, 27648, 64, 40, 8, 152064, 32768, tied=False),
)  # fmt: skip


def known(model: str) -> Base | None:
    """The base of a hub id, the pretrained twin's too; None of others."""
    return next((base for base in BASES if model.casefold() in _names(base)), None)


def _names(base: Base) -> Iterator[str]:
    yield base.id.casefold()
    yield base.id.casefold().removesuffix("-instruct")
