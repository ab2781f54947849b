"""What counts as part of a user's file: an edit of anything it reads makes another set of contents."""

import pytest

from rftlab.user_code import digest, sources_of

HERE = "from pathlib import Path\nHERE = Path(__file__).parent\n"
DATA = [
    ("checks.py", "(HERE / 'r.yaml').read_text()", "r.yaml"),
    ("checks.py", "(HERE / 'R.TXT').read_text()", "R.TXT"),
    ("checks.py", "(HERE / 'words').read_text()", "words"),
    ("checks.py", "(HERE / 'data' / 'en' / 'r.txt').read_text()", "data/en/r.txt"),
    ("checks.py", "open(os.path.join(HERE, 'data', 'en/r.txt'))", "data/en/r.txt"),
    ("checks.py", "open(os.path.join(os.fsencode(HERE), b'r.txt'))", "r.txt"),
    ("checks.py", "open(f'{HERE}/data/r.txt')", "data/r.txt"),
    ("checks.py", "Path(__file__).with_suffix('.yaml').read_text()", "checks.yaml"),
    ("checks.py", "np.save(HERE / 'own.npy', load(HERE / 'r.txt'))", "r.txt"),
    ("v/checks.py", "(HERE.parent / 'r.txt').read_text()", "r.txt"),
    ("v/checks.py", "(HERE / '../data/r.txt').read_text()", "data/r.txt"),
    ("v/checks.py", "open('data/r.txt')", "data/r.txt"),
    ("checks.py", "files(pkg).joinpath('r.txt').read_text()\nimport pkg", "pkg/r.txt"),
    ("checks.py", "pkgutil.get_data('pkg', 'r.txt')", "pkg/r.txt"),
    ("checks.py", "import pkg", "pkg/r.txt"),
    ("checks.py", "Example(verifier='other.py:score')", "other.py"),
]
CODE = [
    ("checks.py", "importlib.import_module('helper')", "helper.py"),
    ("checks.py", "exec((HERE / 'rules.py').read_text())", "rules.py"),
    ("checks.py", "runpy.run_path('sub/rules.py')", "sub/rules.py"),
    ("v/checks.py", "sys.path.insert(0, str(HERE.parent / 'lib'))\nimport common", "lib/common.py"),
    ("v/checks.py", "sys.path.append('..')\nimport common", "common.py"),
    ("v/checks.py", "import common", "common.py"),
    ("checks.py", "import calendar", "calendar.py"),
    ("checks.py", "import plain.part", "plain/part.py"),
]


def contents(main) -> str:
    return digest(sources_of(main).files, main.parent)


@pytest.mark.parametrize(("main", "code", "file"), DATA + CODE)
def test_an_edit_of_a_file_that_the_code_names_or_imports_is_seen(tmp_path, monkeypatch, main, code, file):
    monkeypatch.chdir(tmp_path)
    for name, text in {
        main: HERE + code,
        "pkg/__init__.py": "import pathlib\nTEXT = pathlib.Path(__file__).with_name('r.txt').read_text()\n",
        file: "R = 1\n",
        "unrelated.txt": "x",
        "data/other.txt": "x",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    before = contents(tmp_path / main)
    (tmp_path / "unrelated.txt").write_text("y")
    (tmp_path / "data/other.txt").write_text("y")
    assert contents(tmp_path / main) == before
    (tmp_path / file).write_text("R = 2\n")
    assert contents(tmp_path / main) != before


def test_a_module_comes_before_a_folder_of_its_name_and_a_package_before_both(tmp_path):
    (tmp_path / "checks.py").write_text("import utils\n")
    (tmp_path / "utils").mkdir()
    for name in ("utils/notes.py", "utils.py"):
        (tmp_path / name).write_text("")
    assert list(sources_of(tmp_path / "checks.py").modules) == ["utils.py"]
    (tmp_path / "utils/__init__.py").write_text("")
    assert list(sources_of(tmp_path / "checks.py").modules) == ["utils/"]


def test_links_are_followed_also_those_that_lead_back(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/part.py").write_text("R = 1\n")
    (tmp_path / "project/pkg").mkdir(parents=True)
    (tmp_path / "project/pkg/__init__.py").write_text("")
    (tmp_path / "project/pkg/sub").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "project/pkg/back").symlink_to(tmp_path / "project")
    main = tmp_path / "project/checks.py"
    main.write_text("from pkg.sub.part import R\nPLACES = 'pkg', 'back'\n")
    before = contents(main)
    (tmp_path / "elsewhere/part.py").write_text("R = 2\n")
    assert contents(main) != before


def test_files_of_the_system_are_no_data(tmp_path):
    (tmp_path / "checks.py").write_text("A = '/proc/cpuinfo'\nB = '/bin/sh'\nC = '/usr/bin/env'\n")
    assert sources_of(tmp_path / "checks.py").data == {}
