"""What enters a cell's id beside its parameters: content of the user's own files, versions of packaged parts."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from rftlab import registry
from rftlab.cell import Cell
from rftlab.digests import (
    changes,
    data_of,
    describe,
    identity_of,
    kind_of,
    notebooks,
    require_data_unchanged,
    require_unchanged,
    with_all_digests,
    with_digests,
)
from rftlab.errors import RftlabError
from rftlab.files.paths import notebooks_dir

CHECKS = "from helper import near\nfrom rules import strict\n\ndef score(completion, example):\n    return near()\n"


@pytest.fixture(autouse=True)
def _first_versions(monkeypatch):
    """Whatever has been raised since, every packaged part is at version 1."""
    for entries in (registry.TASKS, registry.VERIFIERS, registry.METHODS):
        for name, entry in entries.items():
            monkeypatch.setitem(entries, name, replace(entry, version=1, preset_versions={}))


@pytest.fixture
def project(tmp_path) -> Path:
    """A folder with data, a verifier, a task and a method of the user's, and a model."""
    folder = tmp_path / "project"
    for name, text in {
        "train.jsonl": '{"prompt": "a", "answer": "b"}\n',
        "held.csv": "prompt,answer\nc,d\n",
        "pairs.jsonl": "{}\n",
        "known.txt": "roses are red\n",
        "checks.py": CHECKS,
        "helper.py": "import json\nimport deeper\n\ndef near():\n    return 1.0\n",
        "deeper.py": "DEEP = 1\n",
        "rules/__init__.py": "",
        "rules/strict.py": "LIMIT = 1\n",
        "task.py": "WORDS = 'data/words.txt'\n\ndef load():\n    return None\n",
        "data/words.txt": "one\n",
        "method.py": "class Mine:\n    pass\n",
        "unrelated.py": "X = 1\n",
        "model/config.json": '{"a": 1}',
        "model/model.safetensors": "weights",
        "model/README.md": "hello",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def cell(project) -> Callable[..., Cell]:
    def make(where: Path = project) -> Cell:
        return Cell.make(
            {
                "task": f"{where}/task.py:load",
                "task_settings": {"path": f"{where}/train.jsonl", "test_path": f"{where}/held.csv"},
                "verifier": "rubric",
                "verifier_settings": {
                    "components": [
                        {"verifier": f"{where}/checks.py:score"},
                        {"verifier": "originality", "penalty": 0.1, "settings": {"path": f"{where}/known.txt"}},
                    ]
                },
                "model": f"{where}/model",
                "method": f"{where}/method.py:Mine",
                "settings": {"pairs_file": f"{where}/pairs.jsonl"},
            }
        )

    return make


@pytest.mark.parametrize(
    ("file", "name", "said"),
    [
        ("train.jsonl", "task_settings.path", "train.jsonl"),
        ("held.csv", "task_settings.test_path", "held.csv"),
        ("known.txt", "verifier_settings.components.1.settings.path", "known.txt"),
        ("pairs.jsonl", "settings.pairs_file", "pairs.jsonl"),
        ("task.py", "task", "task.py"),
        ("data/words.txt", "task:data/words.txt", "data/words.txt"),
        ("method.py", "method", "method.py"),
        ("checks.py", "verifier_settings.components.0.verifier", "checks.py"),
        ("helper.py", "verifier_settings.components.0.verifier:helper.py", "helper.py"),
        ("deeper.py", "verifier_settings.components.0.verifier:deeper.py", "deeper.py"),
        ("rules/strict.py", "verifier_settings.components.0.verifier:rules/", "rules"),
        ("model/model.safetensors", "model", "model"),
        ("model/config.json", "model", "model"),
    ],
)
def test_an_edit_of_a_file_the_cell_depends_on_changes_its_id_and_is_named(project, cell, file, name, said):
    before = with_digests(cell())
    with (project / file).open("a") as stream:
        stream.write("\n# x\n" if file.endswith(".py") else " ")
        if file == "model/config.json":
            stream.seek(0)
            stream.truncate()
            stream.write('{"a": 2}')
    after = with_digests(cell())
    assert after.id != before.id
    assert changes(before.digests, after.digests) == [name]
    assert describe(after, name) == said


def test_a_setting_that_is_a_file_by_its_name_counts_without_suffix_or_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cell = Cell.make({"verifier": "originality", "verifier_settings": {"path": "known"}})
    (tmp_path / "known").write_text("roses are red\n")
    before = with_digests(cell)
    (tmp_path / "known").write_text("violets are blue\n")
    assert changes(before.digests, with_digests(cell).digests) == ["verifier_settings.path"]


@pytest.mark.parametrize("file", ["unrelated.py", "model/README.md"])
def test_an_edit_of_another_file_changes_nothing(project, cell, file):
    before = with_digests(cell())
    (project / file).write_text("other")
    assert with_digests(cell()) == before


def test_a_moved_project_has_the_same_cells_and_another_name_of_a_file_has_not(project, cell, tmp_path):
    before = with_digests(cell())
    shutil.move(project, tmp_path / "elsewhere" / "study")
    moved = with_digests(cell(tmp_path / "elsewhere" / "study"))
    assert moved.id == before.id
    assert moved.task != before.task
    assert identity_of(moved) == identity_of(before)
    (tmp_path / "elsewhere/study/train.jsonl").rename(tmp_path / "elsewhere/study/renamed.jsonl")
    renamed = cell(tmp_path / "elsewhere" / "study").flat()
    renamed["task_settings"]["path"] = str(tmp_path / "elsewhere/study/renamed.jsonl")
    assert with_digests(Cell.make(renamed)).id != before.id


def test_line_ends_of_code_do_not_count(project, cell):
    before = with_digests(cell())
    text = (project / "checks.py").read_bytes()
    (project / "checks.py").write_bytes(text.replace(b"\n", b"\r\n"))
    assert with_digests(cell()) == before


def test_a_packaged_cell_has_no_digests_and_keeps_its_id():
    assert with_digests(Cell()) == Cell()
    assert with_digests(Cell()).id == Cell().id


@pytest.mark.parametrize(
    ("kind", "name", "values", "key"),
    [
        ("METHODS", "grpo", {"method": "grpo"}, "method"),
        (
            "METHODS", "grpo", {"method": "sft+grpo", "settings": {"stages": [{"method": "grpo"}]}},
            "settings.stages.0.method",
        ),
        ("TASKS", "arithmetic", {"task": "arithmetic/dose"}, "task"),
        ("VERIFIERS", "exact", {}, "verifier"),
        ("VERIFIERS", "numeric", {"verifier": "numeric"}, "verifier"),
        ("VERIFIERS", "originality", {"task": "creative/verse"}, "verifier"),
        (
            "VERIFIERS", "numeric", {"task": "file", "task_settings": {"path": "x.csv", "verifier": "numeric"}},
            "task_settings.verifier",
        ),
    ],
)  # fmt: skip
def test_a_raised_version_of_a_packaged_part_changes_the_ids_of_its_cells_alone(monkeypatch, kind, name, values, key):
    cell, other = Cell.make(values), Cell.make({"task": "math/word", "method": "sft"})
    before, apart = with_digests(cell).id, with_digests(other)
    _raise(monkeypatch, kind, name)
    after = with_digests(cell)
    assert after.digests == {key: f"{after.task if key == 'task' else name} version 2"}
    assert after.id != before
    assert with_digests(other) == apart


def test_a_raised_version_of_a_preset_changes_the_ids_of_its_cells_alone(monkeypatch):
    dapo, gspo = (Cell.make({"method": "grpo", "preset": preset}) for preset in ("dapo", "gspo"))
    monkeypatch.setitem(registry.METHODS, "grpo", replace(registry.METHODS["grpo"], preset_versions={"dapo": 2}))
    stages = {"stages": [{"method": "sft"}, {"method": "grpo", "preset": "dapo"}]}
    assert with_digests(dapo).digests == {"preset": "dapo version 2"}
    assert with_digests(Cell.make({"method": "sft+grpo", "settings": stages})).digests == {
        "settings.stages.1.preset": "dapo version 2"
    }
    assert with_digests(gspo).digests == {}


def test_a_users_file_takes_over_the_versions_of_what_it_uses_from_the_package(project, cell, monkeypatch):
    (project / "method.py").write_text("from rftlab.methods.grpo import GRPO\n\nclass Mine(GRPO):\n    pass\n")
    (project / "task.py").write_text("def load():\n    return Task('mine', 'card', (), (), verifier='numeric')\n")
    before = with_digests(cell())
    _raise(monkeypatch, "METHODS", "grpo")
    _raise(monkeypatch, "VERIFIERS", "numeric")
    after = with_digests(cell())
    assert changes(before.digests, after.digests) == ["method:grpo", "task:numeric"]


def _raise(monkeypatch, kind, name):
    entries = getattr(registry, kind)
    monkeypatch.setitem(entries, name, replace(entries[name], version=2))


def test_the_pins_are_those_of_the_packaged_notebooks():
    for name, pinned in notebooks.pins().items():
        assert notebooks.notebook_digest(notebooks_dir() / name) == pinned, (
            f"the code of notebooks/{name} changed: if that changes what a cell measures, raise the versions of its "
            "methods; then renew the pins with `rftlab.digests.notebooks.renew()`"
        )


def test_an_edited_notebook_counts_by_its_code_alone(tmp_path, monkeypatch):
    for path in notebooks_dir().glob("*.ipynb"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr("rftlab.files.paths.notebooks_dir", lambda: tmp_path)
    target = tmp_path / "20_rft.ipynb"
    notebook = nbformat.read(target, as_version=4)
    notebook.cells[0].source += " More words."
    next(c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])).source += "\n# a remark"
    nbformat.write(notebook, target)
    assert with_digests(Cell.make({"method": "grpo"})).digests == {}
    notebook.cells[-1].source += "\nprint('mine')"
    nbformat.write(notebook, target)
    sft, grpo = with_all_digests([Cell.make({"method": "sft"}), Cell.make({"method": "grpo"})])
    assert sft.digests == {}
    assert grpo.digests == {"notebook": notebooks.notebook_digest(target)}
    assert describe(grpo, "notebook") == "the notebook"


@pytest.fixture
def edited(tmp_path, monkeypatch) -> Callable[..., str]:
    """Digest of a packaged notebook, edited by a function of its cells."""
    monkeypatch.chdir(tmp_path)

    def make(change: Callable[[list], object], name: str = "20_rft.ipynb") -> str:
        notebook = nbformat.read(notebooks_dir() / name, as_version=4)
        change(notebook.cells)
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        nbformat.write(notebook, tmp_path / "notebooks" / name)
        return notebooks.edited(tmp_path / "notebooks" / name)

    return make


def parameters(cells) -> nbformat.NotebookNode:
    return next(cell for cell in cells if "parameters" in cell.metadata.get("tags", []))


def append(cell, text: str) -> None:
    cell.source += text


def test_values_of_parameters_do_not_make_a_notebook_an_edited_one(edited):
    assert edited(lambda cells: None) == ""
    assert edited(lambda cells: parameters(cells).update(source=parameters(cells).source.replace("0", "7"))) == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda cells: append(parameters(cells), "\nimport mine"),
        lambda cells: append(parameters(cells), "\nseed: int = mine()"),
        lambda cells: append(parameters(cells), "\nseed: print(1) = 3"),
        lambda cells: append(parameters(cells), "\nrftlab.seed = 3"),
        lambda cells: parameters(cells).metadata.tags.append("skip-execution"),
        lambda cells: cells[-1].metadata.update(tags=["skip-execution"]),
        lambda cells: cells[-1].metadata.update(tags=["raises-exception"]),
        lambda cells: cells.pop(),
    ],
)
def test_code_among_parameters_and_tags_make_a_notebook_an_edited_one(edited, change):
    assert edited(change)


def test_another_packaged_notebook_under_its_name_is_an_edited_one(edited, monkeypatch):
    own, other = notebooks.pins()["20_rft.ipynb"], "0" * 12
    monkeypatch.setattr(notebooks, "pins", lambda: {"10_sft.ipynb": own, "20_rft.ipynb": other})
    assert edited(lambda cells: None) == own


@pytest.mark.parametrize("code", ["import mine", "%matplotlib inline\nimport mine", "%run mine.py", "open('mine.py')"])
def test_what_lies_beside_an_edited_notebook_counts_with_it(edited, tmp_path, code):
    (tmp_path / "notebooks").mkdir()
    found = set()
    for text in ("A = 1\n", "A = 2\n"):
        (tmp_path / "notebooks" / "mine.py").write_text(text)
        found.add(edited(lambda cells: append(cells[-1], f"\n{code}")))
    assert len(found) == 2
    assert edited(lambda cells: None) == ""


def test_a_cell_whose_file_changed_after_the_grid_was_read_is_refused(project, cell):
    settled = with_digests(cell())
    require_unchanged(settled)
    (project / "helper.py").write_text("def near():\n    return 0.5\n")
    with pytest.raises(RftlabError, match=r"helper\.py changed after the grid was read"):
        require_unchanged(settled)


def test_a_file_that_is_gone_is_named_as_gone(project, cell):
    settled = with_digests(cell())
    (project / "train.jsonl").unlink()
    with pytest.raises(RftlabError, match=r"train\.jsonl is not where it was when the grid was read"):
        require_unchanged(settled)


def test_a_cell_whose_codes_data_changed_is_refused_before_it_starts_and_before_it_is_recorded(project, cell):
    settled = with_digests(cell())
    started = data_of(settled)
    require_unchanged(settled)
    require_data_unchanged(settled, started)
    (project / "data/words.txt").write_text("one\ntwo\n")
    with pytest.raises(RftlabError, match=r"data/words\.txt changed after the grid was read"):
        require_unchanged(settled)
    with pytest.raises(RftlabError, match=r"words\.txt changed while this cell ran, and .*task\.py.* may have read"):
        require_data_unchanged(settled, started)
    (project / "data/words.txt").unlink()
    with pytest.raises(RftlabError, match=r"words\.txt changed while this cell ran"):
        require_data_unchanged(settled, started)


def test_code_that_is_edited_while_a_cell_runs_was_loaded_before(project, cell):
    settled = with_digests(cell())
    started = data_of(settled)
    (project / "task.py").write_text("OTHER = 'data/more.txt'\n")
    (project / "data/more.txt").write_text("more\n")
    require_data_unchanged(settled, started)


@pytest.mark.parametrize(
    "writes",
    [
        "open(HERE / 'own.json', 'w').write('x')",
        "(HERE / 'own.json').open(mode='a')",
        "(HERE / 'own.json').write_text(Path('data/words.txt').read_text())",
        "path = HERE / 'own.json'\n    path.write_bytes(b'')",
        "temporary.replace(HERE / 'own.json')",
        "frame.to_csv(HERE / 'own.json')",
        "np.save(HERE / 'own.json', array)",
        "save(1, path=HERE / 'own.json')\n\ndef save(rows, path):\n    path.write_text(rows)",
        "self.path = HERE / 'own.json'\n\ndef save(self):\n    self.path.write_text('')",
        "NAME = 'own.json'\n    path = HERE / NAME\n    path.touch()",
        "Cache(HERE / 'own.json')\n\nclass Cache:\n    def __init__(self, path):\n        self.path = path\n"
        "    def add(self):\n        self.path.write_text('')",
        "own().open('w')\n\ndef own():\n    return HERE / 'own.json'",
        "sqlite3.connect(HERE / 'own.json').execute('insert into scores values (1)')",
    ],
)
def test_what_code_writes_itself_is_no_part_of_a_cell_and_stops_none(project, cell, writes):
    (project / "task.py").write_text(f"WORDS = 'data/words.txt'\n\ndef load():\n    {writes}\n")
    before = with_digests(cell())
    (project / "own.json").write_text("{}")
    assert with_digests(cell()) == before
    require_unchanged(before)
    (project / "data/words.txt").write_text("more\n")
    assert changes(before.digests, with_digests(cell()).digests) == ["task:data/words.txt"]


@pytest.mark.parametrize(
    "code",
    [
        "def load():\n    path = 'data/words.txt'\n    return open(path)\n\n"
        "def log():\n    path = 'log.txt'\n    return open(path, 'a')\n",
        "class Words:\n    def __init__(self):\n        self.path = 'data/words.txt'\n\n"
        "class Log:\n    def __init__(self):\n        self.path = 'log.txt'\n        self.path.touch()\n",
    ],
)
def test_a_name_that_something_else_writes_to_is_not_what_the_code_writes(project, cell, code):
    (project / "task.py").write_text(code)
    (project / "log.txt").write_text("")
    assert [name for name in with_digests(cell()).digests if name.startswith("task:")] == ["task:data/words.txt"]


def test_identity_names_parts_with_their_versions_and_content(cell):
    packaged = identity_of(with_digests(Cell.make({"method": "grpo", "verifier": "numeric"})))
    assert packaged == {
        "task": "arithmetic/word version 1",
        "verifier": "numeric version 1",
        "method": "grpo version 1",
    }
    own = identity_of(with_digests(cell()))
    assert own["method"].startswith("method.py:Mine ")
    assert own["task_settings.path"].startswith("train.jsonl ")
    assert len(own["verifier_settings.components.0.verifier:helper.py"]) == 12


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("task_settings.prompt", "Mend main.py: {code}", ""),
        ("task_settings.instructions", "Answer as the columns of table.csv", ""),
        ("task_settings.prompt", "texts/prompts.txt", "file"),
        ("task_settings.verifier", "checks.py:score", "code"),
        ("task_settings.ood_path.rule", "beyond.tsv", "file"),
    ],
)
def test_words_of_a_prompt_name_no_file(name, value, kind):
    assert kind_of(name, value) == kind
