"""The check of data and verifier: what passes, what fails, and what it says."""

import json

import pytest

from rftlab.advise.check import check
from rftlab.advise.check_data import leaks, near_duplicates, paraphrases
from rftlab.advise.finding import excerpt
from rftlab.advise.wrong_answers import near_misses
from rftlab.cli import main
from rftlab.errors import RftlabError
from rftlab.tasks.base import Example


@pytest.fixture
def file(tmp_path):
    def write(rows, name="data.jsonl"):
        path = tmp_path / name
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        return str(path)

    return write


SUMS = [{"prompt": f"How much is {a} plus {b}?", "answer": str(a + 10 * b)} for a in range(8) for b in range(8)]


def levels(report):
    return {finding.what: finding.level for finding in report.findings}


def test_sound_data_passes(file):
    report = check(file(SUMS))
    assert report.ok
    assert str(report).endswith("passed")
    assert {"gold answers", "shuffled answers", "empty completions", "lists of all candidates", "throughput"} <= set(
        levels(report)
    )


def test_a_grid_is_checked_with_the_settings_it_has_there(file, tmp_path, capsys):
    rows = [{"q": row["prompt"], "a": f"so #### {row['answer']}"} for row in SUMS]
    settings = "{path: data.jsonl, columns: {prompt: q, answer: a}, answer_after: '####'}"
    (tmp_path / "g.yaml").write_text(
        f"task: file\ntask_settings: {settings}\nlabels: [5, 10]\nverifier: [exact, numeric]\n"
        "evaluation.along_the_way: 0\n"
    )
    file(rows)
    assert main(["check", str(tmp_path / "g.yaml")]) == 0
    said = capsys.readouterr().out
    assert said.count("passed") == 3
    assert "with verifier numeric" in said
    assert "before a run: 5, 10 labels" in said


def test_a_grid_that_a_run_would_refuse_fails_its_check(file, tmp_path, capsys):
    file(SUMS)
    (tmp_path / "g.yaml").write_text("task: file\ntask_settings: {path: data.jsonl}\nlabels: 4000\n")
    assert main(["check", str(tmp_path / "g.yaml")]) == 1
    assert "g.yaml line 3: task 'data' has 45 training examples" in capsys.readouterr().out


def test_columns_are_mapped(file):
    rows = [{"q": row["prompt"], "a": row["answer"]} for row in SUMS]
    assert check(file(rows), {"columns": {"prompt": "q", "answer": "a"}}).ok


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        ("return 1.0", {"shuffled answers", "empty completions", "lists of all candidates"}),
        ("return 0.0", {"gold answers", "shuffled answers"}),
        ("return float(example.answer in completion)", {"lists of all candidates"}),
        ("return float(completion in ('', f'<answer>{example.answer}</answer>'))", {"empty completions"}),
        ("pass", {"gold answers", "shuffled answers", "verifier errors"}),
        ("return 1 / 0", {"gold answers", "shuffled answers", "verifier errors"}),
    ],
)  # fmt: skip
def test_a_broken_verifier_fails(file, tmp_path, body, failed):
    (tmp_path / "mine.py").write_text(f"def judge(completion, example):\n    {body}\n")
    report = check(file(SUMS), verifier=f"{tmp_path}/mine.py:judge")
    assert not report.ok
    assert failed <= {what for what, level in levels(report).items() if level == "FAIL"}


def test_a_verifier_that_raises_on_wrong_answers_alone_is_named_with_its_line(file, tmp_path):
    body = "    return float(int(answer) == int(example.answer))"
    (tmp_path / "mine.py").write_text(f"def judge(answer, example):\n{body}\n")
    report = check(file(SUMS), verifier=f"{tmp_path}/mine.py:judge")
    [errors] = [finding for finding in report.findings if finding.what == "verifier errors"]
    assert errors.level == "note"
    assert "the verifier itself failed on" in errors.text
    assert "ValueError: invalid literal for int()" in errors.evidence[0]
    assert "(mine.py, line 2)" in errors.evidence[0]
    assert levels(report)["near misses"] == levels(report)["lists of all candidates"] == "note"
    assert levels(report)["empty completions"] == "ok"


def example(answer, prompt="How much is it?"):
    return Example(answer, prompt, answer)


@pytest.mark.parametrize(
    ("kind", "gold", "wrong"),
    [
        ("another digit", "0.072", "0.082"),
        ("another digit", "9 m", "1 m"),
        ("the other sign", "-3.5", "3.5"),
        ("the other sign", "12", "-12"),
        ("the other sign", "0.0", None),
        ("the other sign", "3 + 4", None),
        ("its last number alone", "3/4", "4"),
        ("its last number alone", "1,500", None),
        ("`not` before it", "spam", "not spam"),
        ("`not` behind it", "spam", "spam not"),
        ("`is wrong` behind it", "B", "B is wrong"),
        ("`incorrect` behind it", "12", "12 incorrect"),
        ("it or another", "12", "12 or 13"),
        ("it or another", "1.5", None),
        ("`hundred` behind it", "12", "12 hundred"),
        ("`million` behind it", "0", None),
        ("`+ 1` behind it", "-3.5", "-3.5 + 1"),
        ("`squared` behind it", "1", None),
        ("`squared` behind it", "9 m", None),
        ("0", "0.00", None),
        ("0", "B", None),
        ("nan", "NaN", None),
        ("the prompt repeated", "spam", "How much is it?"),
    ],
)
def test_a_near_miss_is_wrong_and_looks_like_the_gold(kind, gold, wrong):
    assert [answer for _, answer in near_misses([example(gold)]).get(kind, [])] == ([wrong] if wrong else [])


def test_of_a_long_answer_no_digit_is_changed():
    code = "def twice(x):\n    y = 2 * x\n    return y + 1 - 1"
    assert set(near_misses([example(code)])) == {
        "`not` before it", "junk around it", "nan", "the prompt repeated",
    }  # fmt: skip


@pytest.mark.parametrize(("gold", "wrong"), [("B", "B or C"), ("D", "D or A"), ("bee", "bee or sea")])
def test_of_options_another_one_is_offered_beside_the_gold(gold, wrong):
    asked = Example("a", "Which?", gold, meta={"choices": ["ay", "bee", "sea", "dee"]})
    assert [answer for _, answer in near_misses([asked])["it or another"]] == [wrong]


@pytest.mark.parametrize("verifier", ["numeric", "math", "exact"])
def test_what_stands_behind_a_number_and_changes_or_denies_it_is_paid_by_none(file, verifier):
    rows = [{"prompt": f"How much is {i}?", "answer": gold} for i, gold in enumerate(["12", "-3", "0", "1,500", "2.5"])]
    report = check(file(rows), verifier=verifier)
    assert levels(report)["near misses"] == "ok", str(report)


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ("return float(re.findall(r'\\d+', completion)[-1:] == [example.answer])",
         {"the other sign", "the prompt repeated", "`not` before it", "`not` behind it", "`is wrong` behind it",
          "`incorrect` behind it", "`hundred` behind it", "`million` behind it", "`squared` behind it",
          "junk around it"}),
        ("return float('nan' in completion or completion == f'<answer>{example.answer}</answer>')", {"nan"}),
        ("return float(completion.replace('not ', '') == f'<answer>{example.answer}</answer>')", {"`not` before it"}),
        ("return float(example.prompt in completion or completion == f'<answer>{example.answer}</answer>')",
         {"the prompt repeated"}),
    ],
)  # fmt: skip
def test_a_verifier_that_pays_for_a_near_miss_fails(file, tmp_path, body, kinds):
    (tmp_path / "mine.py").write_text(f"import re\ndef judge(completion, example):\n    {body}\n")
    report = check(file(SUMS), verifier=f"{tmp_path}/mine.py:judge")
    assert not report.ok
    assert {f.text.partition(":")[0] for f in report.findings if (f.what, f.level) == ("near misses", "FAIL")} == kinds


def test_where_several_answers_may_be_right_a_near_miss_that_is_paid_is_a_note(file):
    report = check(file(SUMS), verifier="regex", verifier_settings={"pattern": r"-?\d+"})
    assert levels(report)["near misses"] == "note"


def test_a_gold_answer_that_is_no_option_fails(file):
    rows = [{"prompt": f"Which of {i}?", "answer": "ABCDx"[i % 5], "choices": ["w", "x", "y", "z"]} for i in range(40)]
    report = check(file([{**row, "answer": row["answer"].replace("x", "E")} for row in rows]),
                   {"columns": {"meta": ["choices"]}})  # fmt: skip
    [finding] = [finding for finding in report.findings if finding.what == "options"]
    assert (finding.level, finding.text) == ("FAIL", "8 gold answers are none of their options")


def test_whole_rationales_as_gold_answers_fail_and_say_what_to_set(file):
    rows = [{**row, "answer": f"We add and get #### {row['answer']}"} for row in SUMS]
    assert "task_settings.answer_after: '####'" in str(check(file(rows)))
    assert not check(file(rows)).ok
    assert check(file(rows), {"answer_after": "####"}).ok


@pytest.mark.parametrize(
    ("answer", "level", "says"),
    [
        (r"We add and get \boxed{{{}}}", "FAIL", r"task_settings.answer_after: '\boxed'"),
        ("We add both. So it is {}.", "note", "name the words before it in task_settings.answer_after"),
        (r"$\boxed{{{}}}$", None, ""),
    ],
)
def test_whole_solutions_as_gold_answers_are_found(file, answer, level, says):
    report = check(file([{**row, "answer": answer.format(row["answer"])} for row in SUMS]))
    assert levels(report).get("whole rationales") == level
    assert says in str(report)


def test_one_answer_that_the_verifier_takes_for_most_is_the_base_rate(file, tmp_path):
    body = "return float(abs(float(answer) - float(example.answer)) <= 20)"
    (tmp_path / "near.py").write_text(f"def judge(answer, example):\n    {body}\n")
    rows = [{"prompt": f"How much is {i}?", "answer": str(i)} for i in range(40)]
    assert "always saying '0' scores 0.03" in str(check(file(rows)))
    [said] = [f for f in check(file(rows), verifier=f"{tmp_path}/near.py:judge").findings if f.what == "base rate"]
    right = max(sum(abs(i - j) <= 20 for i in range(40)) for j in range(40))
    assert (right, said.level) == (40, "note")
    assert said.text.endswith("scores 1.00")


def test_spellings_of_one_class_are_a_note(file):
    rows = [{"prompt": f"Review {i}", "answer": ("NEG", "neg", "Pos", "pos")[i % 4]} for i in range(80)]
    report = check(file(rows))
    assert levels(report)["spellings"] == "note"
    assert "spellings" not in levels(check(file(SUMS)))


def test_gold_answers_that_stand_in_their_prompts_are_said(file):
    rows = [{"prompt": f"Ticket {i} of customer c{i}x: whose is it?", "answer": f"c{i}x"} for i in range(64)]
    assert levels(check(file(rows)))["gold in the prompt"] == "note"
    assert "gold in the prompt" not in levels(check(file(SUMS)))


def test_gold_that_the_verifier_cannot_read_is_listed(file):
    rows = [*SUMS, {"prompt": "How much is it?", "answer": "about seven"}]
    report = check(file(rows), verifier="numeric")
    [finding] = [finding for finding in report.findings if finding.what == "gold answers"]
    assert "1 of 65 do not score 1" in finding.text
    assert "about seven" in finding.evidence[0]


def test_one_answer_for_all_fails_and_a_common_one_is_said(file):
    assert levels(check(file([{**row, "answer": "yes"} for row in SUMS])))["shuffled answers"] == "FAIL"
    common = [{**row, "answer": "yes" if i % 4 else "no"} for i, row in enumerate(SUMS)]
    report = check(file(common))
    assert report.ok
    assert "always saying 'yes' scores 0.75" in str(report)


def test_guessing_among_choices_is_said(file):
    rows = [{"prompt": f"Which of {i}?", "answer": "ABCD"[i % 4], "choices": ["w", "x", "y", "z"]} for i in range(40)]
    report = check(file(rows), {"columns": {"meta": ["choices"]}}, verifier="choice")
    assert report.ok
    assert "guessing among the choices scores 0.25" in str(report)


def test_repeated_and_nearly_repeated_prompts_are_listed(file):
    long = "In the year {n} the ship left the harbour of Lisbon with {n} sailors on board; how many came back{end}"
    rows = [
        {"prompt": long.format(n=n, end=end), "answer": f"{n}{i}"}
        for n in range(40)
        for i, end in enumerate(("?", " home?"))
    ]
    report = check(file([*rows, rows[0], {**rows[0], "answer": "other"}]))
    assert levels(report)["near duplicates"] == "note"
    assert {"duplicates in train", "duplicates in test"} & set(levels(report))


def test_what_is_cut_from_a_line_of_evidence_says_so():
    assert excerpt("How many books now?", 19) == "'How many books now?'"
    assert excerpt("How many books now?", 18) == "'How many books '..."


def test_near_duplicates_need_the_same_numbers_and_signs():
    def prompt(text):
        return Example(text, f"Tell me slowly and carefully how much {text} comes to", "1")

    pairs = near_duplicates(
        [prompt("3 + 4"), prompt("3 + 5 there")], [prompt("3 - 4"), prompt("3 + 5 then"), prompt("4 + 3")]
    )
    assert [(a.id, b.id) for a, b in pairs] == [("3 + 5 there", "3 + 5 then")]


@pytest.mark.parametrize(
    ("known", "asked", "same"),
    [
        ("How much is 3+5?", "how much is 3 + 5", True),
        ("How much is 3+5?", "How much is 3-5?", False),
        ("How much is 1.5?", "How much is 15?", False),
        ("Is it (really) so?", "Is it really so", True),
    ],
)
def test_a_leak_is_the_same_but_for_white_space_and_punctuation(known, asked, same):
    assert bool(leaks([example("x", known)], [example("x", asked)])) is same


def test_a_paraphrase_has_the_words_the_numbers_and_the_answer():
    known = [example("15", "Anna had 12 apples and bought 3 more apples; how many has she now?")]
    told = "How many apples has she now, if Anna had 12 and bought 3 more?"
    assert paraphrases(known, [example("15", told)])
    assert not paraphrases(known, [example("9", told)])
    assert not paraphrases(known, [example("15", told.replace("12", "13"))])
    assert not paraphrases(known, [example("15", "Bob ran 12 km, then 3 miles. Which sum of both figures?")])


def test_functions_below_each_other_are_no_list_of_candidates(file):
    rows = [
        {
            "prompt": f"Write a function add{i}(x) that adds {i}.",
            "answer": f"def add{i}(x):\n    return x + {i}",
            "entry_point": f"add{i}",
            "tests": [{"args": [x], "expected": x + i} for x in range(3)],
        }
        for i in range(8)
    ]
    report = check(file(rows), {"columns": {"meta": ["entry_point", "tests"]}}, verifier="code")
    assert levels(report)["lists of all candidates"] == "ok", str(report)
    assert levels(report)["gold answers"] == "ok"


def test_a_leak_by_white_space_fails(file):
    spaced = [{**row, "prompt": row["prompt"].replace("How much", "How  much").rstrip("?")} for row in SUMS[:9]]
    report = check(file(SUMS), {"test_path": file(spaced, "test.jsonl")})
    assert levels(report)["leaks"] == "FAIL"
    assert "9 held-out prompts" in str(report)


def test_test_items_in_training_are_an_error(file):
    with pytest.raises(RftlabError, match="also in the training part"):
        check(file(SUMS), {"test_path": file(SUMS[:3], "test.jsonl")})


OWN = """from pathlib import Path
from random import random
from rftlab.tasks.base import Example, Task

def rows(answer=str):
    return [Example(f"e{i}", f"How much is {i} + 1?", answer(i + 1)) for i in range(60)]

def lists():
    return Task("own", "", rows()[:40], rows()[40:])

def dicts():
    return Task("own", "", [{"prompt": "x"}], rows()[40:])

def drawn():
    return Task("own", "", tuple(rows(lambda i: f"{i}{random()}")[:40]), tuple(rows()[40:]))

def judge(answer, example):
    return float(answer == Path("right.txt").read_text())
"""


def test_a_task_of_ones_own_may_give_lists_and_must_be_the_same_again(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(OWN)
    assert check(f"{own}:lists", verifier="exact").ok
    with pytest.raises(RftlabError, match=r"train holds a dict; give a tuple of Examples \(own\.py, line 12\)"):
        check(f"{own}:dicts")
    with pytest.raises(
        RftlabError, match=r"loaded twice, has other examples the second time \(first: e0\) \(own\.py, line"
    ):
        check(f"{own}:drawn")


def test_a_file_that_a_verifier_looks_for_in_the_working_folder_is_told_with_the_way_out(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(OWN)
    report = check(f"{own}:lists", verifier=f"{own}:judge")
    assert "own.py, line 18); a relative path starts from the working folder, write Path(__file__).parent" in str(
        report
    )


def test_registered_tasks_pass():
    for name in ("arithmetic/word", "math/countdown"):
        assert check(name).ok, str(check(name))


def test_answers_that_contradict_each_other_fail_unless_the_verifier_takes_both(file):
    report = check(file([*SUMS, {**SUMS[0], "answer": "other"}]))
    assert levels(report)["conflicts"] == "FAIL"
    assert "'other'" in str(report)
    assert not report.ok
    equal = [*SUMS, {**SUMS[11], "answer": f"{SUMS[11]['answer']}.0"}]
    assert "conflicts" not in levels(check(file(equal), verifier="numeric"))


def test_two_rows_of_folds_that_differ_in_punctuation_alone_are_a_leak_whatever_fold_they_are_in(tmp_path):
    rows = [{"prompt": f"Say the word number {i}!", "answer": f"w{i}"} for i in range(40)]
    rows += [{"prompt": "Say the word number 7 !!", "answer": "w7"}]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    report = check(str(path), {"folds": 5})
    [leak] = [finding for finding in report.findings if finding.what == "leaks"]
    assert leak.level == "FAIL"
    assert "word number 7" in leak.evidence[0]
    assert not check(str(path), {"folds": 5}).ok
