"""Run the benchmarks: `python -m tests.bench [NAME ...] [--quick]`; `--markdown` prints the last results instead."""

import argparse
import json
import sys
import time
from pathlib import Path

from rftlab.record import write_atomically
from tests.bench import table
from tests.bench.measure import Row, run_alone

FOLDER = Path("results/bench")
NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main() -> int:
    """Measure what is asked for, print a table, and write `results/bench/bench.json` (`quick.json` if quick)."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all, or some of: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, few runs: shows that it works")
    parser.add_argument("--markdown", action="store_true", help="measure nothing: the last results as a Markdown table")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    path = FOLDER / ("quick.json" if options.quick else "bench.json")
    machine = path.with_suffix(".machine.json")
    if options.markdown:
        if not path.is_file():
            parser.error(f"no {path} yet; run the benchmarks first")
        print(table.markdown(_read(path), _read(machine)))
        return 0
    rows, failed = measure(options.names or NAMES, options.quick)
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Rows of benchmarks that were not run now are kept; each row was measured in one run either way.
    kept = {name: row for name, row in _read(path).items() if row["benchmark"] not in (options.names or NAMES)}
    write_atomically(path, json.dumps({**kept, **rows}, indent=1, sort_keys=True) + "\n")
    write_atomically(machine, json.dumps(table.machine(), indent=1) + "\n")
    table.show(rows, table.machine())
    for name, reason in failed.items():
        print(f"failed: {name}: {reason}", file=sys.stderr)
    return 1 if failed else 0


def measure(names: list[str], quick: bool) -> tuple[dict[str, Row], dict[str, str]]:
    """Rows of every benchmark, and what went wrong with those that failed."""
    rows: dict[str, Row] = {}
    failed: dict[str, str] = {}
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        began = time.perf_counter()
        try:
            rows |= {key: {**row, "benchmark": name} for key, row in run_alone(name, quick=quick).items()}
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
        print(f"  {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return rows, failed


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


if __name__ == "__main__":
    sys.exit(main())
