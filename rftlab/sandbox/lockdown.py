"""Kernel restrictions a process puts on itself: seccomp, Landlock, resource limits, capabilities, death signal.

Raw system calls by ctypes, so that nothing has to be installed and the same code works inside containers that forbid
user namespaces. Linux on x86_64 and aarch64 (the latter's table is taken from the kernel's headers and has not been
run on such a machine: the sandbox's canaries decide there). Standard library only: loaded by path inside the sandbox.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 4, 22, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 38, 47
_LANDLOCK_CREATE, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT = 444, 445, 446
_READ_FILE_AND_DIR = (1 << 2) | (1 << 3)
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}

_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_DENY, _NOT_A_TTY = 0x00050000 | 1, 0x00050000 | 25
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# Nothing here creates a process, a thread, a socket or a file, or sends a signal.
CALLS = {
    "x86_64": {
        "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
        "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17, "readv": 19,
        "writev": 20, "select": 23, "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "getitimer": 36,
        "alarm": 37, "setitimer": 38, "getpid": 39, "exit": 60, "uname": 63, "getcwd": 79, "gettimeofday": 96,
        "getrlimit": 97, "getrusage": 98, "times": 100, "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108,
        "getppid": 110, "sigaltstack": 131, "gettid": 186, "time": 201, "futex": 202, "sched_getaffinity": 204,
        "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231,
        "pselect6": 270, "ppoll": 271, "getrandom": 318, "rseq": 334,
    },
    "aarch64": {
        "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "mmap": 222, "mprotect": 226, "munmap": 215,
        "brk": 214, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "pread64": 67, "readv": 65,
        "writev": 66, "sched_yield": 124, "mremap": 216, "madvise": 233, "nanosleep": 101, "getitimer": 102,
        "setitimer": 103, "getpid": 172, "exit": 93, "uname": 160, "getcwd": 17, "gettimeofday": 169,
        "getrlimit": 163, "getrusage": 165, "times": 153, "getuid": 174, "getgid": 176, "geteuid": 175,
        "getegid": 177, "getppid": 173, "sigaltstack": 132, "gettid": 178, "futex": 98, "sched_getaffinity": 123,
        "restart_syscall": 128, "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115, "exit_group": 94,
        "pselect6": 72, "ppoll": 73, "getrandom": 278, "rseq": 293,
    },
}  # fmt: skip
OPEN_CALLS = {
    "x86_64": {"stat": 4, "lstat": 6, "access": 21, "getdents64": 217, "newfstatat": 262, "statx": 332},
    "aarch64": {"faccessat": 48, "getdents64": 61, "newfstatat": 79, "statx": 291},
}
CHECKED_CALLS = {
    "x86_64": {"ioctl": 16, "fcntl": 72, "openat": 257, "prlimit64": 302},
    "aarch64": {"ioctl": 29, "fcntl": 25, "openat": 56, "prlimit64": 261},
}


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _prctl(what: str, option: int, *args: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*args, 0, 0, 0, 0)[:4]]
    _check(_libc().prctl(option, *padded), what)


def give_up_privileges() -> None:
    """Drop every capability for good, forbid new ones, and hide this process from debuggers.

    Raises:
        OSError: the kernel refused no_new_privs.
    """
    _prctl("no_new_privs", _PR_SET_NO_NEW_PRIVS, 1)
    _prctl("dumpable", _PR_SET_DUMPABLE, 0)
    libc = _libc()
    libc.prctl(_PR_CAP_AMBIENT, ctypes.c_ulong(4), *[ctypes.c_ulong(0)] * 3)
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), *[ctypes.c_ulong(0)] * 3)
    header, data = struct.pack("Ii", 0x20080522, 0), bytes(24)
    _check(libc.capset(header, data), "capset")


def landlock_abi() -> int:
    """Return the kernel's Landlock ABI, 0 where there is none."""
    try:
        return max(0, _libc().syscall(_LANDLOCK_CREATE, None, 0, 1))
    except (OSError, AttributeError):
        return 0


def landlock(readable: list[str]) -> int:
    """Restrict this process and its children to reading below the given paths.

    From ABI 4 TCP is refused too, from ABI 6 signals and abstract sockets across the border. stat() is never covered.

    Args:
        readable: existing folders or files; a missing one is skipped.

    Returns:
        The ABI in force.

    Raises:
        OSError: the kernel has no Landlock, or refused the rules.
    """
    abi = landlock_abi()
    if not abi:
        raise OSError("this kernel has no Landlock")
    handled = struct.pack("Q", (1 << _FS_RIGHTS.get(abi, 16)) - 1)
    handled += struct.pack("Q", 3) if abi >= 4 else b""
    handled += struct.pack("Q", 3) if abi >= 6 else b""
    libc = _libc()
    ruleset = _check(libc.syscall(_LANDLOCK_CREATE, handled, len(handled), 0), "Landlock ruleset")
    for path in readable:
        try:
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        rights = _READ_FILE_AND_DIR if Path(path).is_dir() else 1 << 2
        result = libc.syscall(_LANDLOCK_ADD_RULE, ruleset, 1, struct.pack("=Qi", rights, folder), 0)
        os.close(folder)
        _check(result, f"Landlock rule for {path}")
    _check(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0), "Landlock")
    os.close(ruleset)
    return abi


def filter_program(machine: str, opening: bool) -> bytes:
    """Assemble the seccomp allow-list.

    Args:
        machine: ``x86_64`` or ``aarch64``.
        opening: whether files may be opened for reading and looked up by name.

    Returns:
        The program in the kernel's sock_filter layout.

    Raises:
        OSError: no table for this machine.
    """
    if machine not in CALLS:
        raise OSError(f"no seccomp table for {machine}; there is one for {' and '.join(CALLS)}")

    def line(code: int, k: int, true: int = 0, false: int = 0) -> bytes:
        return struct.pack("HBBI", code, true, false, k & 0xFFFFFFFF)

    def argument(index: int, high: bool = False) -> bytes:
        return line(_LOAD, 16 + 8 * index + (4 if high else 0))

    def only_if(number: int, block: list[bytes]) -> list[bytes]:
        return [line(_JUMP_EQUAL, number, 0, len(block)), *block]

    allow, deny = line(_RETURN, _ALLOW), line(_RETURN, _DENY)
    program = [line(_LOAD, 4), line(_JUMP_EQUAL, _ARCH[machine], 1, 0), line(_RETURN, _KILL), line(_LOAD, 0)]
    if machine == "x86_64":
        program += [line(_JUMP_GREATER_EQUAL, 0x40000000, 0, 1), line(_RETURN, _KILL)]
    numbers = list(CALLS[machine].values()) + (list(OPEN_CALLS[machine].values()) if opening else [])
    for number in numbers:
        program += only_if(number, [allow])
    checked = CHECKED_CALLS[machine]
    program += only_if(checked["ioctl"], [line(_RETURN, _NOT_A_TTY)])
    asks = [part for command in (1, 2, 3) for part in only_if(command, [allow])]
    program += only_if(checked["fcntl"], [argument(1), *asks, deny])
    reads = [line(_JUMP_EQUAL, 0, 0, 5), argument(2), line(_JUMP_EQUAL, 0, 0, 3)]
    reads += [argument(2, high=True), line(_JUMP_EQUAL, 0, 0, 1), allow, deny]
    program += only_if(checked["prlimit64"], [argument(0), *reads])
    if opening:
        harmless = os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | 0o100000
        block = [argument(2), line(_AND, ~harmless), line(_JUMP_EQUAL, 0, 0, 1), allow, deny]
        program += only_if(checked["openat"], block)
    return b"".join([*program, deny])


class ChildLock:
    """What each child does to itself right after the fork; built once, because building it costs more than doing it.

    Args:
        program: the filter from ``filter_program``.
        parent: process id of the forking process.
    """

    def __init__(self, program: bytes, parent: int) -> None:
        self._parent = parent
        self._buffer = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(self._buffer))
        self._header = ctypes.create_string_buffer(header, len(header))
        self._prctl = _libc().prctl
        zero = ctypes.c_ulong(0)
        self._death = (_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), zero, zero, zero)
        self._filter = (_PR_SET_SECCOMP, ctypes.c_ulong(2), ctypes.c_ulong(ctypes.addressof(self._header)), zero, zero)
        self._prctl(_PR_SET_DUMPABLE, zero, zero, zero, zero)

    def die_with_parent(self) -> None:
        """Ask for SIGKILL when the forking process ends; end at once where it already has."""
        if self._prctl(*self._death) != 0 or os.getppid() != self._parent:
            os._exit(1)

    def seccomp(self) -> None:
        """Install the filter; it cannot be taken off again.

        Raises:
            OSError: the kernel has no seccomp, or privileges were not given up first.
        """
        if self._prctl(*self._filter) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"seccomp: {os.strerror(code)}")


def limit_for_good() -> None:
    """Cap this process and its children: no files written, no core dumps, 32 descriptors, 8 MiB of stack."""
    _limit("RLIMIT_FSIZE", 0, 0)
    _limit("RLIMIT_CORE", 0, 0)
    _limit("RLIMIT_NOFILE", 32, 32)
    _limit("RLIMIT_STACK", 8 << 20, 8 << 20)
    _limit("RLIMIT_MEMLOCK", 0, 0)
    _limit("RLIMIT_MSGQUEUE", 0, 0)


def limit_check(seconds: int, memory_bytes: int) -> None:
    """Cap one child: CPU seconds and address space in bytes."""
    _limit("RLIMIT_CPU", seconds, seconds + 1)
    _limit("RLIMIT_AS", memory_bytes, memory_bytes)


def _limit(name: str, soft: int, hard: int) -> None:
    number = getattr(resource, name, None)
    if number is None:
        return
    ceiling = resource.getrlimit(number)[1]
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    try:
        resource.setrlimit(number, (soft, hard))
    except (OSError, ValueError):
        if platform.system() == "Linux":
            raise
