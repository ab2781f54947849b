"""Model folders that cannot be trained or asked: copies of the tiny base, each with one thing wrong."""

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rftlab.files.paths import data_dir
from tests.proof.inputs_tried import MODEL_S, Bad

Change = Callable[[Path], object]
_WEIGHTS = "model.safetensors"
_GRID = "model: ./m\nmethod: grpo\nlabels: 5\nevaluation.along_items: 4\n"


def _tiny(path: Path, change: Change) -> None:
    shutil.copytree(data_dir() / "tiny_base", path)
    change(path)


def _set(file: str, **values: Any) -> Change:
    """Give values in a JSON file; None takes one out."""

    def change(folder: Path) -> None:
        path = folder / file
        found = {**json.loads(path.read_text()), **values} if path.exists() else values
        path.write_text(json.dumps({name: value for name, value in found.items() if value is not None}))

    return change


def _write(file: str, content: str | bytes) -> Change:
    return lambda folder: (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)


def _without(*files: str) -> Change:
    return lambda folder: [(folder / file).unlink() for file in files]


def _all(*changes: Change) -> Change:
    return lambda folder: [change(folder) for change in changes]


def _header(change: Callable[[dict[str, Any]], object]) -> Change:
    """Rewrite the header of the weights, whose bytes stay."""

    def apply(folder: Path) -> None:
        raw = (folder / _WEIGHTS).read_bytes()
        size = struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8 : 8 + size])
        change(header)
        text = json.dumps(header).encode()
        (folder / _WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + size :])

    return apply


def _rename(old: str, new: str) -> Callable[[dict[str, Any]], object]:
    return lambda header: header.update({new: header.pop(old)})


class _Runs:
    """Opened as a pickle it makes a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pwned",)


def _pickled(folder: Path) -> None:
    import pickle

    (folder / _WEIGHTS).unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(_Runs()))


def _saved(folder: Path) -> None:
    import torch

    (folder / _WEIGHTS).unlink()
    torch.save({"model.norm.weight": _Runs()}, folder / "pytorch_model.bin")


def _index(weight_map: Any) -> Change:
    index = {"metadata": {}, "weight_map": weight_map}
    return _all(_without(_WEIGHTS), _write(f"{_WEIGHTS}.index.json", json.dumps(index)))


_CODE = "import os\nos.mkdir('pwned')\nclass C: pass\n"
_NORM, _QUERY = "model.norm.weight", "model.layers.0.self_attn.q_proj.weight"
_CHANGES: dict[str, Change] = {
    "empty": lambda folder: [path.unlink() for path in folder.iterdir()],
    "no config": _without("config.json"),
    "a config cut off": _write("config.json", '{"model_type": "llama",'),
    "a config that is a list": _write("config.json", "[1]"),
    "a config that is null": _write("config.json", "null"),
    "a config of bytes": _write("config.json", b"\xff\xfe\x00"),
    "an empty config": _write("config.json", ""),
    "a deep config": _write("config.json", "[" * 100_000),
    "no model type": _set("config.json", model_type=None, architectures=None),
    "an unknown type": _set("config.json", model_type="llama9"),
    "a type that is a number": _set("config.json", model_type=3),
    "GPT-2's config": _set("config.json", model_type="gpt2", architectures=["GPT2LMHeadModel"]),
    "BERT's config": _set("config.json", model_type="bert", architectures=["BertForMaskedLM"]),
    "T5's config": _set("config.json", model_type="t5", architectures=["T5ForConditionalGeneration"]),
    "Mistral's config": _set(
        "config.json", model_type="mistral", architectures=["MistralForCausalLM"], num_key_value_heads=1
    ),
    "another width": _set("config.json", hidden_size=64),
    "a layer more": _set("config.json", num_hidden_layers=4),
    "a layer fewer": _set("config.json", num_hidden_layers=2),
    "no layers": _set("config.json", num_hidden_layers=0),
    "heads below 0": _set("config.json", num_attention_heads=-3),
    "no heads": _set("config.json", num_attention_heads=0),
    "heads that do not divide": _set("config.json", num_attention_heads=5),
    "a width of a text": _set("config.json", hidden_size="96"),
    "a width of a billion": _set("config.json", hidden_size=10**9),
    "a billion layers": _set("config.json", num_hidden_layers=10**9),
    "a vocabulary of a billion": _set("config.json", vocab_size=10**9),
    "a small vocabulary": _set("config.json", vocab_size=100),
    "a context of 8": _set("config.json", max_position_embeddings=8),
    "a context of a text": _set("config.json", max_position_embeddings="long"),
    "no activation of that name": _set("config.json", hidden_act="silly"),
    "a dtype of no name": _set("config.json", dtype="float99"),
    "quantized": _set("config.json", quantization_config={"quant_method": "gptq", "bits": 4}),
    "code of its own": _all(
        _set("config.json", auto_map={"AutoConfig": "own.C", "AutoModelForCausalLM": "own.C"}, model_type="own"),
        _write("own.py", _CODE),
    ),
    "code of its own beside llama": _all(
        _set("config.json", auto_map={"AutoModelForCausalLM": "own.C"}, architectures=["C"]),
        _write("own.py", _CODE),
        _without(_WEIGHTS),
    ),
    "an unknown rope": _set("config.json", rope_parameters={"rope_type": "twisted", "rope_theta": 1.0}),
    "a rope that is a list": _set("config.json", rope_parameters=[1]),
    "no weights": _without(_WEIGHTS),
    "weights of nothing": _write(_WEIGHTS, ""),
    "weights of text": _write(_WEIGHTS, "x" * 100),
    "a header too long": _write(_WEIGHTS, struct.pack("<Q", 2**40) + b"{}"),
    "weights cut off": lambda folder: os.truncate(folder / _WEIGHTS, 100_000),
    "a Git LFS pointer": _write(_WEIGHTS, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
    "a tensor lacks": _header(lambda header: header.pop(_NORM)),
    "a tensor of another name": _header(_rename(_NORM, "transformer.norm.weight")),
    "a tensor too many": _header(lambda h: h.update(odd={**h[_NORM]})),
    "every tensor of another name": _header(
        lambda header: [header.update({f"x.{name}": header.pop(name)}) for name in [*header] if name != "__metadata__"]
    ),
    "a tensor of another shape": _header(lambda header: header[_QUERY].update(shape=[96 * 96])),
    "a tensor of another type": _header(lambda header: header[_QUERY].update(dtype="I32")),
    "a type that is none": _header(lambda header: header[_QUERY].update(dtype="F7")),
    "offsets beyond the end": _header(lambda header: header[_QUERY].update(data_offsets=[10**12, 10**12 + 4])),
    "a pickle": _pickled,
    "a pickle of torch": _saved,
    "a pickle that is text": _all(_without(_WEIGHTS), _write("pytorch_model.bin", "hello")),
    "a link to nothing as weights": _all(_without(_WEIGHTS), lambda f: (f / _WEIGHTS).symlink_to("gone")),
    "shards that are not there": _index({_NORM: "model-00001-of-00002.safetensors"}),
    "shards elsewhere": _index({_NORM: "../../../etc/passwd"}),
    "an index of a text": _index("x"),
    "an index of nothing": _index({}),
    "no tokenizer": _without("tokenizer.json", "tokenizer_config.json"),
    "no tokenizer.json": _without("tokenizer.json"),
    "a tokenizer cut off": lambda folder: os.truncate(folder / "tokenizer.json", 500),
    "a tokenizer of nothing": _write("tokenizer.json", "{}"),
    "a tokenizer of a list": _write("tokenizer.json", "[1]"),
    "a tokenizer's config of a list": _write("tokenizer_config.json", "[1]"),
    "a tokenizer's config cut off": _write("tokenizer_config.json", '{"a":'),
    "a tokenizer of no class": _all(
        _set("tokenizer_config.json", tokenizer_class="NoSuchTokenizer"), _without("tokenizer.json")
    ),
    "no end of sequence": _set("tokenizer_config.json", eos_token=None),
    "more tokens than embeddings": _set(
        "tokenizer_config.json", added_tokens_decoder={"9999": {"content": "<new>", "special": True}}
    ),
    "a tokenizer with code": _all(
        _set("tokenizer_config.json", auto_map={"AutoTokenizer": ["own.C", None]}, tokenizer_class="C"),
        _write("own.py", _CODE),
        _without("tokenizer.json"),
    ),
    "a template that raises": _set("tokenizer_config.json", chat_template="{{ raise_exception('not today') }}"),
    "a template that is none": _set("tokenizer_config.json", chat_template="{% for m in %}"),
    "a template of a number": _set("tokenizer_config.json", chat_template=3),
    "a template that reaches out": _set(
        "tokenizer_config.json", chat_template="{{ messages.__class__.__mro__[1].__subclasses__() }}"
    ),
    "a template without end": _set(
        "tokenizer_config.json", chat_template="{% for i in range(10**9) %}{{ i }}{% endfor %}"
    ),
    "a template of millions": _set("tokenizer_config.json", chat_template="{{ 'word ' * 3000000 }}"),
    "a template of nothing": _set("tokenizer_config.json", chat_template="{{ '' }}"),
    "an adapter alone": _all(
        _without("config.json", _WEIGHTS),
        _write("adapter_config.json", '{"base_model_name_or_path": "gone", "peft_type": "LORA"}'),
        _write("adapter_model.safetensors", b""),
    ),
    "no one's generation config": _write("generation_config.json", "[1]"),
    "a generation config cut off": _write("generation_config.json", '{"eos'),
    "a processor alone": _without("config.json", _WEIGHTS, "tokenizer.json"),
}
_OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "a file": ("./m", {"m": "weights"}),
    "a safetensors file": ("./m.safetensors", {"m.safetensors": b"\x00"}),
    "a GGUF file": ("./m.gguf", {"m.gguf": b"GGUF\x03"}),
    "a link to nothing": ("./m", {"m": lambda path: path.symlink_to("gone")}),
    "a link to itself": ("./m", {"m": lambda path: path.symlink_to("m")}),
    "a folder above": ("../../../none", {}),
    "a home of nobody": ("~nobody_here/m", {}),
    "a URL": ("https://huggingface.co/gpt2", {}),
    "two slashes": ("a/b/c", {}),
    "dots": ("..", {}),
    "blanks": ("' '", {}),
    "an emoji": ("'\U0001f600'", {}),
    "5 000 characters": ("m" * 5000, {}),
    "a misspelt default": ("tiny-bsae", {}),
    "smollm2 not fetched": ("smollm2", {}),
    "a dash": ("'--help'", {}),
}


def _models() -> Iterator[Bad]:
    for number, (what, change) in enumerate(_CHANGES.items()):
        files = {"m": lambda path, change=change: _tiny(path, change), "g.yaml": _GRID}
        verb = ("run", "g.yaml", "--dry-run") if number % 2 else ("run", "g.yaml", "--kernel", "cold")
        yield Bad(f"model: {what}", verb, files, r"\bm\b|model", seconds=MODEL_S)
    for what, (name, files) in _OTHERS.items():
        grid = _GRID.replace("./m", name)
        yield Bad(
            f"model: {what}", ("run", "g.yaml", "--kernel", "cold"), {**files, "g.yaml": grid}, "model", seconds=MODEL_S
        )


MODELS = [*_models()]
