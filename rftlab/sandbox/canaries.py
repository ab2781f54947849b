"""Small attacks that a level of the sandbox must withstand before it is used."""

_NAMES = ("read", "list", "write", "stat", "socket", "fork", "exec", "thread", "kill", "environment")

# What each canary must answer; a canary that breaks out answers "open".
CANARIES = {"honest": {"v": ["l", 42, "forty-two"]}, **{name: {"v": "blocked"} for name in _NAMES}}

CANARY_CODE = """
import _thread, os, socket

def environment():
    ours = {"PYTHONHASHSEED", "LC_ALL", "LC_CTYPE", "PWD"}
    if all(name in ours or name.endswith("_NUM_THREADS") for name in os.environ):
        raise OSError("nothing of the caller's is visible")

def fork():
    if os.fork() == 0:
        os._exit(0)

PROBES = {
    "read": lambda: open("/etc/passwd").read(),
    "list": lambda: os.listdir("/"),
    "write": lambda: open("/tmp/rftlab-canary", "w"),
    "stat": lambda: os.stat("/etc/passwd"),
    "socket": lambda: socket.socket(),
    "fork": fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "thread": lambda: _thread.start_new_thread(print, ()),
    "kill": lambda: os.kill(os.getppid(), 0),
    "environment": environment,
}

def probe(name):
    if name == "honest":
        return [6 * 7, "forty-two"]
    try:
        PROBES[name]()
    except (OSError, RuntimeError):
        return "blocked"
    return "open"
"""
