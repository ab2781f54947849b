"""Processes that train one cell together: what each of them knows of the others, and how they are joined.

Every process runs the same method on the same batches, computes its share of a step's rows, and takes part in the sum
of gradients, which is accelerate's. What only one has to find out is found out by the first (`Peers.once`), and what is
counted is gathered (`Peers.all`), so that all of them decide alike when to stop and which rate to use.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate.state import AcceleratorState
from accelerate.utils import patch_environment

T = TypeVar("T")

# A process waits so long for the others' gradients, and for the first one's evaluations.
_GRADIENTS, _EVALUATIONS = timedelta(hours=1), timedelta(days=30)


class Peers:
    """One of the processes that train a cell.

    Attributes:
        rank: which, from 0; the first one evaluates, shows progress and writes the record.
        count: how many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1, group: Any = None) -> None:
        self.rank, self.count, self._group = rank, count, group

    @property
    def alone(self) -> bool:
        """Whether it is the only one."""
        return self.count == 1

    def once(self, compute: Callable[[], T]) -> T:
        """What the first process computes, in all of them; it has to be something that pickle takes."""
        if self.alone:
            return compute()
        told = [compute() if self.rank == 0 else None]
        dist.broadcast_object_list(told, src=0, group=self._group)
        found: Any = told[0]
        return found

    def all(self, value: T) -> list[T]:
        """What each process gives, in their order."""
        if self.alone:
            return [value]
        told: list[Any] = [None] * self.count
        dist.all_gather_object(told, value, group=self._group)
        return told

    def joined_up(self, values: Sequence[T]) -> Sequence[T]:
        """The values of all processes, one after the other."""
        return values if self.alone else [value for each in self.all(list(values)) for value in each]

    def share(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """This process's rows of a batch that all processes have collated alike.

        Args:
            batch: tensors (B, ...) by name, with `labels`. Shares differ by a row at most; where a process would have
                none, it gets the first with nothing to learn in it (labels of -100).
        """
        rows = len(batch["labels"])
        first, last = (rows * each // self.count for each in (self.rank, self.rank + 1))
        if first < last:
            return {name: values[first:last] for name, values in batch.items()}
        return {
            **{name: values[:1] for name, values in batch.items()},
            "labels": torch.full_like(batch["labels"][:1], -100),
        }


ALONE = Peers()


@contextlib.contextmanager
def joined(rank: int, count: int, rendezvous: Path, device: str) -> Iterator[Peers]:
    """While inside, this process is one of those that train a cell, for accelerate and transformers' trainer too.

    They meet by a file, and talk by loopback alone: the usual rendezvous listens on every interface.

    Args:
        rank: of this process.
        count: of all.
        rendezvous: a file that none of them has made yet, in a folder that all see.
        device: type of the device each computes on: cpu, or cuda where each sees a GPU of its own.
    """
    loopback = next(name for _, name in socket.if_nameindex() if name in ("lo", "lo0"))
    # Each sees one device: it is the first of those it has.
    said: dict[str, str | int] = {"rank": rank, "world_size": count, "local_rank": 0, "local_world_size": count}
    said |= {"master_addr": "127.0.0.1", "master_port": "0"}  # which accelerate asks for, and nobody uses
    said |= {"gloo_socket_ifname": loopback, "nccl_socket_ifname": loopback}
    threads = torch.get_num_threads()
    mine = max(1, threads // count) if device == "cpu" and rank == 0 else threads
    with patch_environment(**said, omp_num_threads=os.environ.get("OMP_NUM_THREADS", mine)):
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo",
            init_method=rendezvous.as_uri(),
            rank=rank,
            world_size=count,
            timeout=_GRADIENTS,
        )
        torch.set_num_threads(mine)
        try:
            yield Peers(rank, count, dist.new_group(backend="gloo", timeout=_EVALUATIONS))
        finally:
            torch.set_num_threads(threads)
            dist.destroy_process_group()
            AcceleratorState._reset_state(reset_partial_state=True)
