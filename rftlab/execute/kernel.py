"""The program of a kernel: ipykernel's, which drops no message, leaves quickly and tells where it crashed.

Run as `python -m rftlab.execute.kernel -f CONNECTION_FILE`, or forked by `rftlab.execute.zygote`. Imports nothing of
rftlab itself.
"""

import faulthandler
import os
import sys
from pathlib import Path
from typing import Any

import zmq
from ipykernel.iostream import OutStream
from ipykernel.kernelapp import IPKernelApp


class KernelApp(IPKernelApp):
    """A kernel whose messages wait for a driver that gets no processor, however many they are."""

    def init_connection_file(self) -> None:
        """Leave where the driver died before this kernel was up.

        Its folder may have been swept, which ipykernel would make anew and nobody would remove; and ipykernel waits for
        a parent of number 1, which an orphan does not get where another process adopts it.
        """
        orphaned = os.name == "posix" and self.parent_handle and os.getppid() != self.parent_handle
        if orphaned or not Path(self.abs_connection_file).exists():
            self.exit(1)
        super().init_connection_file()

    def init_iopub(self, context: zmq.Context[Any]) -> None:
        """Make the socket of all that a notebook cell says.

        By default it drops messages once a thousand are waiting, and with them the one that says that a cell has ended.
        """
        context.sndhwm = 0
        super().init_iopub(context)
        del context.sndhwm

    def initialize(self, argv: list[str] | None = None) -> None:
        """Start everything but the loop."""
        # At shutdown ipykernel 7 now and then waits for a flush by a thread that has ended already, 10 s by default;
        # the manager then loses 2.5 s and kills it. Output is not lost: it is sent in order, whoever waits for it.
        OutStream.flush_timeout = 0.2  # type: ignore[assignment]
        super().initialize(argv)
        # To the kernel's log: what it writes to its standard error goes to the notebook, if at all.
        faulthandler.enable(getattr(sys.stderr, "_original_stdstream_copy", 2))


if __name__ == "__main__":
    KernelApp.launch_instance()
