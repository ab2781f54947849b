"""Code of a user's own that fails in every way that code can: a verifier, a task and a method."""

from collections.abc import Iterator

from tests.proof.inputs_tried import MODEL_S, Bad

_TASK = """
from rftlab.tasks.base import Example, Task

def rows(first, n=20):
    return tuple(Example(f"e{i}", f"How much is {i} plus 1?", str(i + 1)) for i in range(first, first + n))

def load():
    return Task("mine", "card", rows(0), rows(100))
"""
# Bodies of `def score(answer, example):`, each of which must not pass.
_SCORES: dict[str, str] = {
    "raises": "raise KeyError('x')",
    "raises without words": "raise ValueError",
    "raises a text of 10 MB": "raise ValueError('x' * 10_000_000)",
    "raises escapes": "raise ValueError('\\x1b[2J\\x1b]0;owned\\x07')",
    "raises lines": "raise ValueError('a\\nb\\nc')",
    "raises half a character": "raise ValueError('\\ud800')",
    "raises what is no exception": "raise 3",
    "exits with 0": "import sys; sys.exit(0)",
    "exits at once": "import os; os._exit(0)",
    "exits with a text": "import sys; sys.exit('bye')",
    "quits": "quit()",
    "interrupts": "raise KeyboardInterrupt",
    "ends a generator": "raise GeneratorExit",
    "stops an iteration": "raise StopIteration",
    "aborts": "import os; os.abort()",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "kills itself": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "sleeps": "import time; time.sleep(1000)",
    "never ends": "while True: pass",
    "a pattern that never ends": "import re; re.match('(a+)+$', 'a' * 40 + 'b')",
    "recurses": "return score(answer, example)",
    "recurses in C": "x = []\n    for _ in range(200000): x = [x]\n    return repr(x)",
    "takes all memory": "raise MemoryError",
    "prints a lot and raises": "print('x' * 3_000_000); raise KeyError('x')",
    "closes its streams": "import os; os.close(1); os.close(2); raise KeyError('x')",
    "changes the folder": "import os; os.chdir('/'); raise KeyError('x')",
    "removes the folder": "import os, tempfile; d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d); raise KeyError('x')",
    "forks and exits": "import os\n    os.fork()\n    os._exit(0)",
    "leaves threads": "import threading, time\n    threading.Timer(1000, print).start()\n    raise KeyError('x')",
    "leaves a process": "import subprocess; subprocess.Popen(['sleep', '1000']); raise KeyError('x')",
    "reads the terminal": "return float(input())",
    "takes signals": "import signal\n    for s in (2, 15): signal.signal(s, signal.SIG_IGN)\n    raise KeyError('x')",
    "an alarm": "import signal, time; signal.alarm(1); time.sleep(5)",
    "returns NaN": "return float('nan')",
    "returns None": "return None",
    "returns 2.0": "return 2.0",
    "returns -1": "return -1.0",
    "returns infinity": "return float('inf')",
    "returns a text": "return '1'",
    "returns a list": "return [1.0]",
    "returns a complex": "return 1j",
    "returns a dict": "return {'reward': 1.0}",
    "returns itself": "return score",
    "returns a number of 5 000 digits": "return 10 ** 5000",
    "returns an array": "import numpy; return numpy.array([1.0, 0.0])",
    "is a generator": "yield 1.0",
    "returns what fails to compare": "class X:\n        def __float__(self): raise OSError('no')\n    return X()",
    "always 0": "return 0.0",
    "needs what is not installed": "import no_such_module",
    "reads what is not there": "return float(open('none.txt').read())",
    "awaits": "import asyncio; return asyncio.run(asyncio.sleep(1000))",
    "changes the example": "example.answer = 'x'; return 1.0",
    "a syntax of its own": "exec('def f(:')",
    "deletes builtins": "import builtins; del builtins.len; raise KeyError('x')",
    "breaks json": "import json; json.dumps = None; raise KeyError('x')",
    "a warning as an error": "import warnings; warnings.simplefilter('error'); warnings.warn('x')",
}
# Whole files that are asked for `score`.
_MODULES: dict[str, str] = {
    "empty": "",
    "a syntax error": "def score(answer, example)\n    return 1.0\n",
    "another name": "def grade(answer, example):\n    return 1.0\n",
    "a number": "score = 3\n",
    "one argument": "def score(answer):\n    return 1.0\n",
    "three arguments": "def score(a, b, c):\n    return 1.0\n",
    "a class without a method": "class score:\n    pass\n",
    "raises at import": "raise RuntimeError('at import')\n",
    "exits at import": "import sys\nsys.exit(0)\n",
    "exits at once at import": "import os\nos._exit(0)\n",
    "hangs at import": "import time\ntime.sleep(1000)\n",
    "imports nothing there": "import nothing_like_that\n",
    "imports itself": "from v import score\n",
    "NUL": "score = '\x00'\n",
    "tabs and blanks": "def score(answer, example):\n\tif 1:\n        return 1.0\n",
    "Python 2": "print 'x'\n",
    "deep": "x = " + "(" * 500 + "1" + ")" * 500 + "\n",
    "a coroutine": "async def score(answer, example):\n    return 1.0\n",
    "no UTF-8": "# -*- coding: ascii -*-\nscore = 'é'\n",
    "an unknown coding": "# -*- coding: klingon -*-\n",
    "prints 5 MB at import": "print('x' * 5_000_000)\nraise RuntimeError('x')\n",
    "a thread at import": "import threading\nthreading.Timer(1000, print).start()\nraise RuntimeError('x')\n",
    "a partial of nothing": "import functools\nscore = functools.partial(None)\n",
    "a property": "class score:\n    @property\n    def score(self): raise RuntimeError('x')\n",
}
# Bodies of `def load():`.
_LOADS: dict[str, str] = {
    "raises": "raise KeyError('x')",
    "exits with 0": "import sys; sys.exit(0)",
    "exits at once": "import os; os._exit(0)",
    "interrupts": "raise KeyboardInterrupt",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "hangs": "import time; time.sleep(1000)",
    "never ends": "while True: pass",
    "recurses": "return load()",
    "returns None": "return None",
    "returns a list": "return list(rows(0))",
    "returns a text": "return 'mine'",
    "returns the class": "return Task",
    "is a generator": "yield rows(0)",
    "no rows": "return Task('mine', 'card', (), rows(100))",
    "no test rows": "return Task('mine', 'card', rows(0), ())",
    "rows that are texts": "return Task('mine', 'card', ('a',), rows(100))",
    "a prompt that is a number": "return Task('mine', 'card', (Example('a', 3, '1'),), rows(100))",
    "an answer that is None": "return Task('mine', 'card', (Example('a', 'b', None),), rows(100))",
    "half a character": "return Task('mine', 'card', (Example('a', '\\ud800', '1'),), rows(100))",
    "the same rows to test": "return Task('mine', 'card', rows(0), rows(0))",
    "the same ids": "return Task('mine', 'card', rows(0) + rows(0), rows(100))",
    "no such verifier": "return Task('mine', 'card', rows(0), rows(100), verifier='exactly')",
    "a verifier that is a function": "return Task('mine', 'card', rows(0), rows(100), verifier=len)",
    "settings that are a text": "return Task('mine', 'card', rows(0), rows(100), verifier_settings='x')",
    "other rows each time": "import random; return Task('mine', 'card', rows(random.randrange(10 ** 9)), rows(-100))",
    "a missing argument": "return Task('mine')",
    "rows without end": "import itertools\n    endless = (rows(i, 1)[0] for i in itertools.count())\n    "
    "return Task('mine', 'card', endless, rows(-50))",
    "meta that is no JSON": "first = Example('a', 'b', '1', None, {'x': len})\n    "
    "return Task('mine', 'card', (first,) + rows(1), rows(100))",
    "a name that is None": "return Task(None, 'card', rows(0), rows(100))",
    "prints a lot and raises": "print('x' * 3_000_000); raise KeyError('x')",
    "reads what is not there": "return open('none.csv').read()",
    "fewer rows than labels": "return Task('mine', 'card', rows(0, 3), rows(100))",
    "other rows that are a number": "return Task('mine', 'card', rows(0), rows(100), ood=3)",
    "rationales that are numbers": "return Task('mine', 'card', (Example('a', 'b', '1', 7),) + rows(1), rows(100))",
    "empty prompts": "return Task('mine', 'card', (Example('a', '', '1'),) + rows(1), rows(100))",
    "an id that is None": "return Task('mine', 'card', (Example(None, 'b', '1'),) + rows(1), rows(100))",
}
_METHOD = "from rftlab.methods.base import *\n"
_METHODS: dict[str, str] = {
    "not there": "",
    "a function": "def Mine(): pass\n",
    "a number": "Mine = 3\n",
    "an empty class": "class Mine: pass\n",
    "raises when made": "class Mine:\n    def __init__(self, *a, **k): raise KeyError('x')\n",
    "raises at import": "raise RuntimeError('x')\n",
    "exits at import": "import sys\nsys.exit(0)\n",
    "exits at once at import": "import os\nos._exit(0)\n",
    "a syntax error": "class Mine(\n",
    "hangs at import": "import time\ntime.sleep(1000)\n",
    "train is a number": "class Mine:\n    train = 3\n",
    "settings that are a list": "class Mine:\n    Settings = []\n    def train(self, run, monitor): pass\n",
    "train of no argument": "class Mine:\n    def train(self): pass\n",
}
_V, _M = r"v\.py|verifier|score", r"m\.py|task|load|verifier"


def _score(body: str) -> str:
    return f"def score(answer, example):\n    {body}\n"


def _grid(line: str) -> str:
    return f"task: ./m.py:load\nmethod: grpo\nlabels: 5\nevaluation.along_items: 4\n{line}\n"


def _verifiers() -> Iterator[Bad]:
    files = {f"a verifier {what}": _score(body) for what, body in _SCORES.items()}
    files |= {f"a verifier's file: {what}": text for what, text in _MODULES.items()}
    for number, (what, text) in enumerate(files.items()):
        code = {"m.py": _TASK, "v.py": text}
        slow = ("--check-timeout", "1")
        if number % 3:
            check = ("check", "m.py:load", "--verifier", "v.py:score", *slow)
            yield Bad(f"check: {what}", check, code, _V, (1, 2), seconds=MODEL_S)
        else:
            run = ("run", "g.yaml", "--kernel", "cold", *slow)
            yield Bad(f"run: {what}", run, {**code, "g.yaml": _grid("verifier: ./v.py:score")}, _V, seconds=MODEL_S)


def _tasks() -> Iterator[Bad]:
    for number, (what, body) in enumerate(_LOADS.items()):
        code = {"m.py": f"{_TASK.partition('def load')[0]}def load():\n    {body}\n"}
        if number % 3 == 0:
            yield Bad(
                f"check: a task {what}", ("check", "m.py:load", "--check-timeout", "1"), code, _M, (1, 2), MODEL_S
            )
        elif number % 3 == 1:
            run = ("run", "g.yaml", "--kernel", "cold", "--check-timeout", "1")
            yield Bad(f"run: a task {what}", run, {**code, "g.yaml": _grid("")}, _M, seconds=MODEL_S)
        else:
            dry = ("run", "g.yaml", "--dry-run", "--check-timeout", "1")
            yield Bad(f"dry run: a task {what}", dry, {**code, "g.yaml": _grid("")}, _M, seconds=MODEL_S)


def _methods() -> Iterator[Bad]:
    for what, text in _METHODS.items():
        code = {"m.py": _TASK, "k.py": _METHOD + text if "class" in text else text}
        suite = ("check-method", "k.py:Mine", "--check-timeout", "2")
        yield Bad(f"check-method: {what}", suite, code, r"k\.py|Mine|method", (1, 2), seconds=MODEL_S)
        run = ("run", "g.yaml", "--kernel", "cold", "--check-timeout", "2")
        grid = _grid("").replace("method: grpo", "method: ./k.py:Mine")
        yield Bad(f"run: a method: {what}", run, {**code, "g.yaml": grid}, r"k\.py|Mine|method", seconds=MODEL_S)


CODE = [*_verifiers(), *_tasks(), *_methods()]
