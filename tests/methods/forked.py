"""Several processes in a test: forked from this one, joined as those of a cell are."""

import multiprocessing
import pickle
import queue
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rftlab.methods.peers import Peers, joined

_LIMIT_S = 250.0


def together(work: Callable[[Peers], Any], folder: Path, count: int = 2) -> list[Any]:
    """What ``work`` gives in each of so many processes that train together; anything that pickle takes."""
    forking = multiprocessing.get_context("fork")
    answers = forking.Queue()

    def run(rank: int) -> None:
        try:
            with joined(rank, count, folder / "rendezvous", "cpu") as peers:
                answers.put((rank, pickle.dumps(work(peers)), ""))
        except BaseException:
            answers.put((rank, b"", traceback.format_exc()))

    processes = [forking.Process(target=run, args=(rank,), daemon=True) for rank in range(count)]
    for process in processes:
        process.start()
    found: dict[int, Any] = {}
    try:
        for _ in processes:
            rank, answer, error = answers.get(timeout=_LIMIT_S)
            assert not error, error
            found[rank] = pickle.loads(answer)
    except queue.Empty:
        raise AssertionError("a process did not answer") from None
    finally:
        for process in processes:
            process.kill() if len(found) < count else process.join()
    return [found[rank] for rank in range(count)]
