"""Checks a second through the code verifier: a small function, five cases, one fork for each check.

Goal: 400 a second on two free cores. The CPU time of the sandbox processes is given too: unlike
the rate it hardly depends on what else the machine does. Prints; asserts nothing about time.
"""

import resource
import statistics
import time
from types import SimpleNamespace

from rftlab.sandbox.library import IsolatedWorker
from rftlab.sandbox.python import Sandbox
from rftlab.sandbox.worker import LADDER
from rftlab.verifiers.code import Code

CHECKS = 400
REPEATS = 5
COMPLETION = "<answer>def f(a, b):\n    return sorted([a, b])[0] + max(a, b)</answer>"
EXAMPLE = SimpleNamespace(
    answer="", meta={"entry_point": "f", "tests": [{"args": [n, 7], "kwargs": {}, "expected": n + 7} for n in range(5)]}
)


def _rate(function, count):
    started = time.perf_counter()
    function()
    return count / (time.perf_counter() - started)


def _cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _cpu_ms_per_check():
    sandbox = Sandbox(workers=1, levels=[level for level in LADDER if "bwrap" not in level])
    verifier, before = Code(sandbox=sandbox), _cpu_of_children()
    verifier.score([COMPLETION] * CHECKS, [EXAMPLE] * CHECKS)
    sandbox.close()
    return 1000 * (_cpu_of_children() - before) / CHECKS


def _summary(rates, unit):
    return {"median": statistics.median(rates), "min": min(rates), "max": max(rates), "unit": unit, "runs": len(rates)}


def run(quick: bool = False) -> dict[str, dict]:
    """Measure; name -> {median, min, max, unit, runs}. One run of each if quick."""
    results = {}
    repeats = 1 if quick else REPEATS
    for workers in (1, 2):
        sandbox = Sandbox(workers=workers)
        verifier = Code(sandbox=sandbox)
        rewards = [score.reward for score in verifier.score([COMPLETION] * 20, [EXAMPLE] * 20)]
        assert rewards == [1.0] * 20
        rates = [
            _rate(lambda v=verifier: v.score([COMPLETION] * CHECKS, [EXAMPLE] * CHECKS), CHECKS) for _ in range(repeats)
        ]
        results[f"sandbox_checks_{workers}_workers_{sandbox.level}"] = _summary(rates, "checks/s")
        sandbox.close()
    results["sandbox_cpu_per_check_without_bwrap"] = _summary(
        [_cpu_ms_per_check() for _ in range(1 if quick else 3)], "ms"
    )
    starts = []
    for _ in range(repeats):
        sandbox = Sandbox(workers=1)
        started = time.perf_counter()
        _ = sandbox.level
        starts.append(1000 * (time.perf_counter() - started))
        sandbox.close()
    results["sandbox_start_with_canaries"] = _summary(starts, "ms")
    worker = IsolatedWorker("math:factorial")
    worker.map([[5]])
    rates = [_rate(lambda: worker.map([[5]] * 2000), 2000) for _ in range(repeats)]
    results["isolated_calls"] = _summary(rates, "calls/s")
    worker.close()
    return results


if __name__ == "__main__":
    for name, row in run().items():
        print(f"{name}: median {row['median']:.4g} {row['unit']} ({row['min']:.4g} to {row['max']:.4g})")
