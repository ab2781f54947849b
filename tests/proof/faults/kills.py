"""kill -9 and signals at moments that chance picks: run again, a run ends with the records of one left in peace."""

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from tests.proof.faults.driven import Place, Records, in_peace, moment, place, unlike, until
from tests.proof.proof import Case

_KINDS = ("warm", "cold")
_KERNEL, _ZYGOTE = "rftlab.execute.kernel", "rftlab.execute.zygote"
_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def drivers(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """The driver is killed."""
    for number in range(count):
        kind = _KINDS[number % 2]
        peace, seconds = in_peace(kind)
        with place(folder) as here:
            run = here.drive(kind)
            waited = moment(chance, seconds)
            _kill(run)
            yield _named(number, kind, waited), unlike(here.records(), peace) or here.again(peace, kind)


def kernels(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """One kernel is killed: its cell fails, the others do not."""
    for number in range(count):
        kind = _KINDS[(number + 1) % 2]
        peace, seconds = in_peace(kind)
        with place(folder) as here:
            run = here.drive(kind)
            until(lambda here=here: _kernels(here))
            waited = moment(chance, 0.7 * seconds)
            with suppress(psutil.Error):
                chance.choice(_kernels(here) or [psutil.Process(run.pid)]).kill()
            yield _named(number, kind, waited), _one_lost(here, run, peace) or here.again(peace, kind)


def warm_parents(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """What warm kernels are forked from is killed, while it imports or later: their cells fail, the run goes on."""
    peace, seconds = in_peace("warm")
    for number in range(count):
        with place(folder) as here:
            run = here.drive("warm")
            found = until(lambda here=here: _zygotes(here))
            waited = moment(chance, 0.8 * seconds)
            with suppress(psutil.Error):
                found[0].kill()
            short = _one_lost(here, run, peace, most=2)
            yield _named(number, "warm", waited), short or here.again(peace, "warm")


def signals(count: int, folder: Path, chance: random.Random) -> Iterator[Case]:
    """Each signal once and twice: an exit code that says which, and nothing left behind."""
    sent = [(number, times) for number in _CODES for times in (1, 2)]
    for number in range(count):
        signum, times = sent[number % len(sent)]
        kind = chance.choice(_KINDS)
        peace, seconds = in_peace(kind)
        with place(folder) as here:
            run = here.drive(kind)
            waited = moment(chance, seconds)
            run.send_signal(signum)
            if times == 2:
                moment(chance, 0.3)
                run.send_signal(signum)
            short = _stopped(here, run, signum, peace, whole=times == 1)
            name = f"{number + 1}: {signum.name} {'once' if times == 1 else 'twice'}, {kind}, after {waited:.2f} s"
            yield name, short or here.again(peace, kind)


def _stopped(here: Place, run: "subprocess.Popen[str]", signum: signal.Signals, peace: Records, *, whole: bool) -> str:
    began = time.monotonic()
    code, said = here.ended(run)
    if code not in (0, _CODES[signum]) and here.records() != peace:  # nobody minds one that had just ended
        return f"ended with {code}: {said[-200:]}"
    if (took := time.monotonic() - began) > 15:
        return f"took {took:.0f} s to end"
    return unlike(here.records(), peace) or (here.left() if whole else "")


def _one_lost(here: Place, run: "subprocess.Popen[str]", peace: Records, most: int = 1) -> str:
    """How a run whose kernels were killed did anything but fail these cells, and say why."""
    code, said = here.ended(run)
    if code == -signal.SIGKILL:  # there was no kernel any more, and it was the driver that was killed
        return ""
    lost = len(peace) - len(here.records())
    if code not in (0, 1) or lost > most or bool(lost) != bool(code):
        return f"ended with {code}, {lost} cells lost: {said[-200:]}"
    if lost and not ("KernelDied" in said or "forked from has ended" in said):
        return f"does not say that a kernel died: {said[-200:]}"
    return unlike(here.records(), peace)


def _named(number: int, kind: str, waited: float) -> str:
    return f"{number + 1}: {kind}, after {waited:.2f} s"


def _kill(run: "subprocess.Popen[str]") -> None:
    run.kill()
    run.communicate()


def _kernels(here: Place) -> list[psutil.Process]:
    return [each for each in here.processes() if _is_kernel(each)]


def _zygotes(here: Place) -> list[psutil.Process]:
    return [each for each in here.processes() if _has(each, _ZYGOTE) and not _is_kernel(each)]


def _is_kernel(process: psutil.Process) -> bool:
    return _has(process, _KERNEL) or (_has(process, _ZYGOTE) and _has(process.parent(), _ZYGOTE))


def _has(process: psutil.Process | None, module: str) -> bool:
    with suppress(psutil.Error):
        return process is not None and module in process.cmdline()
    return False
