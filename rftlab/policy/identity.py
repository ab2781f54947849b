"""Which model a folder holds: a hash of every file that decides what the model says.

Hashes are of content, never of names of models, dates or places, so that a copy of a folder is the same model and a
folder whose files were exchanged is another. What decides nothing (a README, the version of transformers that wrote a
file) does not enter. Never imports torch.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

# What transformers may read from a model's folder. Weights count whatever their format and whichever it prefers.
_WEIGHTS = (
    "*.safetensors", "*.bin", "*.pt", "*.pth", "*.ckpt", "*.gguf", "*.ggml", "*.h5", "*.msgpack", "*.npz",
    "*.index.json", "adapter_config.json",
)  # fmt: skip
_TOKENIZER = (
    "tokenizer*", "vocab*", "merges*", "special_tokens_map.json", "added_tokens.json", "spiece*", "sentencepiece*",
    "normalizer.json", "*.model", "*.tiktoken", "*tekken*.json", "*.spm", "*.bpe", "*.codes",
)  # fmt: skip
_FILES: Mapping[str, tuple[str, ...]] = {
    "weights": _WEIGHTS,
    "config": ("config.json", "quant*config.json"),
    "generation_config": ("generation_config.json",),
    "tokenizer": _TOKENIZER,
    "chat_template": ("chat_template*", "additional_chat_templates/*"),
}
PARTS = tuple(_FILES)
# Notes of who wrote a JSON file, which change nothing.
_NOTES = ("transformers_version", "_name_or_path")
_TEMPLATE = "chat_template"


def model_identity(where: str, commit: str | None = None) -> dict[str, str]:
    """12 hex digits each for weights, config, generation_config, tokenizer and chat_template.

    A chat template counts as `chat_template` wherever it stands, so that the tokenizer's digits do not follow it.

    Args:
        where: a model's folder, or a hub id that has been downloaded.
        commit: the commit of a hub id that was resolved; what stands for its files where its folder cannot be found.
    """
    folder = folder_of(where, commit)
    if folder is None:
        return {part: _short(f"{where}@{commit}:{part}".encode()) for part in PARTS}
    return {part: _short(b"".join(_parts(folder, part))) for part in PARTS}


def folder_of(where: str, commit: str | None = None) -> Path | None:
    """The folder of a model's files on this machine: its own, or that of a downloaded hub id; None if there is none."""
    return Path(where) if Path(where).is_dir() else _snapshot(where, commit)


def identity_hash(identity: Mapping[str, str]) -> str:
    """12 hex digits of a whole identity."""
    return _short(json.dumps(dict(identity), sort_keys=True).encode())


def _parts(folder: Path, part: str) -> Iterator[bytes]:
    """Name and content of each file of one part, in order of name."""
    files = {path for pattern in _FILES[part] for path in folder.glob(pattern) if path.is_file()}
    if part == "weights":
        files |= _shards(folder)
    for path in sorted(files):
        yield path.relative_to(folder).as_posix().encode() + b"\0" + _digest_of(path)
    if part == _TEMPLATE and (template := _json(folder / "tokenizer_config.json").get(_TEMPLATE)):
        yield hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()


def _shards(folder: Path) -> set[Path]:
    """Weight files that an index names, below folders too."""
    names = {
        name
        for index in folder.glob("*.index.json")
        if isinstance(weights := _json(index).get("weight_map"), dict)
        for name in weights.values()
    }
    return {path for name in names if (path := folder / str(name)).is_file()}


def _digest_of(path: Path) -> bytes:
    if path.name in ("config.json", "generation_config.json", "tokenizer_config.json") and (values := _json(path)):
        kept = {name: value for name, value in values.items() if name not in (*_NOTES, _TEMPLATE)}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).digest()
    at = path.stat()
    return _file_digest(path, at.st_ino, at.st_size, at.st_mtime_ns)


@lru_cache(maxsize=4096)
def _file_digest(path: Path, *_state: int) -> bytes:
    """SHA-256 of a file, once a process: a tuning stage loads the same weights once a trial."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _json(path: Path) -> dict[str, object]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _snapshot(model: str, commit: str | None) -> Path | None:
    """Folder of a hub model's files on this machine."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.utils import HFValidationError

    try:
        found = try_to_load_from_cache(model, "config.json", revision=commit)
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
