"""`rftlab advise`: facts from options, files, people, tasks and records; and a study that can be run."""

import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rftlab.advise import Facts, advise, detect
from rftlab.advise.consult import consult
from rftlab.advise.facts import FACTS, make, read_fact
from rftlab.advise.of_task import subjects
from rftlab.advise.smallest import smallest
from rftlab.cli import main
from rftlab.cli.asking import ask
from rftlab.errors import RftlabError
from rftlab.execute.results import write_grid
from rftlab.grid import Grid
from rftlab.stats import Components
from tests import synthetic
from tests.advise.test_situations import SITUATIONS

WRONG = {"yes": "perhaps", "count": "1.5", "share": "95", "choice": "somebody"}
VALUES = {"yes": st.booleans(), "count": st.integers(0, 10**6), "share": st.floats(0, 1)}
ANY = {
    name: st.none() | (st.sampled_from([*fact.choices]) if fact.choices else VALUES[fact.kind])
    for name, fact in FACTS.items()
}


@settings(deadline=None)
@given(st.fixed_dictionaries(ANY))
def test_whatever_is_known_is_ranked(values):
    found = advise(Facts(**values))
    assert found.first.possible
    assert [each.possible for each in found.ranking] == sorted((e.possible for e in found.ranking), reverse=True)
    for change in found.changes:
        other = advise(Facts(**{**values, change.fact: change.value}))
        assert found.aside or other.first.name == change.first


@pytest.mark.parametrize("name", FACTS)
def test_a_wrong_value_of_every_fact_is_answered_in_a_sentence(name, capsys):
    assert main(["advise", f"--{name.replace('_', '-')}", WRONG[FACTS[name].kind]]) == 2
    said = capsys.readouterr().err
    assert f"{name} is '{WRONG[FACTS[name].kind]}'; give {FACTS[name].form}" in said
    assert said.count("\n") == 1
    assert read_fact(name, " ? ") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("[1]", "holds no JSON object"),
        ('{"label": 3}', "there is no fact 'label'; did you mean labels?"),
        ('{"labels": 3, "labels": 4}', "the key 'labels' stands there twice"),
        ('{"labels": true}', "labels is True; give a whole number"),
        ('{"labels": -1}', "labels is -1"),
        ('{"base_accuracy": 1.5}', "base_accuracy is 1.5; give a share"),
        ('{"base_accuracy": NaN}', "base_accuracy is nan"),
        ('{"verifier": ["gold"]}', "verifier is ['gold']; give none, gold, no_gold, judge"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_file_of_facts_that_is_none_is_refused(text, says, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert main(["advise", "--json", "-"]) == 2
    assert says in capsys.readouterr().err


def test_facts_are_read_as_people_write_them():
    written = {
        "labels": "5 000",
        "base_accuracy": "30%",
        "base_pass_at_8": ".5",
        "reasoning": "Y",
        "verifier": "no-gold",
    }
    read = Facts(labels=5000, base_accuracy=0.3, base_pass_at_8=0.5, reasoning=True, verifier="no_gold")
    assert make(written) == read
    assert make({"labels": 5000, "teacher": None, "base_pass_at_8": 1}) == Facts(labels=5000, base_pass_at_8=1.0)


def test_nobody_to_ask_and_nothing_given_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["advise"]) == 2
    assert "there is no terminal to ask in" in capsys.readouterr().err


def test_questions_are_asked_one_by_one_and_again_where_the_answer_is_none(capsys):
    answers, asked = iter(["no", "sixty", "60", "", "yes", "gold", "?"]), []

    def line(question):
        asked.append(question)
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    found = ask(Facts(labels=10, clean=True), line)
    assert found == Facts(subjective=False, labels=60, clean=True, rationales=True, verifier="gold")
    assert asked[1].endswith("(a whole number) [10] ")
    assert "labels is 'sixty'" in capsys.readouterr().out
    ask(
        Facts(),
        lambda question: (
            asked.append(question) or ("0" if "(labels)" in question else "none" if "Who" in question else "")
        ),
    )
    assert not [each for each in asked[8:] if "trusted" in each or "check cost" in each]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each["name"])
def test_every_situation_has_a_grid_that_loads_or_a_reason(situation, tmp_path):
    found = advise(make(situation["facts"]))
    try:
        study = smallest(found)
    except RftlabError:
        assert (found.facts.labels, found.first.name) == (0, "prompting")
        return
    for name in ("data.jsonl", "test.jsonl", "prompts.jsonl", "pairs.jsonl"):
        (tmp_path / name).write_text("")
    (tmp_path / "checks.py").write_text("def score(answer, example):\n    return 1.0\n")
    (tmp_path / "advice.yaml").write_text(study.text)
    grid = Grid.load(tmp_path / "advice.yaml")
    assert {cell.method for cell in grid.cells} == {*study.arms}
    assert grid.plan.max_seeds == study.seeds
    assert study.shows == pytest.approx(detect.of_grid(grid).smallest)
    assert 0 < study.shows < 0.5
    first = found.first.family.methods[:1]
    assert not first or first[0] in study.arms


def test_a_task_is_measured_and_its_study_passes_the_dry_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"What is {i} + {i}?", "answer": f"We add. #### {2 * i}"} for i in range(400)]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    arguments = ["advise", "sums.jsonl", "--reasoning", "yes", "--model", "tiny-base", "-o", "settle.yaml"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "measured on the task: labels 280, rationales yes, verifier gold" in said
    assert "1 hybrid, SFT then RFT (sft+grpo)" in said
    assert main(["run", "settle.yaml", "--dry-run"]) == 0
    assert main(arguments) == 2
    assert "settle.yaml is there already" in capsys.readouterr().err


def test_few_rows_are_tested_by_folds(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(102)]
    (tmp_path / "few.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main(["advise", "few.jsonl", "--reasoning", "no", "--model", "tiny-base", "-o", "settle.yaml"]) == 0
    said = capsys.readouterr().out
    assert "81 labels without rationales, 20 of each of 5 folds to test on" in said
    assert "with what folds of the same rows share counted" in said
    grid = Grid.load(tmp_path / "settle.yaml")
    assert {cell.task_settings["folds"] for cell in grid.cells} == {5}
    assert {cell.labels for cell in grid.cells} == {0, 81}
    assert main(["run", "settle.yaml", "--dry-run"]) == 0


def test_a_grid_has_each_of_its_tasks_measured():
    word, rare = subjects("demo")
    assert (word.name, rare.name) == ("arithmetic/word", "arithmetic/rare")
    assert word.facts == Facts(labels=1000, rationales=True, verifier="gold", partial=False, prompts=0)
    assert word.values["budget.amount"] == 30
    [story] = subjects("arithmetic/word")
    assert story.values == {"task": "arithmetic/word"}


@pytest.fixture
def study(tmp_path):
    """GRPO beats SFT at 10 and 50 labels, clearly."""
    path = tmp_path / "made.yaml"
    path.write_text(
        "name: made\ndefaults: {task: arithmetic/word, seed: [0, 1, 2, 3, 4, 5]}\nmax_seeds: 6\n"
        "include:\n  - {method: base}\n  - {method: [sft, grpo], labels: [10, 50]}\n"
    )
    grid, folder = Grid.load(path), tmp_path / "results" / "made"
    for cell in grid.cells:
        synthetic.write_cell(folder, cell.model_dump(), items=80)
    write_grid(folder, grid)
    return folder


def test_records_outrank_the_rules_and_the_disagreement_is_said(study, tmp_path, monkeypatch):
    given = Facts(labels=120, reasoning=False, verifier="gold")
    [subject] = subjects("arithmetic/word")
    monkeypatch.chdir(tmp_path)
    found = consult(given, subject)
    assert found.rules.first.name == "sft"
    assert found.advice.first.name == "rft"
    assert re.search(
        r"The rules put SFT first and records say otherwise.*made: tiny-base, at 50 labels, 6 seeds: use GRPO",
        str(found),
    )
    assert found.facts["records"].base_accuracy is not None
    agreed = consult(Facts(labels=60, reasoning=False, verifier="gold", base_pass_at_8=0.6), results=[study])
    assert agreed.disagreement == ""
    assert agreed.advice.first.name == "rft"


def test_a_folder_without_the_task_is_named(study):
    [subject] = subjects("arithmetic/rare")
    with pytest.raises(
        RftlabError, match="has no comparison on arithmetic/rare; it has: arithmetic/word with tiny-base"
    ):
        consult(Facts(), subject, results=[study])


@given(st.integers(2, 30), st.integers(10, 2000), st.floats(0.001, 0.2), st.floats(0.9, 0.999))
def test_more_seeds_and_more_items_show_smaller_differences(seeds, items, by_seed, confidence):
    def shown(seeds, items):
        parts = Components(2, items, by_seed**2, 0.17**2, 0.3**2, 1.0)
        return parts.detectable(seeds, items=items, confidence=confidence)

    assert shown(seeds + 1, items) < shown(seeds, items)
    assert shown(seeds, 2 * items) < shown(seeds, items)


def test_the_table_of_the_planning_notes_is_met():
    """3 seeds and 200 items, seeds that differ by 2.5 points: about 13 points, as simulated with paired intervals."""
    parts = Components(2, 200, 0.025**2, 0.17**2, 0.32**2, 1.0)
    assert parts.detectable(3) == pytest.approx(0.129, abs=0.001)
    assert parts.detectable(11) < 0.05


PAGE = Path(__file__).parents[2] / "docs" / "advise.md"


def test_the_page_has_the_rules_as_they_are(capsys):
    """`rftlab advise --rules` prints what stands between the marks."""
    assert main(["advise", "--rules"]) == 0
    [table] = re.findall(r"<!-- rules -->\n(.*)<!-- /rules -->", PAGE.read_text(), flags=re.DOTALL)
    assert table == capsys.readouterr().out


REFERENCE = Path(__file__).parents[2] / "results" / "shipped" / "reference.tar.xz"


def test_few_shot_that_was_measured_to_lose_comes_last_and_before_no_training():
    [subject] = subjects("arithmetic/word")
    found = consult(Facts(), subject, results=[REFERENCE])
    assert found.advice.possible[-1].name == "prompting"
    assert found.facts["records"].prompted is True
    assert found.facts["records"].base_pass_at_8 >= found.facts["records"].base_accuracy, "of the same prompts"
    said = str(found)
    assert "few-shot was measured: 1 %, the base 65 %: worse than the base" in said
    assert "Before any training" not in said
    with pytest.raises(
        RftlabError, match=r"of 3 tasks \(arithmetic/band, arithmetic/rare, arithmetic/word\); name a task"
    ):
        consult(Facts(), results=[REFERENCE])


def test_a_study_names_the_spread_that_it_goes_by():
    one = smallest(advise(Facts(labels=0, prompts=300, verifier="no_gold", trainable=False)))
    assert not one.told.count("as four of five pairs")
    assert f"differ by {100 * detect.AGAINST[0]:.1f} points, as four of five trained arms against the base" in one.told
    two = smallest(advise(Facts(labels=500, verifier="gold")))
    assert f"differ by {100 * detect.STEADY[0]:.1f} points, as four of five pairs of the shipped" in two.told


def test_records_name_the_base_of_a_study_where_nothing_else_does(study):
    found = consult(Facts(labels=60, verifier="gold"), results=[study])
    assert "model: tiny-base" in found.study.text
    assert "model: other" in consult(Facts(), results=[study], model="other").study.text


@pytest.mark.parametrize("facts", [{"verifier": "none", "prompts": 300}, {"verifier": "gold"}])
def test_no_study_is_made_of_arms_that_are_not_possible(facts):
    with pytest.raises(RftlabError, match="no study can be made yet: without labels"):
        smallest(advise(Facts(labels=0, **facts)))
    assert smallest(advise(Facts(labels=0, preferences=500, verifier="none"))).named == ("base", "dpo", "sft")


def test_thumbs_up_and_down_are_for_kto():
    rated = advise(Facts(labels=0, preferences=0, thumbs=300, verifier="none", subjective=True))
    assert rated.first.name == "thumbs"
    assert rated.first.reasons[0].source.source.startswith("KTO")
    study = smallest(rated)
    assert study.named == ("base", "kto")
    assert "thumbs_file: thumbs.jsonl" in study.text
    assert "pairs_file" not in study.text
    assert "the thumbs as JSONL (prompt, completion, label), thumbs.jsonl" in study.open
    assert advise(Facts(labels=60, thumbs=300, verifier="gold", subjective=False)).first.name != "thumbs"
    assert "thumbs" not in {each.name for each in advise(Facts(thumbs=0)).possible}


def test_where_records_and_ranking_disagree_a_sentence_says_so():
    (rare,), (word,) = subjects("arithmetic/rare"), subjects("arithmetic/word")
    opened = consult(Facts(labels=50), rare, results=[REFERENCE])
    assert opened.advice.first.name == "rft"
    assert (
        "The rules put RFT first; records leave it open, and show SFT and hybrid, SFT then RFT above the base."
        in str(opened)
    )
    cheaper = consult(Facts(labels=5000, reasoning=True), word, results=[REFERENCE])
    assert cheaper.advice.first.name == "sft"
    assert "The rules put hybrid, SFT then RFT first and records say otherwise" in str(cheaper)
    assert "5000 labels are given, and the data has 1000" in str(cheaper)
    few = consult(Facts(labels=5), word, results=[REFERENCE])
    assert few.advice.first.name == few.rules.first.name == "rft"
    assert "these do not count here: 10 labels are more than there are" in str(few)


def test_figures_that_hardly_go_together_are_named():
    said = str(consult(Facts(base_accuracy=0.6, base_pass_at_8=0.2)))
    assert "base_accuracy 60 % and base_pass_at_8 20 % hardly go together" in said


def test_enter_to_every_question_is_an_answer(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("\n" * len(FACTS)))
    monkeypatch.setattr("rftlab.cli.asking.can_ask", lambda: True)
    assert main(["advise"]) == 0
    assert "nothing is known, so the order below is by cost alone" in capsys.readouterr().out
    assert read_fact("labels", 60.0) == 60


def _written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_file_of_comparisons_is_one_and_its_study_passes_the_dry_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"Write on {n}.", "chosen": f"A line on {n}.", "rejected": "No."} for n in range(60)]
    _written(tmp_path / "prefs.jsonl", rows)
    assert main(["advise", "prefs.jsonl", "--subjective", "yes", "--model", "tiny-base", "-o", "settle.yaml"]) == 0
    said = capsys.readouterr().out
    assert "measured on the task: labels 0, prompts 42, preferences 60" in said
    assert "1 learning from comparisons, DPO or RLHF (dpo, rlhf): +5" in said
    assert "before it runs" not in said
    cells = Grid.load(tmp_path / "settle.yaml").cells
    assert {cell.settings["pairs_file"] for cell in cells if cell.method == "dpo"} == {str(tmp_path / "prefs.jsonl")}
    assert main(["run", "settle.yaml", "--dry-run"]) == 0


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"prompt": "a", "chosen": [{"role": "user"}], "rejected": "b"}], "are read as texts, and here they are not"),
        ([{"prompt": "a", "chosen": "b", "rejected": "b"}], "line 1: chosen and rejected are the same text"),
        ([{"chosen": "a", "rejected": "b"}], "no column prompt says for which prompt"),
        ([{"vraag": "a", "soort": "b"}], "say so: rftlab new rows.jsonl --columns prompt=... answer=... -o GRID.yaml"),
    ],
)
def test_a_file_that_does_not_say_what_it_holds_is_answered_in_a_sentence(rows, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _written(tmp_path / "rows.jsonl", rows)
    assert main(["advise", "rows.jsonl"]) == 2
    assert says in capsys.readouterr().err


def test_a_file_of_prompts_alone_is_advised_on_and_asks_who_judges(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _written(tmp_path / "asked.jsonl", [{"prompt": f"Write on {n}.", "by": "me"} for n in range(60)])
    assert main(["advise", "asked.jsonl", "--verifier", "no_gold", "--model", "tiny-base", "-o", "settle.yaml"]) == 0
    said = capsys.readouterr().out
    assert "measured on the task: labels 0, prompts 42" in said
    assert "no column (by) is known to hold answers" in said
    assert "1 RFT (grpo): +3" in said
    assert "before it runs it needs who judges an answer: checks.py" in said
    scored = "def score(completion, example):\n    return float('a' in completion)\n\n\nscore.needs_gold = False\n"
    (tmp_path / "checks.py").write_text(scored)
    assert main(["run", "settle.yaml", "--dry-run"]) == 0
    assert main(["advise", "asked.jsonl", "--verifier", "none"]) == 0
    assert "no study can be made yet" in capsys.readouterr().out
    assert main(["sense", "asked.jsonl"]) == 2
    assert "nothing says who judges an answer" in capsys.readouterr().err
