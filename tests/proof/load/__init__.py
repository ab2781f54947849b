"""Load: the last of many cells, records, rows and actions costs what the first did."""

from tests.proof.load import cells, pages, records
from tests.proof.proof import Proof

LOAD = [
    Proof(
        "load.cells",
        "In one run of many cells the last takes what the first did, and the driver holds and leaves nothing of them",
        {"hour": 500, "full": 2000},
        cells.cold,
    ),
    Proof(
        "load.warm_workers",
        "Kernels forked from one process do not grow from cell to cell, nor does that process, nor the driver",
        {"hour": 500, "full": 500},
        cells.warm,
    ),
    Proof(
        "load.records",
        "10 000 records are loaded, decided and reported within a minute, in 2 GB of memory",
        {"hour": 10_000, "full": 10_000},
        records.whole,
    ),
    Proof(
        "load.items",
        "Of what was answered to single items 100 000 rows are read a second",
        {"short": 8, "hour": 450, "full": 450},
        records.rows,
    ),
    Proof(
        "load.pages",
        "On 450 cells no click on the studio or on compare takes a second",
        {"hour": 60, "full": 300},
        pages.pages,
    ),
]
