"""The tiny base: a tokenizer that loses nothing, a shipped model that is neither useless nor solved."""

from itertools import islice

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from rftlab.files.paths import data_dir
from rftlab.policy.tiny_base import (
    IN_SUPPORT,
    QA,
    Pretrained,
    Pretraining,
    build_tokenizer,
    corpus,
    pretrain,
    save,
)
from rftlab.policy.tiny_base_card import measure, missed_aim, sample
from rftlab.tasks.arithmetic import FAMILIES
from rftlab.tasks.arithmetic.family import split_of

FOLDER = data_dir() / "tiny_base"
TOKENIZER = AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(FOLDER).eval()


@given(st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=200, deadline=None)
def test_any_text_survives_encoding_and_decoding(text):
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


@pytest.mark.parametrize("text", [" <answer>15</answer>", "a  b\t\r\n , x .", "12+3=15, don't", "<answer></answer> <"])
def test_spaces_and_punctuation_survive_exactly(text):
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"], skip_special_tokens=True) == text


def test_answer_tags_are_single_tokens_that_skip_special_tokens_keeps():
    ids = TOKENIZER(" <answer>15</answer>")["input_ids"]
    assert TOKENIZER.convert_ids_to_tokens(ids) == ["Ġ", "<answer>", "1", "5", "</answer>"]
    assert TOKENIZER.decode([*ids, TOKENIZER.eos_token_id], skip_special_tokens=True) == " <answer>15</answer>"
    assert set(TOKENIZER.all_special_tokens) == {"<eos>", "<pad>"}


def test_shipped_model_is_small_fp32_and_knows_its_end(model):
    assert sum(p.numel() for p in model.parameters()) < 1_000_000
    assert model.dtype == torch.float32
    assert model.generation_config.eos_token_id == TOKENIZER.eos_token_id
    assert model.generation_config.pad_token_id == TOKENIZER.pad_token_id
    assert len(TOKENIZER) == model.config.vocab_size


@pytest.mark.parametrize("name", IN_SUPPORT)
def test_base_solves_some_of_a_family_in_support_but_not_most(name, model):
    torch.manual_seed(0)
    found = measure(model, TOKENIZER, FAMILIES[name].generate("test", 40, seed=0), cot=True, max_new_tokens=48)
    assert 0.04 < found.sampled < 0.5
    assert found.pass_at_k > 0.3


def test_missed_aim_names_only_families_in_support_outside_the_bounds():
    rows = [("chain", "Think", 0.1, 0.6), ("word", "Think", 0.5, 0.9), ("dose", "Think", 0.2, 0.4)]
    rows += [("chain", "direct", 0.0, 0.0), ("rare", "Think", 0.0, 0.0)]
    assert missed_aim(pd.DataFrame(rows, columns=["family", "prompt", "sampled", "pass_at_8"])) == ["word", "dose"]


def test_base_gives_no_letter_for_a_question_outside_its_support(model):
    torch.manual_seed(0)
    found = measure(model, TOKENIZER, FAMILIES["band"].generate("test", 40, seed=0), cot=True)
    assert found.sampled < 0.04


def test_prompts_asked_in_a_batch_get_the_same_greedy_text_as_alone(model):
    prompts = [QA.prompt(example, cot=True) for example in FAMILIES["word"].generate("test", 4, seed=0)]
    alone = [sample(model, TOKENIZER, [prompt])[0] for prompt in prompts]
    assert sample(model, TOKENIZER, prompts) == alone


def test_corpus_is_deterministic_and_holds_no_evaluation_prompt():
    texts = list(islice(corpus(0), 3000))
    assert texts == list(islice(corpus(0), 3000))
    assert texts[:20] != list(islice(corpus(1), 20))
    asked = {prompt.removeprefix("Q: ").split("\n")[0] for prompt, _ in texts}
    for family in FAMILIES.values():
        for split in ("train", "test", "ood"):
            assert not asked & {example.prompt for example in family.generate(split, 100, seed=0)}
    assert not any("How high" in prompt for prompt in asked)
    problem = next(FAMILIES["word"].problems("pretrain", seed=0))
    assert split_of(f"word/{problem.key}") == "pretrain"


def test_pretraining_runs_end_to_end_lowers_the_loss_and_saves_what_auto_classes_load(tmp_path):
    small = Pretraining(steps=12, batch_texts=8, hidden=32, layers=1, heads=2, inner=64, vocabulary=400)
    seen: list[int] = []
    base = pretrain(small, progress=lambda step, loss: seen.append(step))
    assert isinstance(base, Pretrained)
    assert base.history[-1][1] < base.history[0][1]
    assert seen[-1] == 12
    assert base.tokens > 0
    save(base, tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(base.model.parameters(), again.parameters(), strict=True))
    assert loaded("12 <answer>")["input_ids"] == base.tokenizer("12 <answer>")["input_ids"]


def test_same_seed_trains_the_same_base_bit_for_bit():
    small = Pretraining(steps=3, batch_texts=4, hidden=32, layers=1, heads=2, inner=64, vocabulary=400)
    first, second = (pretrain(small).model.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_tokenizer_keeps_every_digit_apart():
    tokenizer = build_tokenizer(["12345 12345 12345"] * 5, 400)
    assert tokenizer.tokenize("12345") == list("12345")
