"""The command line: exit codes, one sentence for bad input, nothing written by it, and nothing heavy for --help."""

import argparse
import json
import re
import runpy
import shlex
import subprocess
import sys
import types
import warnings
from pathlib import Path

import pytest

import rftlab
from rftlab import cli, registry
from rftlab.cli.parser import make_parser
from rftlab.errors import RftlabWarning

TASK = """
from rftlab.tasks.base import Example, Task

def make(do=""):
    def rows(first):
        return tuple(Example(f"e{i}", f"say {i}", str(i), "because") for i in range(first, first + 60))
    return Task("mine", "the card", rows(0), rows(100))
"""
GRID = "name: g\ntask: ./mine.py:make\nlabels: 5\nmethod: [base, sft]\nseed: [0, 1]\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a grid of four cells, run by a notebook that trains nothing; the report is one file."""
    stub = runpy.run_path(str(Path(__file__).parent / "execute" / "stub_notebook.py"))["write_stub"]
    (tmp_path / "notebooks").mkdir()
    stub(tmp_path / "notebooks" / "10_sft.ipynb")
    (tmp_path / "mine.py").write_text(TASK)
    (tmp_path / "g.yaml").write_text(GRID)

    def publish(results, waive="", prices=None):
        page = results / "report" / "report.html"
        page.parent.mkdir(exist_ok=True)
        page.write_text("")
        return types.SimpleNamespace(files=[page], remarks=[], answer="Use SFT.")

    monkeypatch.setitem(
        sys.modules,
        "rftlab.report",
        types.SimpleNamespace(publish=publish, happened=lambda *_: []),
    )
    monkeypatch.setattr("rftlab.files.paths.notebooks_dir", lambda: tmp_path / "notebooks")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_warning_of_ours_is_one_sentence_said_once(here, capsys, monkeypatch):
    def publish(results, waive="", prices=None):
        for _ in range(2):
            warnings.warn("report.ipynb is not complete: it broke", RftlabWarning, stacklevel=1)
        warnings.warn("somebody else's", UserWarning, stacklevel=1)
        return types.SimpleNamespace(files=[], remarks=[], answer="Use SFT.")

    monkeypatch.setattr(sys.modules["rftlab.report"], "publish", publish)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert cli.main(["report", "somewhere"]) == 0
    first, *others = capsys.readouterr().err.splitlines()
    assert first == "rftlab: report.ipynb is not complete: it broke"
    assert "test_cli.py" in others[0]
    assert "UserWarning: somebody else's" in others[0]


def test_help_is_instant_and_imports_nothing_heavy():
    code = (
        "import sys, rftlab.cli as c\n"
        "try: c.main(['--help'])\n"
        "except SystemExit: print(len(sys.modules), file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "run" in answer.stdout
    assert int(answer.stderr) < 250


def test_the_driver_never_imports_torch():
    code = (
        "import sys, rftlab.cli, rftlab.study, rftlab.preflight, rftlab.execute.local, rftlab.execute.display\n"
        "heavy = ('torch', 'transformers', 'rftlab.methods', 'rftlab.policy.load')\n"
        "sys.exit(str([m for m in heavy if m in sys.modules]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stderr.strip() == "[]"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_says_something_before_it_imports_what_takes_seconds(terminal):
    code = (
        "import io, os, sys, rftlab.cli\n"
        "class Screen(io.StringIO):\n"
        f"    isatty = lambda self: {terminal}\n"
        "    def write(self, text):\n"
        "        if 'checking the grid' in text:\n"
        "            os.write(1, ' '.join(sys.modules).encode())\n"
        "            os._exit(0)\n"
        "        return len(text)\n"
        "sys.stdout = Screen()\n"
        "rftlab.cli.main(['run', 'demo'])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"TERM": "xterm"})
    loaded = set(answer.stdout.split())
    assert "rftlab.cli.verbs" in loaded
    assert not loaded & {"torch", "numpy", "pandas", "scipy", "matplotlib", "pydantic", "papermill", "rftlab.study"}


def test_python_dash_m_is_the_command():
    answer = subprocess.run([sys.executable, "-m", "rftlab", "methods"], capture_output=True, text=True, check=True)
    assert "grpo" in answer.stdout


def test_a_dry_run_lists_the_cells_and_writes_nothing(here, capsys):
    assert cli.main(["run", "g.yaml", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "g: 4 cells (2 combinations, each with its seeds), 0 done, 4 left" in out
    assert out.count("  left  ") == 4
    assert not (here / "results").exists()


def test_a_grid_runs_resumes_and_reports(here, capsys):
    assert cli.main(["run", "g.yaml", "--workers", "2", "--kernel", "cold"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"\[4/4\] make sft n=5 cot seed [01]: accuracy (0|14) %, \d+\.\d s\n", out)
    assert re.search(r"\nUse SFT\.\n\S*results/g/report/report\.html\n$", out)
    assert out.count(str(here)) == 1
    assert len(list((here / "results" / "g" / "cells").iterdir())) == 4
    assert cli.main(["run", "g.yaml"]) == 0
    assert "4 done, 0 left" in capsys.readouterr().out
    assert cli.main(["status", "results/g"]) == 0
    assert "g: 4 of 4 cells done, 0 failed, 0 left" in capsys.readouterr().out


def test_a_failing_cell_does_not_stop_the_others_and_is_named_with_its_notebook(here, capsys):
    (here / "g.yaml").write_text(
        GRID + "overrides: [{when: {method: sft, seed: 1}, set: {task_settings: {do: fail}}}]\n"
    )
    assert cli.main(["run", "g.yaml", "--workers", "2", "--kernel", "cold", "--results", "elsewhere"]) == 1
    captured = capsys.readouterr()
    assert "failed: make sft n=5 cot seed 1: RuntimeError: told to fail; see " in captured.err
    notebook = Path(captured.err.strip().rpartition("see ")[2])
    assert notebook.is_file()
    assert "report.html" in captured.out
    assert cli.main(["status", "elsewhere"]) == 0
    assert "3 of 4 cells done, 1 failed, 0 left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"seed": "x"}', "cell.json: parameter 'seed': Input should be a valid integer"),
        ('{"tuned_by": "a stage that has not chosen yet"}', "cell.json: its learning rates are still to be chosen"),
        ('{"seed": ' + "9" * 5000 + "}", "cell.json: it holds a number of thousands of digits; give a JSON object"),
        ("[" * 100_000, "cell.json: it is nested without end; give a JSON object of parameters"),
    ],
)
def test_a_cell_that_cannot_be_is_refused_by_its_file(here, capsys, text, says):
    (here / "cell.json").write_text(text)
    assert cli.main(["run-cell", "cell.json", "out"]) == 2
    assert says in capsys.readouterr().err
    assert not (here / "out").exists()


def test_run_cell_prints_the_folder_of_the_cell(here, capsys):
    values = {"task": f"{here}/mine.py:make", "labels": 5}
    (here / "cell.json").write_text(json.dumps(values))
    assert cli.main(["run-cell", "cell.json", "out"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert (folder / "record.json").is_file()
    assert cli.main(["status", "out"]) == 0
    assert capsys.readouterr().out.startswith("out: 1 of 1 cells done, 0 failed, 0 left\n  no grid was run here")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("lables: 3", "g.yaml line 6: unknown parameter 'lables'; did you mean labels?"),
        ("\tlabels: 3", "indent with spaces, not with tabs"),
        ("verifier: mine.py", "names a file and nothing in it; give mine.py:make"),
        ("verifier: maths", "unknown verifier 'maths'"),
        ("budget.amount: 0", "parameter 'budget.amount'"),
        ("include: [{labels: 61, method: sft}]", "has 60 training examples, fewer than labels=61"),
        ("include: [{model: ./nowhere}]", "nowhere"),
        ("include: [{task_settings: {dont: 1}}]", "does not take these settings"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2_and_nothing_is_written(here, capsys, line, says):
    (here / "g.yaml").write_text(f"{GRID}{line}\n".replace("include: [{", "include: [{task: ./mine.py:make, "))
    assert cli.main(["run", "g.yaml"]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out in ("", "loading the base and checking the grid\n")
    assert not (here / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "none.yaml"], "cannot read the grid"),
        (["run", "g.yaml", "--report-to", ","], "report_to is ',', which names no tracker"),
        (["status", "nowhere"], "there is no folder nowhere"),
        (["ask", "7", "why?"], "at least 3 characters of its id"),
        (["tasks", "arithmetic/wrod"], "unknown task"),
        (["methods", "gpro"], "did you mean grpo"),
        (["run-cell", "none.json", "out"], "cannot read the cell"),
        (["fetch", "no-such-model"], "no-such-model"),
    ],
)
def test_other_verbs_fail_the_same_way(here, capsys, arguments, says):
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("kind", ["task", "method", "verifier"])
def test_what_is_registered_is_listed_one_line_each(capsys, kind):
    assert cli.main([f"{kind}s"]) == 0
    entries = getattr(registry, f"{kind.upper()}S")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(entries)


@pytest.mark.parametrize(("method", "says"), [("sft", "falls linearly to the budget's end"), ("trpo", "then stays")])
def test_a_methods_card_says_how_its_rate_goes(here, capsys, method, says):
    assert cli.main(["methods", method]) == 0
    said = capsys.readouterr().out
    assert "rises over the first 5% of the budget" in said
    assert says in said


def test_cards_and_parameters(here, capsys):
    assert cli.main(["tasks", "mine.py:make"]) == 0
    said = capsys.readouterr().out
    assert '\nthe card\nSettings (task_settings):\n  do  ""\nVerifier: exact\n' in said
    assert "prompt     say 0" in said
    assert cli.main(["parameters"]) == 0
    assert "max_seeds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--executor", "rya"], "unknown executor 'rya'; did you mean ray?"),
        (["--gpus", "1"], "are for --executor ray or slurm"),
        (["--executor", "ray", "--option", "memory"], "--option takes NAME=VALUE"),
        (["--executor", "ray", "--gpus", "1.5"], "fraction below 1"),
        (["--executor", "slurm"], "there is no sbatch here"),
    ],
)
def test_what_an_executor_cannot_do_is_said_before_anything_is_written(here, capsys, monkeypatch, arguments, says):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", "")
    assert cli.main(["run", "g.yaml", *arguments]) == 2
    assert says in capsys.readouterr().err
    assert not list(here.glob("results/*/cells"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["rnu", "g.yaml"], "invalid choice: 'rnu'; did you mean run"),
        (["run", "g.yaml", "--dryrun"], "unrecognized arguments: --dryrun; did you mean --dry-run"),
        (["advise", "--task", "x"], "unrecognized arguments: --task; did you mean"),
        (["run", "g.yaml", "--kernel", "wram"], "invalid choice: 'wram'; did you mean warm"),
        (["run", "g.yaml", "--workers", "many"], "--workers"),
        (["run", "g.yaml", "--results", ""], "argument --results: give a path, not ''"),
        ([], "VERB"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_sentence_with_the_nearest_word(capsys, arguments, says):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert says in said


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(28, "No space left on device", "/full/report.html"), "No space left on device (/full/report.html)"),
        (KeyError("x"), "unexpected KeyError: 'x' (test_cli.py, line"),
        (MemoryError(), "out of memory"),
        (RecursionError("maximum recursion depth"), "unexpected RecursionError"),
        (registry.RftlabError("a file named \udce9\x1b[31m\n is bad"), r"a file named \udce9\x1b[31m\n is bad"),
    ],
)
def test_whatever_goes_wrong_is_one_line_and_with_debug_a_traceback_too(here, capsys, monkeypatch, error, says):
    def report(*_):
        raise error

    monkeypatch.setattr("rftlab.study.report", report)
    assert cli.main(["report", "somewhere"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"rftlab: {says}")
    assert said.count("\n") == 1
    assert cli.main(["report", "somewhere", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_dry_run_says_which_files_it_has_executed(here, capsys):
    assert cli.main(["run", "g.yaml", "--dry-run"]) == 0
    assert "\ntrained nothing; to check them, this has executed mine.py\n" in capsys.readouterr().out


def _verbs():
    (action,) = [each for each in make_parser()._actions if isinstance(each, argparse._SubParsersAction)]
    return action.choices


@pytest.mark.parametrize("verb", ["", *_verbs()])
def test_the_help_of_every_verb_ends_with_an_example_that_the_command_line_takes(verb):
    parser = _verbs()[verb] if verb else make_parser()
    words = shlex.split(parser.format_help().strip().rpartition("example: ")[2])
    assert words[0] == "rftlab"
    assert make_parser().parse_args(words[1:]).verb.__name__
    assert not verb or words[1] == verb


def test_the_version_is_said(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"rftlab {rftlab.__version__}\n"
