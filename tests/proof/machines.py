"""What makes records of one cell differ, as far as one machine can show it: `python -m tests.proof.machines`.

Runs one grid as it is by default and under other settings of this machine, and prints a Markdown table: for each method
how far the records are apart. Other processors, other library versions and GPUs are not tried.
"""

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from rftlab import record
from tests.proof.reproducibility import GRID, Variant, folders, run, unequal

_REAL = """defaults:
  model: smollm2
  task: arithmetic/word
  labels: 10
  budget.amount: 2
  decoding: {max_new_tokens: 24, max_new_tokens_direct: 24}
  evaluation: {test_items: 6, train_items: 1, ood_items: 0, sampled_items: 0, along_the_way: 0}
method: [base, sft]
"""


@dataclass(frozen=True)
class _Setting:
    """One way to compute otherwise.

    Attributes:
        name: in words.
        environment: variables that libraries read.
        workers: cells at once, which share the cores.
        precision: of the cells; another one makes other cells, which are compared by what they measured.
    """

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    workers: int = 1
    precision: str = ""


_SETTINGS = (
    _Setting("run again"),
    _Setting("half the compute threads (two workers)", workers=2),
    _Setting("torch without AVX-512 (`ATEN_CPU_CAPABILITY=avx2`)", {"ATEN_CPU_CAPABILITY": "avx2"}),
    _Setting("torch without AVX (`ATEN_CPU_CAPABILITY=default`)", {"ATEN_CPU_CAPABILITY": "default"}),
    _Setting("oneDNN without AVX-512 (`ONEDNN_MAX_CPU_ISA=AVX2`)", {"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    _Setting("MKL without AVX-512 (`MKL_ENABLE_INSTRUCTIONS=AVX2`)", {"MKL_ENABLE_INSTRUCTIONS": "AVX2"}),
    _Setting("products in bf16 (`precision: bf16`)", precision="bf16"),
)


def main() -> None:
    """Run and compare; print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof.machines", description=__doc__)
    parser.add_argument("--models", type=Path, help="a folder with models/, to do so with smollm2 instead")
    options = parser.parse_args()
    grid = _REAL if options.models else GRID
    found: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory(prefix="rftlab-proof-") as folder:
        plain = _run(_Setting("plain"), grid, Path(folder) / "plain", options.models)
        for number, setting in enumerate(_SETTINGS):
            results = _run(setting, grid, Path(folder) / str(number), options.models)
            found[setting.name] = {method: _apart(then, results[method]) for method, then in plain.items()}
            print(setting.name, found[setting.name], file=sys.stderr, flush=True)
            shutil.rmtree(Path(folder) / str(number))
    methods = list(plain)
    print(f"| against one worker on {os.cpu_count()} cores | {' | '.join(methods)} |")
    print(f"|---|{'---|' * len(methods)}")
    for name, told in found.items():
        print(f"| {name} | {' | '.join(told[method] for method in methods)} |")


def _run(setting: _Setting, grid: str, folder: Path, models: Path | None) -> dict[str, Path]:
    """Cells by method."""
    text = (
        grid.replace("  labels: 10\n", f"  labels: 10\n  precision: {setting.precision}\n")
        if setting.precision
        else grid
    )
    variant = Variant("", ("--workers", str(setting.workers), "--kernel", "cold"), setting.environment, text)
    (folder / variant.home).mkdir(parents=True)
    if models:
        (folder / variant.home / "models").symlink_to((models / "models").resolve())
    cells = folders(run(variant, folder))
    return {record.read(path).parameters.method: path for path in cells.values()}  # type: ignore[union-attr]


def _apart(then: Path, now: Path) -> str:
    """How far two records are apart in words."""
    said = [each for each in unequal(then, now) if "precision" not in each and not each.startswith("contract")]
    if not said:
        return "equal"
    numbers = [record.read(path).metrics["accuracy"] for path in (then, now)]  # type: ignore[union-attr]
    greedy = "same accuracy" if numbers[0] == numbers[1] else f"accuracy {numbers[0]:.3g}, {numbers[1]:.3g}"
    texts = next((each.partition(",")[0] for each in said if each.startswith("samples")), "same completions")
    return f"{greedy}; {texts.removeprefix('samples: ')}"


if __name__ == "__main__":
    main()
