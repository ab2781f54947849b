"""What `rftlab tasks|verifiers|methods NAME` say is read off the thing itself, and holds."""

import inspect
import json
import subprocess
import sys

import pytest

from rftlab import registry
from rftlab.preflight.card import card
from rftlab.preflight.settings import loader_of, settings_of
from rftlab.tasks.base import Example
from rftlab.verifiers.base import CLOSE_TAG, OPEN_TAG, make_verifier

LEARNED = ("reward-model", "judge")
NEEDED = {"rubric": {"components": [{"verifier": "exact"}]}}
VARIANTS = [name for name in registry.names(registry.TASKS) if not name.endswith("*")]


@pytest.mark.parametrize("name", registry.VERIFIERS)
def test_a_verifier_s_card_shows_settings_fields_and_a_row_that_it_takes(name):
    said = card({"kind": "verifier", "name": name})
    verifier = registry.resolve(registry.VERIFIERS[name])
    for setting in inspect.signature(verifier).parameters.values():
        if setting.kind is setting.KEYWORD_ONLY:
            assert f"\n  {setting.name} " in said
    row = json.loads(said.partition("An example row of a file: ")[2].partition("\n")[0])
    meta = {key: value for key, value in row.items() if key not in ("prompt", "answer")}
    assert all(f"meta.{key}" in said for key in meta)
    if name not in LEARNED:
        example = Example("0", row["prompt"], row["answer"], meta=meta)
        scored = make_verifier(name, settings=NEEDED.get(name))(f"{OPEN_TAG}{row['answer']}{CLOSE_TAG}", example)
        assert scored.reward == 1, scored.detail


@pytest.mark.parametrize("name", VARIANTS)
def test_a_task_s_settings_are_those_that_it_takes(name):
    entry, variant = registry.find(registry.TASKS, name, "task")
    settings = settings_of(loader_of(registry.resolve(entry), variant))
    assert len({setting.name for setting in settings}) == len(settings) > 0
    assert all(setting.what for setting in settings if setting.name not in ("dataset", "split"))


def test_a_task_s_card_has_a_row_or_says_where_its_rows_are():
    said = card({"kind": "task", "name": "medical/dose"})
    assert "Settings (task_settings):\n  seed " in said
    assert "An example row:\n  prompt " in said
    assert '"unit"' in said
    assert "Its rows come from a hub" in card({"kind": "task", "name": "math/gsm8k"})


def test_the_methods_cards_are_read_without_torch():
    code = (
        "import sys\nfrom rftlab import registry\nfrom rftlab.preflight.card import card\n"
        "for name in registry.METHODS: print(card({'kind': 'method', 'name': name}))\n"
        "assert not hasattr(sys.modules['torch'], '__file__')"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    for name, entry in registry.METHODS.items():
        assert f"{name}: {entry.summary}" in said.stdout
    assert "  num_generations              16            group size: completions per prompt\n" in said.stdout
    assert "Preset dr_grpo: {" in said.stdout
    assert "Learning rates, the default first: 0.0005, " in said.stdout


@pytest.mark.parametrize("name", [name for name, entry in registry.TASKS.items() if entry.variants])
def test_a_family_s_card_has_a_line_for_each_of_its_tasks_and_their_settings(name):
    head, *lines = card({"kind": "task", "name": name}).split("\n")
    assert head == f"{name}: {registry.TASKS[name].summary}"
    told = {
        line.split()[0]: line.partition(line.split()[0])[2].strip() for line in lines if line.startswith("  " + name)
    }
    if name != "gym":  # of its generators some say nothing of themselves, or the same
        assert len(told) == len(set(told.values())) > 1
        assert all(len(text.split()) > 1 for text in told.values())
    assert max(map(len, told.values())) <= 260
    assert sum(text.endswith("...") for text in told.values()) <= 1, "the first sentence is whole"
    if registry.TASKS[name].variants != ("*",):
        assert [*told] == [f"{name}/{variant}" for variant in registry.TASKS[name].variants]
    for each in told:
        assert any(
            line.startswith(("Settings of each", "Settings of")) and (each in line or "of each" in line)
            for line in lines
        )
    asked = lines[-1].removeprefix("With an example row: rftlab tasks ")
    assert asked == "gym/NAME" or "An example row:" in card({"kind": "task", "name": asked})


def test_the_card_of_arithmetic_says_what_its_tasks_are_and_that_all_take_the_same_settings():
    said = card({"kind": "task", "name": "arithmetic"})
    assert "\n  arithmetic/chain      Sums of three or four one-digit terms" in said
    assert said.count("(task_settings)") == 1
    assert "\nSettings of each (task_settings):\n  seed   0 " in said
    assert "number of held-out items" in said


def test_the_card_of_gym_names_every_dataset_that_can_be_used_and_none_that_is_refused():
    said = card({"kind": "task", "name": "gym"})
    assert said.count("\n  gym/") > 90
    assert "\n  gym/sudoku " in said
    assert "gym/rubiks_cube" not in said
