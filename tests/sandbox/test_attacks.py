"""Hostile completions against the code verifier: none scores, none escapes, the harness survives, at every level."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rftlab.sandbox.worker import LADDER, Worker, WorkerError

sys.path.insert(0, str(Path(__file__).parent))
import attacks

ROOT = Path(__file__).parents[2]
NOBODY = 65534


@pytest.fixture(scope="module")
def target():
    target = attacks.Target()
    yield target
    target.close()


def test_there_are_enough_attacks():
    assert len(attacks.ATTACKS) >= 80


def test_the_honest_solution_scores(target):
    assert target.is_alive()


@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_an_attack_neither_scores_nor_escapes(target, name):
    allowed = attacks.KNOWN_GAPS.get(target.sandbox.level, set())
    achieved = target.attack([name])
    assert not achieved or name in allowed
    assert target.is_alive()


@pytest.mark.parametrize("level", LADDER[1:])
def test_every_lower_level_holds_every_attack(level):
    target = attacks.Target(levels=[level])
    try:
        target.sandbox.level  # noqa: B018 - starts it
    except ValueError as error:
        target.close()
        pytest.skip(str(error))
    achieved = target.attack(list(attacks.ATTACKS))
    assert set(achieved) <= attacks.KNOWN_GAPS.get(level, set())
    assert target.is_alive()
    target.close()


def _python_of_nobody():
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        command = [python, "-c", "import sys; assert sys.version_info >= (3, 11); import attacks"]
        try:
            if subprocess.run(command, user=NOBODY, env=_environment(), capture_output=True, cwd="/").returncode == 0:
                return python
        except OSError:
            continue
    pytest.skip("no Python that another user may run")


def _environment():
    return {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}", "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_every_attack_is_held_as_an_ordinary_user():
    levels = [LADDER[0], "landlock+seccomp"]
    command = [_python_of_nobody(), str(Path(attacks.__file__)), *levels]
    run = subprocess.run(
        command, user=NOBODY, group=NOBODY, extra_groups=[], env=_environment(), capture_output=True, text=True, cwd="/"
    )
    assert run.returncode == 0, run.stderr[-2000:]
    report = json.loads(run.stdout)
    for level, outcome in report.items():
        if "refused" not in outcome:
            assert set(outcome["achieved"]) <= attacks.KNOWN_GAPS.get(level, set()), level
            assert outcome["alive"]
    assert any("refused" not in outcome for outcome in report.values()), report


def test_the_attacks_would_succeed_without_a_sandbox():
    """The negative control: the same attacks, run with resource limits only, get out."""
    try:
        Worker("unsandboxed").close()
    except WorkerError as error:
        pytest.skip(str(error))
    target = attacks.Target(levels=["unsandboxed"])
    harmless = [
        "open the secret",
        "read the password file",
        "stat the secret",
        "list the root folder",
        "open a TCP socket",
    ]
    assert set(target.attack(harmless)) == set(harmless)
    assert target.attack(["make a symbolic link"])
    target.close()
