"""What somebody does who has never seen rftlab: writes files, types commands, reads what they print and the page."""

import html
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FEW_STEPS = """
budget.amount: 2
evaluation: {test_items: 20, train_items: 4, sampled_items: 2, samples: 2, along_items: 10, along_the_way: 1}
"""


@dataclass(frozen=True)
class Newcomer:
    """Somebody in a folder, with an environment's variables."""

    folder: Path
    variables: Mapping[str, str]

    def types(self, command: str, expect: int = 0) -> str:
        """Type a command; what it printed, errors included, once it has ended with the expected code."""
        done = subprocess.run(
            shlex.split(command), cwd=self.folder, env=dict(self.variables), text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == expect, done.stdout
        assert "Traceback" not in done.stdout
        return done.stdout

    def writes(self, name: str, text: str, encoding: str = "utf-8") -> None:
        """Write a file, and the folders that it lies in."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding=encoding, newline="")

    def shortens(self, grid: str, **lines: str) -> None:
        """Have a written grid run for two steps on few items, and give other values to some of its lines."""
        text = (self.folder / grid).read_text(encoding="utf-8")
        for name, value in lines.items():
            text, count = re.subn(rf"^{name}: .*$", f"{name}: {value}", text, flags=re.MULTILINE)
            assert count == 1, text
        self.writes(grid, text + FEW_STEPS)

    def reads(self, results: str) -> str:
        """The text of a report's page, without markup."""
        page = (self.folder / results / "report" / "report.html").read_text(encoding="utf-8")
        page = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())

    def runs(self, grid: str, cells: int) -> list[str]:
        """Run a grid, which ends with its report; the three lines of the answer, the first two of them in the page."""
        printed = self.types(f"rftlab run {grid}")
        name = Path(grid).stem
        assert f"[{cells}/{cells}] " in printed
        *answer, page = printed.splitlines()[-4:]
        assert page.endswith("report/report.html")
        page = self.reads(f"results/{name}")
        assert page.startswith(f"{name}: SFT or RFT?")
        assert f"{cells} finished cells" in page
        assert all(line in page for line in answer[:2])
        assert str(self.folder) not in "".join(answer)
        return answer

    def comes_back(self, name: str, cells: int, answer: list[str]) -> None:
        """Look at a finished study once more: how far it is, and the report, which says the same."""
        assert f"{name}: {cells} of {cells} cells done, 0 failed, 0 left" in self.types(f"rftlab status results/{name}")
        assert self.types(f"rftlab report results/{name}").splitlines()[-4:-1] == answer
