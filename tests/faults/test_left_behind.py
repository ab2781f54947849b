"""What is left after kill -9 is swept by the next run; whatever ends a run by a signal it says in a line, promptly."""

import contextlib
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rftlab.execute import interrupts
from rftlab.execute.folders import REPORT, sweep
from rftlab.files import staging
from tests import synthetic

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")
DRIVER = Path(__file__).parents[1] / "execute" / "stub_notebook.py"
INTERRUPTED = "rftlab: interrupted; run the same command again to go on\n"


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = runpy.run_path(str(DRIVER))["write_stub"](tmp_path_factory.mktemp("stub") / "stub.ipynb")
    return path


@pytest.fixture(autouse=True)
def hangups_count() -> Iterator[None]:
    """Under nohup, SIGHUP is ignored and children inherit that: a run would rightly live on."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary folder with a path so short that sockets may lie in it."""
    with tempfile.TemporaryDirectory(prefix="t") as folder:
        yield Path(folder)


def drive(stub: Path, results: Path, temporary: Path, count: int = 2, seconds: float = 300.0) -> subprocess.Popen[str]:
    command = [sys.executable, DRIVER, stub, results, str(count), str(seconds), "cold"]
    return subprocess.Popen(command, env={**os.environ, "TMPDIR": str(temporary)}, text=True)


def rftlab(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rftlab", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd)


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def end(process: subprocess.Popen[str], signum: int) -> tuple[int, str]:
    """Exit code and standard error of a process that was sent a signal and had ten seconds."""
    process.send_signal(signum)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def test_the_next_run_sweeps_what_a_killed_one_left_and_no_living_ones(
    stub: Path, tmp_path: Path, temporary: Path
) -> None:
    living, killed = (drive(stub, tmp_path / name, temporary) for name in ("living", "killed"))
    scratch = f"{staging.SCRATCH}*"
    try:
        wait_until(lambda: len([f for f in temporary.glob(scratch) if (f / "k.json").exists()]) == 4)
        killed.kill()
        killed.wait()
        half = tmp_path / "killed" / ".grid.json.abcdefgh"
        half.write_text("half")
        ours = temporary / "rftlab-scratch-of-my-own"
        ours.mkdir()
        assert len(list(temporary.glob(scratch))) == 5
        assert list((tmp_path / "killed" / "cells").glob(".*.running"))
        assert drive(stub, tmp_path / "killed", temporary, seconds=0.1).wait(timeout=60) == 0
        assert len([f for f in temporary.glob(scratch) if f != ours]) == 2
        assert ours.is_dir()
        assert not half.exists()
        assert not list((tmp_path / "killed" / "cells").glob(".*"))
        assert living.poll() is None
    finally:
        living.send_signal(signal.SIGHUP)
    assert living.wait(timeout=60) == 128 + signal.SIGHUP
    assert list(temporary.iterdir()) == [ours]


@pytest.mark.parametrize("renames", [1, 2])
def test_a_record_whose_replacement_was_killed_in_mid_way_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    """Saved again by hand, killed after the first or the second of the two renames."""
    final = tmp_path / "cells" / "abc"
    final.mkdir(parents=True)
    (final / "record.json").write_text("old")
    rename, left = Path.rename, [renames]

    def killed(self: Path, target: Path) -> Path:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return rename(self, target)

    with staging.staged(final) as new:
        (new / "record.json").write_text("new")
        monkeypatch.setattr(Path, "rename", killed)
        monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
        with contextlib.suppress(KeyboardInterrupt):
            staging.swap_in(new, final)
    monkeypatch.undo()
    sweep(tmp_path)
    assert [path.name for path in final.parent.iterdir()] == ["abc"]
    assert (final / "record.json").read_text() == ("old" if renames == 1 else "new")


def test_scratch_folders_of_this_process_are_not_swept(tmp_path: Path) -> None:
    with staging.scratch(tmp_path) as alive:
        (tmp_path / f"{staging.SCRATCH}abcdefgh").mkdir()
        staging.sweep_scratch(tmp_path)
        assert list(tmp_path.iterdir()) == [alive]
    assert not list(tmp_path.iterdir())


def test_a_report_that_was_killed_leaves_nothing_behind_for_good(tmp_path: Path) -> None:
    left = tmp_path / f"{REPORT}abcdefgh"
    left.mkdir()
    (left / "half.png").write_bytes(b"")
    sweep(tmp_path)
    assert not left.exists()


def test_a_termination_ends_a_report_promptly_in_a_line(tmp_path: Path) -> None:
    synthetic.write_grid(tmp_path, methods=("sft", "grpo"), labels=(10, 30), cots=(True,), seeds=(0, 1), items=10)
    run = rftlab("report", tmp_path, cwd=tmp_path)
    wait_until(lambda: list(tmp_path.glob(f"{REPORT}*")))
    assert end(run, signal.SIGTERM) == (143, INTERRUPTED)
    assert [path.name for path in tmp_path.iterdir()] == ["cells"]


@pytest.mark.parametrize(("signum", "after"), [(signal.SIGTERM, "combinations"), (signal.SIGINT, "loading")])
def test_a_signal_before_the_first_cell_ends_the_run_promptly_in_a_line(
    tmp_path: Path, signum: int, after: str
) -> None:
    """While kernels are being warmed up, or while what it begins with is imported."""
    (tmp_path / "g.yaml").write_text("method: [base]\nevaluation: {test_items: 4}\n")
    run = rftlab("run", "g.yaml", cwd=tmp_path)
    assert run.stdout
    while after not in run.stdout.readline():
        pass
    code, said = end(run, signum)
    assert code == 128 + signum
    assert said == INTERRUPTED
    assert not list(tmp_path.glob("results/*/cells/*"))


def test_without_a_terminal_a_hangup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts.collected() as caught:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not caught
        with pytest.raises(interrupts.Interrupted) as ended, interrupts.raised():
            os.kill(os.getpid(), signal.SIGTERM)
        assert ended.value.exit_code == 143
    finally:
        signal.signal(signal.SIGHUP, before)
