"""Security: hostile texts are texts, paths stay inside, a stranger's results are data, and records tell no secrets."""

from tests.proof import security_pages as pages
from tests.proof import security_paths as paths
from tests.proof import security_records as records
from tests.proof import security_strangers as strangers
from tests.proof import security_terminal as terminal
from tests.proof.proof import Proof
from tests.proof.security_texts import TEXTS

SECURITY = [
    Proof(
        "security.page",
        "no text of a model, a file or a stranger runs in the report's page, asks for anything or changes it",
        {"hour": 4, "full": len(TEXTS) + 1},
        pages.pages,
        pages.no_browser,
    ),
    Proof(
        "security.notebook",
        "nor in what notebooks show and in their widgets",
        {"hour": 8, "full": len(TEXTS)},
        pages.notebooks,
        pages.no_browser,
    ),
    Proof(
        "security.studio",
        "nor in the studio's grid of cells",
        {"hour": 20, "full": len(TEXTS)},
        pages.studio,
        pages.no_browser,
    ),
    Proof(
        "security.spreadsheet",
        "no field of the table of cells begins as a formula",
        {"hour": 4, "full": len(TEXTS)},
        pages.spreadsheets,
    ),
    Proof(
        "security.terminal",
        "no verb prints a character that a terminal acts on, wherever a text stands",
        {"hour": 2, "full": len(TEXTS)},
        terminal.printed,
    ),
    Proof(
        "security.parameters",
        "a text as a notebook's parameter stays that text: a literal that runs nothing",
        {"short": 5, "hour": len(TEXTS), "full": len(TEXTS)},
        terminal.parameters,
    ),
    Proof(
        "security.paths",
        "no name or link in an archive or results folder leads elsewhere: nothing is written, packed or printed there",
        {"hour": 16, "full": 200},
        paths.inside,
    ),
    Proof(
        "security.grid_names",
        "no grid's name leads its results elsewhere",
        {"hour": 16, "full": 16},
        paths.names_of_grids,
    ),
    Proof(
        "security.strangers",
        "opening, loading, reporting and importing a stranger's results runs nothing of theirs",
        {"hour": 13, "full": 137},
        strangers.opened,
    ),
    Proof(
        "security.secrets",
        "no secret, host name, user name or folder of the machine is in what a run leaves, notebooks and archives too, "
        "and paths below the grid are relative",
        {"hour": len(records._SECRETS) + 4, "full": len(records._SECRETS) + 4},
        records.secrets,
    ),
    Proof(
        "security.listening",
        "nothing listens but on loopback while a grid runs, cold or warm",
        {"hour": 3, "full": 3},
        records.on_this_machine,
        records.no_linux,
    ),
    Proof("security.listening_ray", "nor with Ray", {"full": 1}, records.with_ray, records.no_ray),
    Proof(
        "security.no_network",
        "a small grid runs, and reports, in a namespace without any network",
        {"hour": 3, "full": 3},
        records.alone,
        records.no_namespace,
    ),
    Proof(
        "security.sandbox",
        "no canary breaks out of a level of the sandbox, and the honest one is answered",
        {"hour": 55, "full": 55},
        records.sandbox,
    ),
    Proof(
        "security.audit",
        "no pinned package has a known vulnerability that is not explained",
        {"hour": 999, "full": 999},
        records.audit,
        records.no_database,
    ),
]
