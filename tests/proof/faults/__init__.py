"""Faults: whatever breaks, a grid ends with the very records of an undisturbed run, and nothing else is left."""

import importlib.util

from tests.proof.faults import cells, damage, disk, hurt, kills, pages, studies, together
from tests.proof.proof import Proof


def _no_ray() -> str | None:
    return None if importlib.util.find_spec("ray") else "Ray is not installed"


FAULTS = [
    Proof(
        "faults.kill_driver",
        "A driver killed at any moment leaves no process, file or lock, and the next run ends as one left in peace",
        {"short": 1, "hour": 10, "full": 36},
        kills.drivers,
    ),
    Proof(
        "faults.kill_kernel",
        "A killed kernel fails its own cell, which says so, and is run again",
        {"short": 1, "hour": 6, "full": 18},
        kills.kernels,
    ),
    Proof(
        "faults.kill_warm_parent",
        "Without the process that warm kernels are forked from their cells fail, and the run goes on",
        {"hour": 4, "full": 12},
        kills.warm_parents,
    ),
    Proof(
        "faults.kill_stages",
        "Killed in the tuning stage, in trainings with checkpoints or between looks, a study ends as one left in peace",
        {"hour": 3, "full": 22},
        studies.stages,
    ),
    Proof(
        "faults.kill_pages",
        "A report or an archive that is cut short is the old one, the new one or none, and is then made whole",
        {"hour": 4, "full": 12},
        pages.cut_short,
    ),
    Proof(
        "faults.signals",
        "SIGINT, SIGTERM and SIGHUP, once or twice, end a run with their exit code and leave nothing behind",
        {"hour": 6, "full": 24},
        kills.signals,
    ),
    Proof(
        "faults.cells",
        "A cell out of memory, hanging, crashing, flooding or leaving things behind harms no other, and is run again",
        {"hour": 17, "full": 34},
        cells.wrong_cells,
    ),
    Proof(
        "faults.diverging",
        "A training whose numbers are no longer finite fails its own cell, with the rate named",
        {"hour": 2, "full": 2},
        studies.diverging,
    ),
    Proof(
        "faults.full_disk",
        "A disk that is full after so many bytes costs cells, never a record, and with room the run goes on",
        {"hour": 5, "full": 40},
        disk.full_disks,
        disk.no_mounts,
    ),
    Proof(
        "faults.full_disk_pages",
        "A disk that is full while a report or an archive is written is told in a sentence, and the old one stays",
        {"hour": 4, "full": 16},
        disk.full_pages,
        disk.no_mounts,
    ),
    Proof(
        "faults.full_disk_study",
        "So it is in a study that tunes, keeps policies and writes checkpoints",
        {"hour": 1, "full": 12},
        disk.full_studies,
        disk.no_mounts,
    ),
    Proof(
        "faults.read_only",
        "A folder that cannot be written is said to be in a sentence, and what is in it stays",
        {"hour": 2, "full": 6},
        disk.read_only,
        disk.no_mounts,
    ),
    Proof(
        "faults.damaged_run",
        "A run goes on over a damaged file: what it held is set aside and named, its cell is run again",
        {"hour": 10, "full": 35},
        damage.run_again,
    ),
    Proof(
        "faults.damaged_read",
        "What reads a study says a damaged file in a sentence, or does without, and changes nothing",
        {"hour": 20, "full": 42},
        damage.read,
    ),
    Proof(
        "faults.damaged_study",
        "A study goes on over damaged lists, shared answers, policies and checkpoints, and ends as one left in peace",
        {"hour": 2, "full": 49},
        hurt.studies,
    ),
    Proof(
        "faults.two_runs",
        "Of two runs in one folder one is refused; two in two folders do not sweep each other's files",
        {"hour": 2, "full": 8},
        together.two_runs,
    ),
    Proof(
        "faults.clock",
        "A clock that jumps, in the driver or in kernels, changes no record",
        {"hour": 3, "full": 6},
        together.clocks,
    ),
    Proof(
        "faults.moved",
        "A results folder that is moved, after a kill or while it is worked in, is gone on with where it is",
        {"hour": 2, "full": 8},
        together.moved,
    ),
    Proof(
        "faults.ray_node",
        "A node of a Ray cluster that dies costs no cell and no record",
        {"full": 1},
        studies.ray_nodes,
        _no_ray,
    ),
]
