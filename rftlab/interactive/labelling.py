"""What the labelling notebook calls: whose completions are judged, and how far two labellers agree."""

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from rftlab.advise.labellers import judge_agreement, label_agreement
from rftlab.errors import RftlabError
from rftlab.interactive.judge_pairs import JudgeQueue
from rftlab.interactive.label_pairs import PairQueue, candidates, candidates_of, verifier_opinion
from rftlab.record.judgements import SAME_TEXT, read_judgements, read_judges
from rftlab.scalars import require_texts
from rftlab.tasks.choices import read_choices

if TYPE_CHECKING:
    from rftlab.experiment import Experiment

A_PERSON = "a person"


def make_queue(
    experiment: "Experiment", path: str | Path, *, pairs: int = 50, seed: int = 0, labeller: str = "",
    again: str | Path = "", study: str | Path = "",
) -> PairQueue | JudgeQueue:  # fmt: skip
    """What is to be judged, for `label_widget`.

    Args:
        experiment: samples the completions, and its verifier gives its opinion when asked.
        path: the pairs file that choices go to.
        pairs: how many pairs to offer.
        seed: of the order in which two completions are shown.
        labeller: who judges.
        again: another labeller's pairs file, whose pairs are judged again instead.
        study: a results folder, whose arms' test completions are judged instead; judgements are kept in it.

    Raises:
        RftlabError: a file cannot be read, has no name or is another labeller's, or there is nothing to judge.
    """
    require_texts(path=path, again=again, study=study, labeller=labeller)
    if study:
        return JudgeQueue(study, labeller or A_PERSON, seed=seed)
    if not Path(path).name:
        raise RftlabError("a pairs file needs a name; give a path, such as results/pairs.jsonl")
    if again and Path(path).expanduser().resolve() == Path(again).expanduser().resolve():
        raise RftlabError(f"{path} is what is judged again; give a path of your own for your choices")
    if pairs < 1:
        raise RftlabError(f"pairs is {pairs}; give a whole number above 0")
    offered = candidates_of(again) if again else candidates(experiment, pairs)
    return PairQueue(offered, path, seed=seed, labeller=labeller, opinion=verifier_opinion(experiment))


def agreement(path: str | Path, *, again: str | Path = "", study: str | Path = "") -> str:
    """How far labellers agree, in words, or what is missing to say so.

    Args:
        path: a pairs file.
        again: the other labeller's.
        study: a results folder; then of every two persons who judged there.

    Raises:
        RftlabError: a file cannot be read.
    """
    if study:
        asked = {each.judge for each in read_judgements(study) if each.why != SAME_TEXT}
        people = [name for name, facts in read_judges(study).items() if facts.get("kind") == "person" and name in asked]
        found = [str(judge_agreement(study, *two)) for two in combinations(people, 2)]
        return "\n\n".join(found) or "One person so far, or none. A second one gives a name of their own as `labeller`."
    if not again:
        return "One labeller so far. A second one gives this pairs file as `again`, and a `path` of their own."
    if not read_choices(path):
        return f"Nothing is judged in {path} yet."
    return str(label_agreement(again, path))
