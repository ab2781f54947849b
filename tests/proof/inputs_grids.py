"""Grid files and cells' files that cannot be: each parameter of a wrong type, misspelt, out of range, ..."""

import json
import os
from collections.abc import Iterator
from typing import Any

from rftlab.cell import Cell
from rftlab.grid.keys import KEYS
from rftlab.grid.tuning import Stage
from tests.proof.inputs_tried import MODEL_S, Bad, Content

_AT = r"g\.yaml line \d+: "
_BOMB = "settings:\n  b: &b [y, y, y, y, y, y, y, y, y, y]\n" + "".join(
    f"  {name}: &{name} [{', '.join([f'*{below}'] * 10)}]\n" for below, name in zip("bcdefgh", "cdefghi", strict=True)
)


def grid(what: str, text: str | bytes, place: str = _AT, *more: str, seconds: float = 5.0, **files: Content) -> Bad:
    """A run of a grid that cannot be."""
    return Bad(
        f"grid: {what}", ("run", "g.yaml", "--kernel", "cold", *more), {"g.yaml": text, **files}, place, seconds=seconds
    )


def _parameters() -> Iterator[Bad]:
    """Every parameter of a cell: of a wrong type, of no value, below all ranges, and misspelt."""
    given = {"cot_eval": True}
    for name, default in Cell.make(given).flat().items():
        before = "cot: true\n" if name == "seed" else "seed: 3\n"
        for value in _wrong(default):
            yield grid(f"{name}: {json.dumps(value)[:30]}", f"{before}{name}: {json.dumps(value)}\n")
        group, _, last = name.rpartition(".")
        misspelt = f"{group}{'.' if group else ''}{last[:-1]}{last[-1] * 2}"
        yield grid(f"{misspelt} misspelt", f"seed: 3\n{misspelt}: {json.dumps(default)}\n", rf"line 2: .*{misspelt}")


def _wrong(default: Any) -> list[Any]:
    if isinstance(default, bool):
        return ["perhaps", 2, None]
    if isinstance(default, int | float):
        return ["many", -1, None, {"a": 1}, True]
    if isinstance(default, dict):
        return [7, "text", None]
    if isinstance(default, list):
        return ["fast", [-1], [None], {"a": 1}]
    return [7, None, {"a": 1}, True, "\u202egnp"] if default == "" else [7, None, "no such thing", ""]


_RESERVED: dict[str, tuple[Any, ...]] = {
    "name": (5, "", ".", "..", "../up", "/etc/passwd", "a/b", "x" * 300, ["a"], None, "-rf", ".hidden", "a\\b", "é"),
    "keep": ("some", ["best"], 3, None, True),
    "report_to": ("wandb", 3, ["tensorboard", "wandb"], [["tensorboard"]], {"a": 1}),
    "named": ("sft", 3, ["gone"], ["sft", "sft"], [3], [], [None], {"a": 1}),
    "claims": (1, ["x"], [99], [0], [1, 1], [1.5], [True], {"a": 1}),
    "smallest_effect": (0, 1, -0.1, "x", True, [0.05], None),
    "max_seeds": (0, -1, 1.5, "x", 10**9, True, [3], None),
    "labels_available": (-1, 1.5, "x", True, None),
    "defaults": (3, "x", [1], {"lables": 3}, {"defaults": {}}, {"include": []}),
    "include": ({}, 3, [3], [{}], [{"lables": 3}], [{"name": "x"}], "x", [[{"seed": 1}]]),
    "overrides": (
        3,
        [3],
        [{}],
        [{"when": {}}],
        [{"when": {"seed": 3}, "set": 3}],
        [{"when": {"seed": 3}, "set": {}, "x": 1}],
        [{"when": {"seed": 3}, "set": {"labels": [1, 2]}}],
        [{"when": {"seed": 3}, "set": {"lables": 1}}],
        [{"when": {"seed": 99}, "set": {"labels": 1}}],
        [{"when": {"sede": 3}, "set": {"labels": 1}}],
    ),
    "exclude": (3, [3], [{}], [{"seed": 99}], [{"seed": 3}], [{"sede": 3}], [{"seed": "x"}], {"seed": 3}),
    "tuning": ("sometimes", 3, ["stage"], True, {"sedes": 2}, {"seeds": 2, "trials": 3}, {"share": "labels"}, None),
}


def _reserved() -> Iterator[Bad]:
    assert _RESERVED.keys() == KEYS.keys()
    null_is_left_out = {"name", "keep", "named", "claims", "tuning", "report_to", "defaults"}
    for key, values in _RESERVED.items():
        for value in values:
            if value is None and key in null_is_left_out:
                continue
            text = f"seed: 3\n{key}: {json.dumps(value)}\n"
            yield grid(f"{key}: {json.dumps(value)[:40]}", text)
        yield grid(f"{key} misspelt", f"seed: 3\n{key[:-2]}{key[-1]}{key[-2]}: 3\n")
    for name, field in Stage.model_fields.items():
        for value in ("x", -1, {"a": "b"}, [[]], True):
            if name != "share" or isinstance(value, str):
                shown = json.dumps({name: value, **({"labels": [10]} if name != "labels" else {})})
                yield grid(f"tuning {name}: {json.dumps(value)}", f"seed: 3\nmethod: grpo\ntuning: {shown}\n")
        yield grid(f"tuning {name}s misspelt", f"seed: 3\ntuning: {{{name}x: {json.dumps(str(field.default))}}}\n")


_TEXTS: dict[str, str | bytes] = {
    "empty": "",
    "a comment": "# nothing\n",
    "a list": "- seed: 1\n",
    "a text": "seed\n",
    "a number": "7\n",
    "null": "~\n",
    "an empty mapping": "{}\n",
    "an end alone": "...\n",
    "a beginning alone": "---\n",
    "tabs": "seed: 1\n\tlabels: 3\n",
    "never closed": "seed: [1, 2\n",
    "a quote never closed": 'task: "a\n',
    "a key twice": "seed: 1\nseed: 2\n",
    "a colon too many": "seed: 1: 2\n",
    "no such anchor": "seed: *none\n",
    "an alias bomb": _BOMB,
    "a product of 10^9": "".join(f"settings.k{i}: [1, 2, 3, 4, 5, 6, 7, 8]\n" for i in range(10)),
    "a sweep of 200 000": f"seed: [{', '.join(map(str, range(24_000)))}]\nlabels: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n",
    "deep in brackets": "settings: {a: " + "{b: " * 60 + "1" + "}" * 60 + "}\n",
    "deep in blocks": "".join(f"{' ' * depth}a:\n" for depth in range(300)) + " " * 300 + "b: 1\n",
    "deep in dashes": "settings:\n  a: " + "- " * 2000 + "1\n",
    "thousands of brackets": "settings: " + "{a: " * 9000 + "1" + "}" * 9000 + "\n",
    "a control character": "task: a\x1b[31mred\n",
    "NUL": "task: a\x00b\n",
    "DEL": "task: a\x7fb\n",
    "NEL": "task: a\x85b\n",
    "half a character": 'task: "\\ud83d"\n',
    "a byte that is no UTF-8": b"task: caf\xe9\n",
    "UTF-16": "seed: 1\n".encode("utf-16"),
    "UTF-32": "seed: 1\n".encode("utf-32"),
    "bytes": bytes(range(256)),
    "half a megabyte": "# " + "x" * 500_000 + "\nseed: 1\n",
    "a date": "labels: 2026-01-01\n",
    "a time": "settings: {at: 2026-01-01T10:00:00Z}\n",
    "a number of 5 000 digits": "labels: " + "7" * 5000 + "\n",
    "a number of 20 digits": "seed: " + "7" * 20 + "\n",
    "a negative of 20 digits": "settings: {a: -" + "7" * 20 + "}\n",
    "sexagesimal": "labels: 1:30:00\n",
    "infinite": "budget.amount: .inf\n",
    "not a number": "label_noise: .nan\n",
    "1e999": "budget.amount: 1e999\n",
    "an octal": "labels: 0o17\n",
    "yes": "cot: yes\n",
    "a tag": "seed: !seed 1\n",
    "Python": "seed: !!python/object/apply:os.system [ls]\n",
    "binary": "task: !!binary YWI=\n",
    "a set": "settings: !!set {a}\n",
    "an ordered mapping": "settings: !!omap [a: 1]\n",
    "two documents": "seed: 1\n---\nseed: 2\n",
    "a directive": "%YAML 9.9\n---\nseed: 1\n",
    "a number as key": "1: 2\n",
    "null as key": "~: 2\n",
    "a list as key": "? [a]\n: 2\n",
    "a key of 10 000 characters": f"{'k' * 10_000}: 2\n",
    "an empty key": "'': 2\n",
    "a merge of nothing": "defaults: {<<: 3}\n",
    "a merge of itself": "defaults: &d\n  <<: *d\n",
    "an alias of itself": "settings: &s {a: *s}\n",
    "an empty list": "seed: []\n",
    "a list in a list": "seed: [[1]]\n",
    "a group that is a list": "budget: [1]\n",
    "a group that is a number": "adapter: 3\n",
    "a group's group": "adapter.r.x: 3\n",
    "given twice": "budget: {amount: 2}\nbudget.amount: 3\n",
    "a dot at the end": "budget.: 3\n",
    "dots": "budget..amount: 3\n",
    "JSON cut off": '{"seed": 1',
    "INI": "[grid]\nseed = 1\n",
    "HTML": "<html><body>seed: 1</body></html>\n",
    "Python code": "import os\nprint(1)\n",
    "2x2 and cot_eval": "cot: 2x2\ncot_eval: true\n",
    "2x3": "cot: 2x3\n",
}


def _texts() -> Iterator[Bad]:
    for what, text in _TEXTS.items():
        yield grid(what, text, r"g\.yaml")


_SENSE: dict[str, str] = {
    "no labels for SFT": "labels: 0\n",
    "more labels than there are": "labels: 10000000\n",
    "no such preset": "method: grpo\npreset: best\n",
    "a misspelt setting": "method: grpo\nsettings: {bta: 0.1}\n",
    "a setting of another type": "method: grpo\nsettings: {beta: high}\n",
    "a setting out of range": "method: grpo\nsettings: {beta: -1.0}\n",
    "one completion a group": "method: grpo\nsettings: {num_generations: 1}\n",
    "NaN as text": "method: sft\nsettings: {weight_decay: 'nan'}\n",
    "two rates for one stage": "learning_rates: [0.001, 0.01]\n",
    "rates given twice": "learning_rates: [0.001]\ntuning: {trials: 3}\n",
    "more trials than rates": "tuning: {trials: 3, learning_rates: [0.001, 0.01]}\n",
    "no such task": "task: arithmetic/wrod\n",
    "no such family": "task: arithmetics\n",
    "a task that is a path": "task: /etc/passwd\n",
    "a task in no file": "task: nowhere.py:load\n",
    "a task in no package": "task: nowhere.of:load\n",
    "a module alone": "task: mine.py\n",
    "no such verifier": "verifier: exactly\n",
    "settings of no verifier": "verifier_settings: {strictness: 3}\n",
    "a verifier of another kind": "verifier: sql\n",
    "no such method": "method: ppo2\n",
    "a method in no file": "method: my.py:Mine\n",
    "settings of no task": "task_settings: {path: x.csv}\n",
    "no such model": "model: ./nowhere\n",
    "no such hub id": "model: nobody/nothing\n",
    "a model of NUL": 'model: "a\\0b"\n',
    "a GPU that is not there": "device: cuda:7\n",
    "a device of no name": "device: gpu please\n",
    "processes of one device": "processes: 4\n",
    "quantized tiny base": "quantization: 4bit\n",
    "modules that are not there": "adapter.target_modules: query_key\n",
    "rank 0": "adapter.r: 0\n",
    "full with a rank": "adapter: {kind: full, r: [8, 16]}\n",
    "a cap beyond the context": "decoding.max_new_tokens: 4000\n",
    "top_p 1.5": "decoding.top_p: 1.5\n",
    "retention of no task": "evaluation.retention: arithmetic/wrod\n",
    "a second verifier of no name": "evaluation.verifier: exactly\n",
    "marks that fall": "evaluation.marks: [2.0, 1.0]\n",
    "more items than there are": "evaluation.test_items: 100000000\n",
    "a system message without chat": "system: 'Be brief.'\n",
    "instructions without a chat template": "template: instruct\n",
    "a start from nowhere": "start_from: results/none/cells/000000000000\n",
    "a start from no arm": "include: [{method: grpo, start_from: {method: dpo}}]\n",
    "a start from itself": "method: sft\nstart_from: {method: sft}\n",
    "a start from two": "include:\n  - {method: sft, labels: [5, 10]}\n  - {method: grpo, start_from: {method: sft}}\n",
    "tuned by hand": "tuned_by: me\n",
    "started by hand": "started_by: me\n",
    "a pairs file that is not there": "method: dpo\nsettings: {pairs_file: none.jsonl}\n",
    "a teacher that is not there": "method: distill\nsettings: {teacher: ./none}\n",
    "few shots beyond the labels": "method: base-few-shot\nlabels: 2\nsettings: {shots: 50}\n",
    "tuning what is not trained": "method: base\ntuning: stage\n",
    "a ladder of no arm": "method: sft\ntuning: {ladders: {grpo: [0.001]}}\n",
    "seeds beyond max_seeds": "seed: [0, 1, 2, 3]\nmax_seeds: 2\n",
    "a tuning seed in the study": "seed: [1000, 1001]\nmethod: grpo\ntuning: stage\n",
    "noise without labels": "method: grpo\nlabels: 0\nprompts: 10\nlabel_noise: 0.5\n",
    "prompts for SFT": "method: sft\nprompts: 10\n",
    "development out of one label": "labels: 1\ndevelopment: from_labels\n",
    "a digest of nothing": "digests: {task: '123'}\n",
    "checkpointing without it": "method: acer\ngradient_checkpointing: true\n",
    "dropout in RFT": "method: grpo\nadapter.dropout: 0.2\n",
    "a batch of half": "method: sft\nsettings: {per_device_train_batch_size: 0.5}\n",
    "a batch of none": "method: sft\nsettings: {per_device_train_batch_size: 0}\n",
    "a path of 5 000 characters": f"verifier: {'v' * 5000}.py:f\n",
    "a home of nobody": "verifier: ~nobody_here/v.py:f\n",
}


def _sense() -> Iterator[Bad]:
    """What is of the right type and cannot be run."""
    for what, text in _SENSE.items():
        yield grid(
            what,
            text,
            r"line \d+|task|verifier|method|model|labels|device|parameter|settings|adapter|tuning|"
            r"evaluation|decoding|template|system|prompts|digests",
            seconds=MODEL_S,
        )


def _places() -> Iterator[Bad]:
    """Paths that are no grid."""

    def link_to(target: str) -> Content:
        return lambda path: path.symlink_to(target)

    for what, name, content in (
        ("a folder", "g.yaml", lambda path: path.mkdir()),
        ("a link to nothing", "g.yaml", link_to("none.yaml")),
        ("a link to itself", "g.yaml", link_to("g.yaml")),
        ("a pipe", "g.yaml", os.mkfifo),
        ("data", "g.jsonl", '{"prompt": "a"}\n'),
        ("a table", "g.csv", "a,b\n1,2\n"),
        ("a notebook", "g.ipynb", json.dumps({"cells": [], "nbformat": 4})),
        ("a picture", "g.png", b"\x89PNG\r\n\x1a\n\x00\x00"),
        ("an archive", "g.tar.xz", b"\xfd7zXZ\x00\x00\x00"),
    ):
        yield Bad(f"grid: {what}", ("run", name), {name: content}, name.partition(".")[0])
    for name in ("none.yaml", "dmeo", "", ".", "/", "a/b/c.yaml", "arithmetic/word", "x" * 5000, "\udce9.yaml", "a\nb"):
        yield Bad(f"grid: path {ascii(name)[:40]}", ("run", name))


def _cells() -> Iterator[Bad]:
    """Files of single cells."""
    deep = "[" * 100_000
    texts: dict[str, str | bytes] = {
        "empty": "",
        "no JSON": "seed: 1",
        "a list": "[]",
        "null": "null",
        "a text": '"x"',
        "cut off": '{"seed": 1',
        "deep": deep,
        "bytes": b"\xff\xfe\x00",
        "an unknown key": '{"sede": 1}',
        "a wrong type": '{"seed": "x"}',
        "a fraction": '{"seed": 1.5}',
        "NaN": '{"label_noise": NaN}',
        "infinite": '{"budget": {"amount": Infinity}}',
        "a long number": '{"seed": ' + "7" * 5000 + "}",
        "no such task": '{"task": "x"}',
        "no such method": '{"method": "x"}',
        "half a character": '{"task": "\\ud800"}',
        "NUL": '{"model": "a\\u0000b"}',
        "labels below 0": '{"labels": -1}',
        "no labels": '{"labels": 0}',
        "a group that is a list": '{"budget": [1]}',
        "a schema": '{"schema": 99}',
        "twice": '{"seed": 1, "seed": 2, "sede": 3}',
        "a cell that waits": '{"tuned_by": "a stage that has not chosen yet"}',
    }
    for what, text in texts.items():
        yield Bad(
            f"cell: {what}",
            ("run-cell", "c.json", "out"),
            {"c.json": text},
            "c.json|task|method|model|labels",
            seconds=MODEL_S,
        )
    good = json.dumps({"method": "base", "labels": 0})
    yield Bad("cell: none", ("run-cell", "none.json", "out"), {}, "none.json")
    yield Bad("cell: a folder", ("run-cell", ".", "out"), {}, r"cell")
    yield Bad(
        "cell: out is a file", ("run-cell", "c.json", "out"), {"c.json": good, "out": "mine"}, "out", seconds=MODEL_S
    )
    yield Bad(
        "cell: out is in a file",
        ("run-cell", "c.json", "out/deep"),
        {"c.json": good, "out": "mine"},
        "out",
        seconds=MODEL_S,
    )
    yield grid("results is a file", "method: base\nlabels: 0\n", "r", "--results", "r", seconds=MODEL_S, r="mine")


GRIDS = [*_texts(), *_places(), *_reserved(), *_parameters(), *_sense()]
CELLS = [*_cells()]
SHORT = [
    bad
    for bad in GRIDS
    if bad.what
    in {
        f"grid: {what}"
        for what in (
            "an alias bomb",
            "a product of 10^9",
            "NUL",
            "a number of 5 000 digits",
            "a pipe",
            'seed: "many"',
            'exclude: [{"seed": 99}]',
            'name: "../up"',
        )
    }
]
