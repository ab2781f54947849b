"""An exported policy loads without rftlab, in transformers or PEFT, and answers as its record says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rftlab import record
from rftlab.cli import main
from rftlab.errors import RftlabError
from rftlab.files.paths import data_dir
from rftlab.policy.card import licence_of
from rftlab.policy.export import write_model

# The code of the model card, as a function, in a process that cannot import rftlab.
OUTSIDER = """
import json, sys
sys.modules["rftlab"] = None
answers = {}
for name, (source, questions) in json.loads(sys.stdin.read()).items():
    for question in questions:
        exec(source, {"question": question, "print": answers.setdefault(name, []).append})
print(json.dumps(answers))
"""


def greedy(folder: Path, count: int) -> list[dict]:
    rows = [json.loads(line) for line in (folder / record.SAMPLES).read_text().splitlines()]
    return [row for row in rows if row["part"] == "test"][:count]


def questions(rows: list[dict]) -> list[str]:
    return [row["prompt"].removeprefix("Q: ").removesuffix("\nThink.\nA:") for row in rows]


def code_of_card(folder: Path) -> str:
    source = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)[1]
    source = source.replace('folder = "."', f"folder = {str(folder)!r}").replace("'your question'", "question")
    return source.replace("base = 'tiny-base'", f"base = {str(data_dir() / 'tiny_base')!r}")


def test_it_loads_without_rftlab_by_the_code_of_its_card(kept_cell, tmp_path):
    rows = {name: greedy(kept_cell(name), 3) for name in ("sft", "grpo", "full")}
    asked = {
        name: (code_of_card(write_model(kept_cell(name), tmp_path / name, merge=name == "grpo")), questions(found))
        for name, found in rows.items()
    }
    done = subprocess.run(
        [sys.executable, "-c", OUTSIDER], input=json.dumps(asked), capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == {name: [row["completion"] for row in found] for name, found in rows.items()}
    whole = {name: (tmp_path / name / "model.safetensors").is_file() for name in rows}
    assert whole == {"sft": False, "grpo": True, "full": True}


def test_the_card_says_what_was_measured_how_and_on_what(kept_cell, tmp_path):
    folder = kept_cell("sft")
    found = record.read(folder)
    assert found is not None
    card = (write_model(folder, tmp_path / "model") / "README.md").read_text()
    for text in (
        "library_name: peft", "license: apache-2.0", found.id, "arithmetic/word", "| labels | 8 |",
        f"{100 * found.metrics['accuracy']:.1f} %, 95 % interval over 8 items", "| temperature | 1.0 |", "transformers",
        "no evidence about large models",
    ):  # fmt: skip
        assert text in card
    for path in (tmp_path / "model").iterdir():
        assert str(data_dir()).encode() not in path.read_bytes()
        assert str(folder).encode() not in path.read_bytes()


def test_a_folder_that_holds_something_is_left_alone(kept_cell, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(RftlabError, match="not an empty folder"):
        write_model(kept_cell("sft"), tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert main(["model", str(kept_cell("sft")), str(tmp_path / "empty")]) == 0
    assert (tmp_path / "empty" / "README.md").is_file()
    assert main(["model", str(kept_cell("base")), str(tmp_path / "base")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "full"]


def test_nothing_half_written_is_left_when_writing_fails(kept_cell, tmp_path, monkeypatch):
    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rftlab.policy.export.model_card", full_disk)
    with pytest.raises(RftlabError, match="No space left"):
        write_model(kept_cell("sft"), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("readme", "licence"),
    [("---\nlicense: mit\ntags: [a]\n---\n# A model", "mit"), ("# A model\nlicense: mit", ""), ("", "")],
)
def test_the_licence_is_what_the_bases_own_card_states(tmp_path, readme, licence):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "README.md").write_text(readme)
    assert licence_of(str(tmp_path)) == licence
