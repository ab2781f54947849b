"""One notebook through papermill: parameters checked, progress intercepted, the truth told about how it ended.

papermill warns of an unknown parameter and marks a cell "completed" when its kernel died or ran out of time. Here the
first is an error, the second raises, and the notebook on disk shows the failure where it happened.
"""

import contextlib
import difflib
import json
import logging
import os
import re
import signal
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from rftlab import scalars
from rftlab.cell import parameter_names
from rftlab.errors import RftlabError, line_in_dump
from rftlab.execute.folders import KERNEL_LOG
from rftlab.execute.kernels import KernelSettings, dispose, make_manager
from rftlab.execute.vigil import Vigil
from rftlab.files import told_paths
from rftlab.progress import MIME
from rftlab.record import write_atomically

logging.getLogger("papermill").setLevel(logging.CRITICAL)
# After a cell that took too long nbclient leaves a task that waits for its output; that is no news to a person.
logging.getLogger("asyncio").addFilter(
    lambda found: not ("was destroyed but it is pending" in (said := found.getMessage()) and "nbclient" in said)
)
# What a kernel writes past Jupyter (a crash report of the interpreter, a library's own messages), if anything.
# A kernel that is starting computes; how long it may not.
_SILENT_START_S = 30.0

# What a cell of a notebook may print or show; a verifier that prints at every call would else leave 200 MB a notebook.
MAX_PRINTED_CHARS = 100_000
MAX_OUTPUTS = 1_000
_MAX_LOG_BYTES = 1_000_000
_DUMPED_LINES = 400
_CUT = "\n... the rest of what this cell printed or showed is left out ...\n"

OnProgress = Callable[[Mapping[str, Any]], None]


class NotebookRun:
    """One notebook being executed; `stop` may be called from another thread.

    Args:
        notebook: the notebook to execute; it is not changed.
        target: where the executed notebook is written, also when it fails.
        parameters: every name its parameters cell declares, and more that it takes.
        settings: how its kernel is started.
        on_progress: called with each progress message of the notebook.
        folders: whose paths the executed notebook tells from where it lies; its own is one.
    """

    def __init__(
        self,
        notebook: Path,
        target: Path,
        parameters: Mapping[str, Any],
        settings: KernelSettings,
        on_progress: OnProgress = lambda _: None,
        folders: Iterable[Path] = (),
    ) -> None:
        self._folders = tuple(folders)
        self.notebook, self.target, self.parameters = notebook, target, dict(parameters)
        self.settings, self.on_progress = settings, on_progress
        self.manager: AsyncKernelManager | None = None
        self.stopped = self.started = False
        self.vigil = Vigil(lambda: self.pid, self.end_kernel, self._silence)

    def execute(self) -> None:
        """Execute the notebook.

        Raises:
            RftlabError: it declares a name that is not passed, or is passed one that it does not take.
            NotebookFailed: a cell raised, the kernel died or took too long; the notebook shows where.
        """
        check_parameters(self.notebook, self.parameters)
        try:
            papermill.execute_notebook(
                _escaped(self.notebook),
                _escaped(self.target),
                parameters=self.parameters,
                engine_name=_Engine.NAME,
                kernel_name="python3",
                language="python",
                request_save_on_cell_execute=False,
                autosave_cell_every=0,
                progress_bar=False,
                run=self,
            )
        except PapermillExecutionError as error:
            raise NotebookFailed(_one_line(f"{error.ename}: {error.evalue}")) from None
        finally:
            if self.manager is not None:
                dispose(self.manager)
            self._tell_paths()

    def told(self, values: Any) -> Any:
        """JSON values, or a text, that name no folder of this machine."""
        return told_paths.of_notebook(values, self.target.parent, self._folders)

    def _tell_paths(self) -> None:
        """Of what is kept, notebook and log, which other people read."""
        with contextlib.suppress(ValueError):  # one that a full disk cut short, which is raised already
            found = json.loads(self.target.read_text(encoding="utf-8")) if self.target.is_file() else None
            if found is not None:
                write_atomically(self.target, _shared(self.told(found)))
        if (log := self.target.with_name(KERNEL_LOG)).is_file():
            log.write_text(self.told(log.read_text(encoding="utf-8", errors="replace")), encoding="utf-8")

    def stop(self) -> None:
        """End the kernel now; `execute` then raises."""
        self.stopped = True
        self.end_kernel()

    def end_kernel(self) -> None:
        """Kill the kernel's process group, if it has started."""
        if (pid := self.pid) is not None:
            _kill_group(pid)

    @property
    def pid(self) -> int | None:
        """Of the kernel, while it runs."""
        provisioner: Any = self.manager.provisioner if self.manager is not None else None
        process = getattr(provisioner, "process", None)
        return process.pid if process is not None and process.poll() is None else None

    def _silence(self) -> float:
        return self.settings.silent_timeout if self.started else _SILENT_START_S


class NotebookFailed(Exception):
    """A notebook did not run to its end; the text is one line for people."""


@cache
def declared_parameters(notebook: Path) -> frozenset[str]:
    """Names the notebook's parameters cell declares.

    Raises:
        RftlabError: the notebook is not there or is none.
    """
    try:
        return frozenset(papermill.inspect_notebook(_escaped(notebook)))
    except (OSError, ValueError, KeyError, nbformat.ValidationError) as error:
        raise RftlabError(f"cannot read the notebook {notebook}: {_one_line(str(error))}") from None


def check_parameters(notebook: Path, passed: Mapping[str, Any]) -> None:
    """Raise unless the notebook takes every parameter passed, and is passed every one it declares.

    It takes those that its parameters cell declares; where its code calls `Cell.from_parameters` also a cell's others,
    and where it calls `Experiment.from_parameters` also what a notebook is given beside them.

    Raises:
        RftlabError: names that are missing on either side.
    """
    declared = declared_parameters(notebook)
    taken = declared | _taken(notebook)
    unknown, unset = sorted(set(passed) - taken), sorted(declared - set(passed))
    if unset:
        near = difflib.get_close_matches(unset[0], {*parameter_names(), *scalars.SHORT} - declared, n=1)
        hint = f"did you mean {near[0]}?" if near else "remove them"
        raise RftlabError(f"{notebook} has parameters a grid does not set: {', '.join(unset)}; {hint}")
    if unknown:
        raise RftlabError(
            f"{notebook} has no parameter {', '.join(unknown)}; add it to the cell tagged parameters, as "
            "`name: int|float|str|bool = literal`"
        )


@cache
def _taken(notebook: Path) -> frozenset[str]:
    code = "\n".join(cell.source for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code")
    of_cell = parameter_names() if ".from_parameters(" in code else ()
    return frozenset((*of_cell, *(scalars.BESIDE if "Experiment.from_parameters(" in code else ())))


class _Client(PapermillNotebookClient):
    """papermill's client with our kernel and our ears for progress."""

    def __init__(self, nb_man: Any, run: NotebookRun, **traits: Any) -> None:
        super().__init__(nb_man, **traits)
        self._run = run
        self._at: Any = None
        self._room = [0, 0]
        self.on_cell_start = lambda cell, cell_index: self._begin(cell)

    def create_kernel_manager(self) -> AsyncKernelManager:
        self.km = self._run.manager = make_manager(self._run.settings)
        return self.km

    def start_new_kernel(self, **kwargs: Any) -> None:
        super().start_new_kernel(**kwargs)
        self._run.vigil.heard()
        if self._run.stopped:
            self._run.end_kernel()

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        self._run.started = True
        self._run.vigil.heard()
        data = msg["content"].get("data") if msg["msg_type"] in {"display_data", "update_display_data"} else None
        if isinstance(data, Mapping) and MIME in data:
            if isinstance(data[MIME], Mapping):
                self._run.on_progress(data[MIME])
            return None
        return super().process_message(msg, cell, cell_index) if self._has_room(msg) else None

    def _begin(self, cell: Any) -> None:
        self._at, self._room = cell, [MAX_PRINTED_CHARS, MAX_OUTPUTS]

    def _has_room(self, msg: Any) -> bool:
        """Whether an output still goes into the notebook; one that is too long is cut, and those after it dropped."""
        kind, content = msg["msg_type"], msg["content"]
        if kind not in ("stream", "display_data", "execute_result"):
            return True
        chars, outputs = self._room
        printed = len(content.get("text", "")) if kind == "stream" else 0
        self._room = [chars - printed, outputs - 1]
        if min(self._room) >= 0:
            return True
        if min(chars, outputs) < 0:
            return False
        if kind == "stream":
            content["text"] = content["text"][:chars] + _CUT
        else:
            content["data"] = {"text/plain": _CUT}
        self._room = [-1, -1]
        return True

    @property
    def doing(self) -> str:
        """How the cell that runs, or ran last, begins, imports apart."""
        lines = str(self._at["source"]).splitlines() if self._at is not None else []
        return next((line for line in lines if line and not line.startswith(("import ", "from "))), "")

    def show_failure(self, problem: str) -> None:
        """Put the failure of a kernel, which leaves no output, into the cell that ran."""
        if self._at is not None and "outputs" in self._at:
            self._at["outputs"].append(
                nbformat.v4.new_output("error", ename="KernelFailed", evalue=problem, traceback=[problem])
            )


class _Engine(Engine):
    NAME = "rftlab"

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
        run: NotebookRun = options["run"]
        client = _Client(
            nb_man,
            run,
            timeout=run.settings.cell_timeout,
            startup_timeout=run.settings.start_timeout,
            # How long what a cell printed may still arrive after it ended; nbclient's 4 s is too short for a flood.
            iopub_timeout=max(1, int(run.settings.silent_timeout)),
            resources={"metadata": {"path": str(run.notebook.resolve().parent)}},
            log=logging.getLogger("papermill"),
        )
        log_path = run.target.with_name(KERNEL_LOG)
        try:
            with log_path.open("wb") as log, run.vigil.kept():
                client.execute(env=run.settings.environment(), stdout=log, stderr=log)
        except Exception as error:
            problem = _explained(error, run, client.doing, log_path)
            client.show_failure(problem)
            nbformat.write(nb_man.nb, run.target)
            raise NotebookFailed(problem) from error
        finally:
            _shorten(log_path)


papermill_engines.register(_Engine.NAME, _Engine)


def _shorten(log: Path) -> None:
    """Remove a log that is empty, and the middle of one that is too long."""
    size = log.stat().st_size
    if size == 0:
        log.unlink()
    elif size > _MAX_LOG_BYTES:
        with log.open("r+b") as file:
            head = file.read(_MAX_LOG_BYTES // 2)
            file.seek(-_MAX_LOG_BYTES // 2, os.SEEK_END)
            tail = file.read()
            file.seek(0)
            file.write(head + f"\n... {size - len(head) - len(tail)} bytes left out ...\n".encode() + tail)
            file.truncate()


_IF_IT_WAS_MEMORY = (
    "; if it was memory, give a smaller settings.per_device_train_batch_size or decoding.max_new_tokens, or --workers 1"
)


def _explained(error: Exception, run: NotebookRun, doing: str, log: Path) -> str:
    if run.vigil.hung_s:
        return (
            f"KernelHung: for {run.vigil.hung_s:.0f} s the kernel neither answered nor computed, and was ended; it was "
            "stopped from outside, or waits for something that does not come"
        )
    if isinstance(error, DeadKernelError):
        return (
            "KernelDied: the kernel ended in mid-cell; it ran out of memory, was killed from outside, or a task, "
            f"verifier or method ended the process{_crashed_at(log) or _IF_IT_WAS_MEMORY}"
        )
    if not run.started and run.manager is not None and run.pid is None:
        return f"KernelDied: the kernel ended before it answered; see {KERNEL_LOG}"
    if isinstance(error, CellTimeoutError):
        return (
            f"CellTimeout: the notebook cell `{doing}` took longer than {run.settings.cell_timeout} s; give it more "
            "time with --timeout, or see with rftlab check whether a task or verifier of yours hangs"
        )
    return _one_line(f"{type(error).__name__}: {error}")


def _crashed_at(log: Path) -> str:
    """Where in the user's own code a kernel crashed, if it did, as its log has it."""
    return line_in_dump(log.read_text(errors="replace").splitlines()[-_DUMPED_LINES:])


def _shared(notebook: dict[str, Any]) -> str:
    """An executed notebook as its file: of packaged ones the name alone, and no folder for its record.

    Run again by hand where it lies, it leaves the record that it stands beside as it is.
    """
    about = notebook["metadata"].get("papermill", {})
    about |= {name: Path(about[name]).name for name in ("input_path", "output_path") if about.get(name)}
    if "out" in about.get("parameters", {}):
        about["parameters"]["out"] = ""
    for cell in notebook["cells"]:
        if "injected-parameters" in cell["metadata"].get("tags", []):
            cell["source"] = re.sub(r"(?m)^out = .*$", 'out = ""', "".join(cell["source"]))
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _one_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[0][:300] if lines else ""


def _escaped(path: Path) -> str:
    """The path as papermill wants it, which formats every path with the notebook's parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGTERM)
