"""A model that cannot be trained or asked is refused before anything runs, in one sentence."""

import json
import os
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertLMHeadModel,
    Gemma2Config,
    Gemma2ForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from rftlab import preflight
from rftlab.cell import Cell
from rftlab.errors import RftlabError
from rftlab.files.paths import data_dir
from rftlab.policy.preflight import check
from rftlab.preflight import checks
from rftlab.preflight.checks import Looked
from rftlab.tasks.base import Example, Task

WEIGHTS = "model.safetensors"


def _json(name, **values):
    def change(folder):
        path = folder / name
        found = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in {**found, **values}.items() if v is not None}))

    return change


def _weights(change):
    def apply(folder):
        weights = load_file(folder / WEIGHTS)
        change(weights)
        save_file(weights, folder / WEIGHTS, {"format": "pt"})

    return apply


def _text(name, text):
    return lambda folder: (folder / name).write_text(text)


def _without(*names):
    return lambda folder: [(folder / name).unlink() for name in names]


class _Runs:
    def __reduce__(self):
        return os.mkdir, ("/nowhere/at/all",)


def _pickle(folder):
    (folder / WEIGHTS).unlink()
    torch.save({"model.norm.weight": _Runs()}, folder / "pytorch_model.bin")


def _bert(kind):
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}

    def change(folder):
        kind(BertConfig(vocab_size=715, **size)).save_pretrained(folder)

    return change


def _t5(folder):
    config = T5Config(vocab_size=715, d_model=8, d_ff=8, num_layers=1, num_heads=1, d_kv=8)
    T5ForConditionalGeneration(config).save_pretrained(folder)


# What is wrong with a copy of the tiny base, and what is said.
BAD = {
    "no config": (_without("config.json"), "has no config.json"),
    "empty config": (_text("config.json", ""), "cannot be loaded"),
    "a config that is a list": (_text("config.json", "[]"), "cannot be loaded"),
    "unknown architecture": (_json("config.json", model_type="newest"), "newest"),
    "no model type": (_json("config.json", model_type=None, architectures=None), "cannot be loaded"),
    "wrong numbers": (_json("config.json", num_attention_heads=-3), "cannot be loaded"),
    "a billion layers": (
        _json("config.json", num_hidden_layers=10**9),
        "has num_hidden_layers 1000000000; get or save",
    ),
    "a config without end": (_text("config.json", "[" * 100_000), "is nested without end; get or save the model again"),
    "a template that leaves the prompt out": (
        _json("tokenizer_config.json", chat_template="Hello"),
        "leaves out what is asked",
    ),
    "a template of millions": (
        _json("tokenizer_config.json", chat_template="{{ messages[0].content }}{{ 'word ' * 300000 }}"),
        r"writes 1,5\d\d,\d+ characters for a prompt of \d+",
    ),
    "weights of whole numbers": (
        _weights(lambda w: w.update({"model.norm.weight": w["model.norm.weight"].int()})),
        r"holds the tensor model.norm.weight as whole numbers \(I32\)",
    ),
    "a generation config cut off": (_text("generation_config.json", '{"eos'), "generation_config.json cannot be read"),
    "encoder only": (_bert(BertForMaskedLM), "BertForMaskedLM, not a causal language model"),
    "encoder and decoder": (_t5, "cannot be loaded"),
    "code of its own": (
        _json("config.json", auto_map={"AutoConfig": "m.C"}, model_type="mine"),
        "cannot be loaded: ValueError: .*custom code",
    ),
    "a tensor lacks": (_weights(lambda w: w.pop("model.norm.weight")), "lacks the tensor model.norm.weight"),
    "a foreign tensor": (_weights(lambda w: w.update(odd=torch.zeros(2))), "holds the tensor odd"),
    "another width": (_json("config.json", hidden_size=64), "cannot be loaded"),
    "no weights": (_without(WEIGHTS), "cannot be loaded"),
    "weights cut off": (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:-9]), "cannot be loaded"),
    "empty weights": (_text(WEIGHTS, ""), "cannot be loaded"),
    "a pickle that runs code": (_pickle, "hold more than tensors"),
    "no tokenizer": (_without("tokenizer.json", "tokenizer_config.json"), "its tokenizer cannot be loaded"),
    "a broken tokenizer": (_text("tokenizer.json", '{"model": 3}'), "cannot be loaded"),
    "no end of sequence": (_json("tokenizer_config.json", eos_token=None), "no end-of-sequence token"),
    "more tokens than embeddings": (
        _json("tokenizer_config.json", added_tokens_decoder={"999": {"content": "<new>", "special": True}}),
        "tokenizer has 716 tokens, but the model embeddings for 715",
    ),
    "a chat template that raises": (
        _json("tokenizer_config.json", chat_template="{{ raise_exception('only with tools') }}"),
        "cannot write out a prompt: .*only with tools",
    ),
    "a chat template that is none": (_json("tokenizer_config.json", chat_template="{% for %}"), "cannot write out"),
    "a short context": (_json("config.json", max_position_embeddings=20), "more than the 20 of model"),
}


@pytest.fixture(scope="module")
def task():
    rows = tuple(Example(f"e{i}", f"How much is {i} plus 2?", str(i + 2), "because") for i in range(8))
    return Task("sums", "card", rows[:4], rows[4:])


def look(task, **values):
    cell = Cell.make({"labels": 2, **values})
    check(Looked([cell], 60.0, tasks={checks.task_key(cell): task}))


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(data_dir() / "tiny_base", folder)
    return folder


@pytest.mark.parametrize("what", BAD)
def test_a_bad_model_is_refused_in_a_sentence(what, model, task):
    change, says = BAD[what]
    change(model)
    with pytest.raises(RftlabError, match=says) as caught:
        look(task, model=str(model))
    assert "\n" not in str(caught.value)
    assert "model" in str(caught.value)


def test_a_sound_copy_and_a_decoder_of_encoders_pass(model, task):
    look(task, model=str(model))
    _bert(BertLMHeadModel)(model)
    look(task, model=str(model), **{"adapter.target_modules": "query, value"})


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"adapter.target_modules": "q_proj,v_porj"}, "has no module 'v_porj'; did you mean v_proj"),
        ({"adapter.target_modules": "nonsense"}, "has no module 'nonsense'; did you mean down_proj"),
        ({"adapter.target_modules": "norm"}, "does not fit"),
        ({"system": "Be brief."}, "has no chat template, so it takes no system message"),
        ({"decoding.max_new_tokens": 600}, "lower decoding.max_new_tokens$"),
    ],
)
def test_what_does_not_fit_a_sound_model_is_refused(values, says, task):
    with pytest.raises(RftlabError, match=says):
        look(task, model="tiny-base", **values)


def test_the_tiny_base_is_checked_without_torch(task, tmp_path):
    row = {"prompt": "5 " * 100_000, "answer": "5"}
    data = tmp_path / "d.jsonl"
    data.write_text("\n".join(json.dumps({**row, "prompt": f"{row['prompt']}{i}"}) for i in range(9)))
    cell = Cell.make(
        {"task": "file", "task_settings": {"path": str(data)}, "labels": 2, "cot": False, "evaluation.along_items": 2}
    )
    with pytest.raises(RftlabError, match="has 2000.. tokens; .* more than the 512 .*max_new_tokens_direct$"):
        checks.run({"cells": [cell.model_dump(mode="json")], "limit": 60.0})
    needed = {check.target for check in checks.CHECKS if check.needed(cell)}
    assert needed == {"rftlab.preflight.data:check", "rftlab.policy.context:check"}


@pytest.mark.parametrize("kind", ["the tiny base", "another model"])
def test_shots_that_do_not_fit_are_left_out_and_said_before_anything_runs(kind, model):
    fits, beyond = (
        Cell.make({"method": "base-few-shot", "labels": shots, "settings": {"shots": shots},
                   "model": "tiny-base" if kind == "the tiny base" else str(model)})
        for shots in (2, 60)
    )  # fmt: skip
    found = checks.run({"cells": [fits.model_dump(mode="json")], "limit": 60.0})
    assert not [note for note in found["notes"] if "shots" in note]
    found = checks.run({"cells": [beyond.model_dump(mode="json")], "limit": 60.0})
    [said] = [note for note in found["notes"] if "shots" in note]
    assert re.search(r"[1-9]\d? of 60 shots fit before its prompts; base-few-shot leaves out the others", said)


class _Hub(BaseHTTPRequestHandler):
    def do_GET(self):
        kind = self.path.split("/")[3]
        self.send_response(404 if kind == "nobody" else 403)
        self.send_header("X-Error-Code", "RepoNotFound" if kind == "nobody" else "GatedRepo")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("nobody/nothing", "the model hub knows no such model"),
        ("someone/gated", "it is gated: its owner has to give you access"),
        ("", "the model hub cannot be reached"),
    ],
)
def test_a_hub_model_that_cannot_be_had_is_said_at_once(model, says, monkeypatch, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    if not model:
        server.shutdown()
        server.server_close()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(RftlabError, match=f"{says}.*rftlab fetch"):
        preflight.check([Cell.make({"model": model or "some/model", "labels": 2})])
    server.shutdown() if model else None
    server.server_close()


def test_a_bad_model_stops_a_grid_once_with_exit_code_2(model, tmp_path, capsys):
    from rftlab import cli

    (model / WEIGHTS).unlink()
    grid = tmp_path / "g.yaml"
    grid.write_text(f"model: {model}\nmethod: [base, sft]\nseed: [0, 1]\nlabels: 4\n")
    assert cli.main(["run", str(grid), "--results", str(tmp_path / "r"), "--kernel", "cold"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "r").exists()
    assert not list(Path(tmp_path).glob("r*"))


def test_a_model_that_transformers_decodes_is_said_once(task, model):
    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "head_dim": 4}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    Gemma2ForCausalLM(Gemma2Config(vocab_size=715, **size, **heads)).save_pretrained(model)
    cells = [Cell.make({"labels": labels, "model": str(model)}) for labels in (1, 2)]
    looked = Looked(cells, 60.0, tasks={checks.task_key(cell): task for cell in cells})
    check(looked)
    said = [note for note in looked.notes if "decodes" in note]
    assert said == [
        "model: transformers decodes its completions, more slowly, since the architecture Gemma2 is none of those "
        "written out"
    ]


def test_the_length_at_which_rotary_angles_change_with_the_batch_is_the_context(task, model):
    rope = {"rope_type": "longrope", "rope_theta": 100.0, "short_factor": [1.0, 1.0], "long_factor": [1.0, 2.0]}
    config = Phi3Config(
        vocab_size=715, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=512, pad_token_id=0,
        original_max_position_embeddings=128, rope_parameters={**rope, "original_max_position_embeddings": 128},
    )  # fmt: skip
    Phi3ForCausalLM(config).save_pretrained(model)
    look(task, model=str(model), **{"decoding.max_new_tokens": 16})
    with pytest.raises(RftlabError, match=r"with a completion of up to 120 that is more than the 128 of model "):
        look(task, model=str(model), **{"decoding.max_new_tokens": 120})
