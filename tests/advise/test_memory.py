"""Estimates of memory: sums of parts, which never fall where a run gets larger."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rftlab.advise.memory import estimate, lines, told
from rftlab.advise.work import Device, Work
from rftlab.experiment.architecture import settings_of
from rftlab.policy.anatomy import Anatomy
from rftlab.registry import METHODS, trains

SMALL = Anatomy("x", 10**6, 4 * 10**6, 10**4, 10**4, 5 * 10**5, 700, 96, 3, 576, 20_000.0, 36.0, 256, 512)
WORK = Work(prompt=30, gold=20, mean=15.0, cap=40, labels=50, steps=8)
TRAINED = [name for name in METHODS if trains(name)]
SETTINGS = {name: settings_of(name, "", {}) for name in METHODS}
DEVICES = st.sampled_from(["cpu", "gpu"]).map(Device.of)
LARGER = {
    "parameters": 1, "bytes": 4, "trained": 1, "adapter": 1, "prepared": 1, "vocabulary": 1, "cache": 2, "saved": 8,
    "pairs": 4,
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@given(device=DEVICES, more=st.integers(1, 10**5), field=st.sampled_from(sorted(LARGER)))
def test_a_larger_model_never_takes_less(method, device, more, field):
    if field in ("trained", "adapter"):
        larger = SMALL._replace(trained=SMALL.trained + more, adapter=SMALL.adapter + more)
    elif field in ("parameters", "bytes"):
        larger = SMALL._replace(parameters=SMALL.parameters + more, bytes=SMALL.bytes + 4 * more)
    else:
        larger = SMALL._replace(**{field: getattr(SMALL, field) + more * LARGER[field]})
    before = estimate(SMALL, method, SETTINGS[method], WORK, device)
    assert estimate(larger, method, SETTINGS[method], WORK, device).peak >= before.peak


@pytest.mark.parametrize("method", METHODS)
@given(device=DEVICES, more=st.integers(1, 2000), field=st.sampled_from(["prompt", "gold", "labels", "steps", "asked"]))
def test_more_work_never_takes_less(method, device, more, field):
    before = estimate(SMALL, method, SETTINGS[method], WORK, device)
    larger = WORK._replace(**{field: getattr(WORK, field) + more})
    assert estimate(SMALL, method, SETTINGS[method], larger, device).peak >= before.peak


@pytest.mark.parametrize("method", TRAINED)
@given(size=st.integers(1, 64))
def test_a_larger_pass_never_takes_less(method, size):
    name = "batch_size" if "batch_size" in SETTINGS[method] else "per_device_train_batch_size"
    if name not in SETTINGS[method]:
        return
    smaller, larger = (
        estimate(SMALL, method, {**SETTINGS[method], name: n}, WORK, Device.of("gpu")).peak for n in (size, size + 1)
    )
    assert smaller <= larger


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_the_parts_of_a_peak_sum_up_to_it(method, kind):
    found = estimate(SMALL, method, SETTINGS[method], WORK, Device.of(kind))
    assert sum(found.parts.values()) == pytest.approx(found.peak)
    assert all(bytes >= 0 for bytes in found.parts.values())
    assert found.bound in found.steps
    assert found.peak > found.held["process"] + SMALL.bytes
    assert list(lines(found))


def test_what_methods_hold_beside_the_policy():
    def held(method, **more):
        return estimate(SMALL, method, {**SETTINGS[method], **more}, WORK, Device.of("gpu")).held

    copy = 4 * SMALL.trained
    assert held("sft")["training state"] == 4 * copy  # the adapter, its gradients and two moments
    assert held("grpo", beta=0.04)["reference"] == copy
    assert "reference" not in held("grpo")
    assert held("ppo")["critic"] == 4 * (copy + 4 * SMALL.hidden)
    assert held("sac")["critic"] == 4 * (copy + 2 * 4 * SMALL.vocabulary * SMALL.hidden)
    assert held("acer")["memory"] == 2 * held("acer", replay_ratio=9)["memory"] * 8 / 10  # draws: 8 / 5 and 1
    assert set(held("base")) == {"process", "weights"}


def test_all_weights_bring_no_second_copy_of_themselves():
    full = SMALL._replace(trained=SMALL.parameters, adapter=0)
    held = estimate(full, "sft", SETTINGS["sft"], WORK, Device.of("gpu")).held
    assert held["training state"] == 3 * 4 * full.parameters
    assert held["weights"] == full.bytes


def test_a_step_of_a_sequence_takes_what_its_largest_stage_takes():
    stages = estimate(SMALL, "sft+grpo", SETTINGS["sft+grpo"], WORK, Device.of("cpu"))
    alone = estimate(SMALL, "grpo", SETTINGS["grpo"], WORK, Device.of("cpu"))
    assert stages.peak == pytest.approx(alone.peak)


def test_a_method_of_somebodys_own_is_taken_for_one_of_its_kind():
    sums = [estimate(SMALL, name, SETTINGS["grpo"], WORK, Device.of("cpu")).peak for name in ("mine.py:Mine", "grpo")]
    assert sums[0] == sums[1]
    own = {"stages": [{"method": "mine.py:Mine", "settings": SETTINGS["sft"]}]}
    whole = estimate(SMALL, "mine.py:Mine", SETTINGS["sft"], WORK, Device.of("cpu"))
    stage = estimate(SMALL, "sft+grpo", own, WORK, Device.of("cpu"))
    assert whole == stage == estimate(SMALL, "sft", SETTINGS["sft"], WORK, Device.of("cpu"))


def test_sizes_are_told_in_megabytes_and_gigabytes():
    assert [told(5e6), told(9.994e8), told(9.996e8), told(2.15e10)] == ["5 MB", "999 MB", "1.0 GB", "21.5 GB"]
