"""Pairs files and the queue of pairs to label: nothing is lost, nothing is asked twice, all can be taken back."""

import json
from pathlib import Path

import datasets
import papermill
import pytest

from rftlab.errors import RftlabError
from rftlab.files.paths import notebooks_dir
from rftlab.interactive.label_pairs import PairQueue, candidates_of
from rftlab.tasks.choices import choices_path, read_choices
from rftlab.tasks.pairs import Pair, read_pairs, write_pairs

CANDIDATES = [("p1", "a", "b"), ("p2", "c", "d"), ("p3", "e", "f"), ("p4", "g", "h")]


def test_pairs_survive_the_file(tmp_path: Path) -> None:
    pairs = [
        Pair("p\n", "\u00e9 <b>", "x"),
        Pair("q", "", "y"),
        Pair("a\u2028b", "\x85", "\x0c"),
        Pair("\ud800", "", "z"),
    ]
    assert read_pairs(write_pairs(tmp_path / "deep" / "pairs.jsonl", pairs)) == pairs
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["pairs.jsonl"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "not JSON"),
        ("[]", "prompt, chosen, rejected"),
        ('{"prompt": "p", "chosen": "a", "rejected": 3}', "rejected must"),
        ('{"prompt": "p", "chosen": "a", "rejected": "a"}', "same text"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"prompt": "p", "chosen": "a", "rejected": "b"}\n\n' + line + "\n")
    with pytest.raises(RftlabError, match=f"line 3.*{says}"):
        read_pairs(file)


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"prompt": 1, "first": "", "second": "", "choice": "tie"}',
                                  '{"prompt": "", "first": "a", "second": "b", "choice": "left"}'])  # fmt: skip
def test_a_wrong_choice_is_named_and_its_file_left_alone(tmp_path: Path, line: str) -> None:
    file = tmp_path / "pairs.jsonl"
    PairQueue(CANDIDATES, file).choose("tie")
    with choices_path(file).open("a") as kept:
        kept.write(line + "\n")
    before = choices_path(file).read_bytes()
    with pytest.raises(RftlabError, match="line 2 is no choice"):
        PairQueue(CANDIDATES, file)
    assert choices_path(file).read_bytes() == before


def test_every_choice_is_saved_and_not_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    queue = PairQueue(CANDIDATES, file)
    prompt, first, second = queue.current or ("", "", "")
    queue.choose("second")
    assert read_pairs(file) == [Pair(prompt, second, first)]
    queue.skip()
    later = PairQueue([(p, b, a) for p, a, b in CANDIDATES], file, seed=1)
    assert [p for p, _, _ in later.waiting] == ["p2", "p3", "p4"]
    assert len(later.pairs) == 1


def test_ties_and_what_is_bad_on_both_sides_are_kept_beside_the_pairs_alone(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    queue = PairQueue(CANDIDATES, file, labeller="Ada")
    shown = list(queue.waiting)
    for word in ("first", "tie", "both bad"):
        queue.choose(word)
    assert [choice.choice for choice in read_choices(file)] == ["first", "tie", "both bad"]
    assert [(choice.prompt, choice.first, choice.second) for choice in read_choices(file)] == shown[:3]
    assert {choice.labeller for choice in read_choices(file)} == {"Ada"}
    assert read_pairs(file) == [Pair(*shown[0])]
    assert "3 judged, 1 to go; 1 with a preference" in queue.state
    assert "ties: 1, bad on both sides: 1, in pairs.choices.jsonl alone" in queue.state


def test_the_pairs_file_is_a_preference_dataset_as_trl_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    queue = PairQueue(CANDIDATES, file)
    for word in ("first", "tie", "second", "both bad"):
        queue.choose(word)
    read = datasets.Dataset.from_json(str(file), cache_dir=str(tmp_path / "cache"))
    assert read.column_names == ["prompt", "chosen", "rejected"]
    assert {feature.dtype for feature in read.features.values()} == {"string"}
    assert [row["prompt"] for row in read] == ["p1", "p3"]


def test_a_later_sitting_takes_back_what_an_earlier_one_chose(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    queue = PairQueue(CANDIDATES, file)
    shown = list(queue.waiting)
    queue.choose("first")
    queue.choose("tie")
    later = PairQueue([], file)
    later.undo()
    assert read_pairs(file) == [Pair(*shown[0])]
    assert len(read_choices(file)) == 1
    later.undo()
    later.undo()
    assert (read_pairs(file), read_choices(file)) == ([], [])
    assert later.waiting == shown[:2], "as they stood"


def test_a_pair_without_a_choice_stays_and_is_not_taken_back(tmp_path: Path) -> None:
    file = write_pairs(tmp_path / "pairs.jsonl", [Pair("p2", "d", "c")])
    queue = PairQueue(CANDIDATES, file)
    assert [p for p, _, _ in queue.waiting] == ["p1", "p3", "p4"]
    queue.choose("first")
    queue.undo()
    queue.undo()
    assert read_pairs(file) == [Pair("p2", "d", "c")]


@pytest.mark.parametrize("undone", [False, True])
def test_a_crash_between_the_two_files_leaves_the_choices_right(tmp_path: Path, monkeypatch, undone: bool) -> None:
    file = tmp_path / "pairs.jsonl"
    queue = PairQueue(CANDIDATES, file)
    queue.choose("first")
    before, choices = read_pairs(file), read_choices(file)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"rftlab.interactive.label_pairs.write_{'choices' if undone else 'pairs'}", crash)
    with pytest.raises(KeyboardInterrupt):
        queue.undo() if undone else queue.choose("second")
    monkeypatch.undo()
    later = PairQueue(CANDIDATES, file)
    assert len(read_choices(file)) == len(choices) + (not undone)
    assert read_pairs(file) == later.pairs
    assert later.pairs[:1] == before


def test_what_somebody_else_wrote_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    queue, other = PairQueue(CANDIDATES, file), PairQueue(CANDIDATES, file)
    other.choose("tie")
    with pytest.raises(RftlabError, match="written by somebody else"):
        queue.choose("first")
    assert [choice.choice for choice in read_choices(file)] == ["tie"]
    assert len(queue.waiting) == len(CANDIDATES)


def test_which_stands_first_is_drawn_and_recorded(tmp_path: Path) -> None:
    many = [(f"p{i}", "a", "b") for i in range(200)]
    queue = PairQueue(many, tmp_path / "x")
    swapped = sum(first == "b" for _, first, _ in queue.waiting)
    assert 70 < swapped < 130
    shown = queue.waiting[0]
    queue.choose("tie")
    [choice] = read_choices(tmp_path / "x")
    assert (choice.prompt, choice.first, choice.second) == shown


def test_the_verifiers_opinion_is_asked_for_and_that_is_recorded(tmp_path: Path) -> None:
    asked = []
    queue = PairQueue(CANDIDATES, tmp_path / "x", opinion=lambda candidate: asked.append(candidate) or "says")
    assert queue.has_opinion
    queue.choose("first")
    assert queue.opinion() == "says"
    assert asked == [queue.current]
    queue.choose("first")
    assert [choice.opinion_seen for choice in read_choices(tmp_path / "x")] == [False, True]


def test_two_labellers_have_a_file_each_and_judge_the_same_pairs_in_orders_of_their_own(tmp_path: Path) -> None:
    ada = PairQueue([(f"p{i}", "a", "b") for i in range(40)], tmp_path / "ada.jsonl", labeller="Ada")
    shown = list(ada.waiting)
    for _ in shown:
        ada.choose("first")
    with pytest.raises(RftlabError, match=r"choices of Ada; give Bob a pairs file"):
        PairQueue([], tmp_path / "ada.jsonl", labeller="Bob")
    bob = PairQueue(candidates_of(tmp_path / "ada.jsonl"), tmp_path / "bob.jsonl", labeller="Bob", seed=1)
    assert {p for p, *_ in bob.waiting} == {p for p, *_ in shown}
    assert 5 < sum(again == before for again, before in zip(bob.waiting, shown, strict=True)) < 35
    with pytest.raises(RftlabError, match="no choices lie beside"):
        candidates_of(tmp_path / "nobody.jsonl")


def test_a_file_that_cannot_be_written_chooses_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    queue = PairQueue(CANDIDATES, tmp_path / "new.jsonl")
    queue.path = tmp_path / "folder" / "pairs.jsonl"
    with pytest.raises(RftlabError, match=r"cannot keep choices|written by somebody else"):
        queue.choose("first")
    assert len(queue.waiting) == len(CANDIDATES)
    assert queue.choices == []


@pytest.mark.slow
def test_the_notebook_runs_without_a_browser(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    parameters = {"pairs": 30, "labels": 10, "path": str(file), "simulate_noise": 0.0}
    source = str(notebooks_dir() / "50_label_pairs.ipynb")
    papermill.execute_notebook(source, str(tmp_path / "out.ipynb"), parameters, progress_bar=False)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert rows
    assert all(list(row) == ["prompt", "chosen", "rejected"] for row in rows)
    assert {choice.labeller for choice in read_choices(file)} == {"the verifier"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.gradient_checkpointing. is deprecated:FutureWarning")
def test_trl_trains_on_the_pairs_file_as_it_is(tmp_path: Path, small_cell) -> None:
    import trl

    from rftlab.policy.load import load_policy

    queue = PairQueue(
        [(f"{n} + 3?", f"<answer>{n + 3}</answer>", "<answer>0</answer>") for n in range(6)], tmp_path / "p"
    )
    for word in ("first", "second", "tie", "first", "both bad", "second"):
        queue.choose(word)
    read = datasets.Dataset.from_json(str(tmp_path / "p"), cache_dir=str(tmp_path / "cache"))
    policy = load_policy(small_cell(method="dpo"))
    settings = trl.DPOConfig(
        output_dir=str(tmp_path / "out"), max_steps=1, per_device_train_batch_size=4, report_to=[], use_cpu=True,
        bf16=False, gradient_checkpointing=False, disable_tqdm=True,
    )  # fmt: skip
    trained = trl.DPOTrainer(
        model=policy.model, args=settings, train_dataset=read, processing_class=policy.tokenizer
    ).train()
    assert trained.training_loss == pytest.approx(0.693, abs=0.01), "log 2: policy and reference are still the same"
