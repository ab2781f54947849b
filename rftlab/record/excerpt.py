"""What was left out or shortened of a finished cell's files when it was copied into another study's folder or archive.

A record names the checksum of every file beside it as the run wrote it. A copy keeps the record as it is;
`excerpt.json` beside it says which of those files were left out, and of a shortened one the checksum of what was kept.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rftlab.errors import RftlabError
from rftlab.files import checksums, names

NAME = "excerpt.json"


@dataclass(frozen=True)
class Excerpt:
    """What a copied cell lacks of what its record names.

    Attributes:
        left_out: names of files that were not copied.
        shortened: name -> `written`, the checksum in the record (None in one without checksums), and `kept`, that of
            what was copied.
    """

    left_out: Sequence[str] = ()
    shortened: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> "Excerpt":
        """The excerpt in a cell's folder; an empty one where all is as the run left it.

        Raises:
            RftlabError: it cannot be read, or was changed after it was written.
        """
        try:
            body = json.loads((folder / NAME).read_text(encoding="utf-8"))
            if body.pop("digest", None) != checksums.digest(body):
                raise ValueError("its digest does not match")
            found = cls(tuple(body["left_out"]), dict(body["shortened"]))
            if strange := [name for name in (*found.left_out, *found.shortened) if not names.is_file_name(name)]:
                raise ValueError(f"it names {str(strange[0])[:80]!a}, which is no file of a cell")
            return found
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RftlabError(f"its {NAME} cannot be read, or was changed after it was written ({error})") from None

    def text(self) -> str:
        """The content of `excerpt.json`."""
        body = {"left_out": sorted(self.left_out), "shortened": dict(self.shortened)}
        return json.dumps({**body, "digest": checksums.digest(body)}, indent=1, sort_keys=True) + "\n"

    def expected(self, files: checksums.Checksums) -> checksums.Checksums:
        """The checksums of a record's files as they have to be here.

        Raises:
            RftlabError: it is the excerpt of another record.
        """
        for name, entry in self.shortened.items():
            if entry["written"] != files.get(name):
                raise RftlabError(f"its {NAME} is of another record: {name} was another file there")
        kept = {name: entry["kept"] for name, entry in self.shortened.items()}
        return {name: entry for name, entry in {**files, **kept}.items() if name not in self.left_out}


def expected(folder: Path, files: checksums.Checksums) -> checksums.Checksums:
    """The checksums of a record's files as they have to be in this folder.

    Raises:
        RftlabError: the excerpt beside it cannot be read, or is of another record.
    """
    return Excerpt.of(folder).expected(files)
