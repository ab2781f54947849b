"""Prove that it keeps working, loses nothing and lets nothing in: `python -m tests.proof [NAME ...] [--full]`.

A NAME is a proof or the beginning of some, as "faults". `--markdown` prints the last results instead.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

from rftlab.record import write_atomically
from tests.proof import table
from tests.proof.known import PROOFS
from tests.proof.proof import Line, Proof, Size, prove

FOLDER = Path("results/proof")


def main() -> int:
    """Run what is asked for and keep it in `results/proof/`; 1 if anything fell short."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all, or some; sections: " + ", ".join(_sections()))
    parser.add_argument("--full", action="store_true", help="every case; by default an hour's worth on two cores")
    parser.add_argument("--seed", type=int, default=0, help="which moments, inputs and orders chance picks (default 0)")
    parser.add_argument(
        "--markdown", action="store_true", help="run nothing: the last results, all or of these, as a Markdown table"
    )
    options = parser.parse_args()
    size: Size = "full" if options.full else "hour"
    path = FOLDER / f"{size}.json"
    if options.markdown:
        if not path.is_file():
            parser.error(f"no {path} yet; run the proofs first")
        kept = json.loads(path.read_text(encoding="utf-8"))
        print(table.markdown({name: line for name, line in kept.items() if _named(name, options.names)}))
        return 0
    wanted = [proof for proof in PROOFS if size in proof.cases and _named(proof.name, options.names)]
    if not wanted:
        parser.error(f"no proof of {', '.join(options.names)}; there are {', '.join(proof.name for proof in PROOFS)}")
    lines = [_keep(_run(proof, size, options.seed), path, options.seed) for proof in wanted]
    return int(any(line.short for line in lines))


def _keep(line: Line, path: Path, seed: int) -> Line:
    """Put a line into the file, where those that were not run now stay, each with the commit it was proved on."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kept[line.name] = {**dataclasses.asdict(line), **table.ran_on(seed)}
    path.parent.mkdir(parents=True, exist_ok=True)
    in_order = {proof.name: kept[proof.name] for proof in PROOFS if proof.name in kept}
    write_atomically(path, json.dumps(in_order, indent=1) + "\n")
    return line


def _run(proof: Proof, size: Size, seed: int) -> Line:
    """One proof in a folder of its own, with a line on standard error that moves where that is a terminal."""
    end = "\r" if sys.stderr.isatty() else "\n"

    def tell(line: Line) -> None:
        if sys.stderr.isatty() or line.short:
            short = f", {len(line.short)} fell short" if line.short else ""
            print(f"{line.name}: {line.tried} of {proof.cases[size]}{short}  ", end=end, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="rftlab-proof-", ignore_cleanup_errors=True) as folder:
        line = prove(proof, size, Path(folder), seed, tell)
    print(table.sentence(line), file=sys.stderr, flush=True)
    return line


def _named(proof: str, names: list[str]) -> bool:
    return not names or any(proof == name or proof.startswith(f"{name}.") for name in names)


def _sections() -> list[str]:
    return list(dict.fromkeys(proof.name.partition(".")[0] for proof in PROOFS))


if __name__ == "__main__":
    sys.exit(main())
