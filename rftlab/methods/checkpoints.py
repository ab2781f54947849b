"""Checkpoints inside a long training: what a cell that was killed goes on from.

One file holds all that the next optimiser step depends on: trained weights, the optimiser's state, every random
generator, and what the monitor has counted. To go on, a trainer runs its loop again up to the step of the checkpoint
without computing anything, so that batches come in the same order whatever draws them; then the state is put in place.
A method's earlier trainings (the stages of a sequence) are not run again: what the next ones began with is in the file
too.

The file is read as tensors and JSON only, so that one of a stranger's cannot run code.
"""

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Generator, Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rftlab.files.staging import whole_file
from rftlab.methods.monitor import Monitor
from rftlab.methods.trained import copied, put

_FORMAT = 1


class Checkpoints:
    """Those of one cell, of which the file holds the last.

    Args:
        path: the file.
        every_s: seconds between two; 0 writes one after every step that one can go on from.
        made_by: what has to be equal for the rest to come out the same: cell, versions, hardware, threads, precision.
        beside: JSON values of the caller that belong to the state, asked for when one is written.
        clock: seconds, monotonic.

    Attributes:
        told: JSON values that `beside` gave when the checkpoint was written; None if there is none to go on from.
        refused: why a file that is there is not gone on from; "" if it is, or there is none.
        step: optimiser steps that had been made when it was written.
        resumed_at: the same, once its state is in place; None before.
        replaying: whether a trainer is running up to the checkpoint, computing nothing.
    """

    def __init__(
        self,
        path: Path,
        *,
        every_s: float,
        made_by: Mapping[str, Any],
        beside: Callable[[], Any] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path, self._every_s, self._beside, self._clock = path, every_s, beside, clock
        self._made_by = json.dumps(made_by, sort_keys=True)
        self.refused, self.replaying = "", False
        self.resumed_at: int | None = None
        self._saved = self._read()
        told = json.loads(self._saved["told"]) if self._saved else {}
        self.told: Any = told.get("beside")
        self.step = int(told["monitor"]["cost"]["optimizer_steps"]) if told else 0
        # With which weights and counts each training after the first began.
        self._began: list[dict[str, Any]] = self._saved["began"] if self._saved else []
        self._number = -1
        self._last = clock()

    @contextlib.contextmanager
    def training(self, trainer: Any, monitor: Monitor, generators: Sequence[Generator] = ()) -> Iterator[bool]:
        """Around one training by a trainer of transformers; gives whether there is anything left to train.

        Args:
            trainer: made, and not trained yet. Its model is put into the state that it is to go on from.
            monitor: of the cell.
            generators: what its samples are drawn with.
        """
        state, self._number = _State(trainer, monitor, generators), self._number + 1
        if self._saved and self._number < self._saved["number"]:
            after = self._began[self._number]
            put(trainer.model, after["weights"])
            monitor.restore(json.loads(after["monitor"]))
            yield False
            return
        if self._number and not self._saved:
            self._began.append({"weights": copied(trainer.model), "monitor": json.dumps(monitor.state())})
        step = self._saved["step"] if self._saved else 0
        if self._saved and not step:
            self._go_on(state)
            yield False
        else:
            self.replaying = self._saved is not None
            trainer.add_callback(_Saver(self, state, step))
            with mock.patch.object(trainer, "training_step", self._unless_replaying(trainer)):
                yield True
        if self._due():
            self._write(state, step=0, stop=False)

    def _unless_replaying(self, trainer: Any) -> Callable[..., Tensor]:
        compute = trainer.training_step

        def training_step(*args: Any, **kwargs: Any) -> Tensor:
            if not self.replaying:
                loss: Tensor = compute(*args, **kwargs)
                return loss
            if hasattr(trainer, "_step"):  # by which TRL's online trainers know when to sample
                trainer._step += 1
            return torch.zeros((), device=trainer.args.device)

        return training_step

    def stepped(self, state: "_State", step: int, *, stop: bool) -> None:
        """Write a checkpoint, if it is time and the trainer is between two draws."""
        if self._due() and state.is_between_draws:
            self._write(state, step=step, stop=stop)

    def go_on(self, state: "_State") -> bool:
        """Put the checkpoint's state in place; whether training ends there."""
        assert self._saved is not None
        stop = bool(self._saved["stop"])
        self._go_on(state)
        return stop

    def _go_on(self, state: "_State") -> None:
        assert self._saved is not None
        state.put(self._saved)
        self.resumed_at, self.replaying, self._saved = state.monitor.cost.optimizer_steps, False, None
        self._last = self._clock()

    def _due(self) -> bool:
        return self._saved is None and self._clock() - self._last >= self._every_s

    def _write(self, state: "_State", *, step: int, stop: bool) -> None:
        told = json.dumps({"beside": self._beside(), "monitor": state.monitor.state()})
        content = {
            "format": _FORMAT, "made_by": self._made_by, "told": told, "began": self._began,
            "number": self._number, "step": step, "stop": stop, **state.tensors(),
        }  # fmt: skip
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(self._path) as file:
                torch.save(content, file)
        except (OSError, RuntimeError) as error:  # torch's for a full disk is a RuntimeError
            # The cell is worth more than its checkpoint.
            print(f"no checkpoint could be written to {self._path}: {str(error).splitlines()[0]}")
        self._last = self._clock()

    def _read(self) -> dict[str, Any] | None:
        if not self._path.is_file():
            return None
        try:
            saved: dict[str, Any] = torch.load(self._path, map_location="cpu", weights_only=True)
            if saved["format"] != _FORMAT or saved["made_by"] != self._made_by:
                self.refused = (
                    "it was written by another version, on other hardware or threads, or in another precision"
                )
                return None
        except Exception as error:  # whatever a damaged file makes of the reader
            self.refused = f"it cannot be read ({type(error).__name__})"
            return None
        return saved


class _State:
    """What a checkpoint holds of a trainer and what it trains."""

    def __init__(self, trainer: Any, monitor: Monitor, generators: Sequence[Generator]) -> None:
        self._trainer, self.monitor, self._generators = trainer, monitor, generators

    @property
    def is_between_draws(self) -> bool:
        """Whether nothing sampled before is still to be learnt from."""
        arguments = self._trainer.args
        draw = getattr(arguments, "steps_per_generation", None) or arguments.gradient_accumulation_steps
        window = draw * getattr(arguments, "num_iterations", 1)
        return bool(getattr(self._trainer, "_step", 0) % window == 0)

    def tensors(self) -> dict[str, Any]:
        """All of the state but the monitor's numbers."""
        optimizer = self._trainer.optimizer
        plateau = self.monitor.plateau
        return {
            "weights": copied(self._trainer.model),
            "optimizer": optimizer.state_dict() if optimizer is not None else None,
            "random": _random_state(),
            "generators": [generator.get_state() for generator in self._generators],
            "best": plateau.weights if plateau else {},
        }

    def put(self, saved: Mapping[str, Any]) -> None:
        """Put everything in place."""
        put(self._trainer.model, saved["weights"])
        if saved["step"]:  # else this training has ended, and its optimiser with it
            self._trainer.optimizer.load_state_dict(saved["optimizer"])
        for generator, state in zip(self._generators, saved["generators"], strict=True):
            generator.set_state(state)
        self.monitor.restore(json.loads(saved["told"])["monitor"])
        if self.monitor.plateau:
            self.monitor.plateau.weights = dict(saved["best"])
        _set_random_state(saved["random"])


class _Saver(TrainerCallback):
    """Writes checkpoints between steps, and ends the replay at the step of the one that is gone on from."""

    def __init__(self, checkpoints: Checkpoints, state: _State, step: int) -> None:
        self._checkpoints, self._state, self._replayed = checkpoints, state, step

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        """Once a step, after the monitor has been told of it."""
        if "train_runtime" in (kwargs.get("logs") or {}):
            return control
        if not self._checkpoints.replaying:
            self._checkpoints.stepped(self._state, state.global_step, stop=control.should_training_stop)
        elif state.global_step == self._replayed:
            control.should_training_stop = self._checkpoints.go_on(self._state)
        return control


def _random_state() -> dict[str, Any]:
    """States of the generators that `transformers.set_seed` seeds."""
    name, keys, *rest = np.random.get_state()
    version, numbers, gauss = random.getstate()
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [name, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_random_state(state: Mapping[str, Any]) -> None:
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
