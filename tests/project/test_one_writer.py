"""Files are made in one place: a module that makes one by itself has to be named here, with the reason."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2] / "scanner"
MAKES: Final = re.compile(
    r"""O_CREAT|O_TRUNC|\.write_text\(|\.write_bytes\(|NamedTemporaryFile|mkstemp|mkdtemp|\.mkdir\(|makedirs|\.touch\(
    |\.rename\(|os\.replace\(|\bopen\([^)\n]*["'](?:[wax][b+]*|rb?\+b?)["']""",
    re.VERBOSE,
)
BY_ITSELF: Final = {
    "files/whole.py": "it is the place",
    "files/folders.py": "it is the place",
    "delivery/local/descriptor.py": "an output that grows",
    "sweeps/checkpoint.py": "flags for scanner.files.whole",
    "delivery/spool/segments.py": "flags for scanner.files.whole",
    "delivery/spool/index.py": "flags for scanner.files.whole",
    "delivery/relay/dead_letters.py": "flags for scanner.files.whole",
    "files/output.py": "what waits for standard output, in a private temporary file",
    "remediation/plans/writing.py": "in a private folder of scanner.files.folders",
    "remediation/ansible/playbook.py": "in a private folder of scanner.files.folders",
    "remediation/sendmail/review.py": "in a private folder of scanner.files.folders",
    "identify/__main__.py": "compiles the rules, for who changes them",
}


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_makes_files_in_its_own_way(path: Path) -> None:
    code = path.read_text("utf-8")
    assert not MAKES.search(code) or str(path.relative_to(ROOT)) in BY_ITSELF


def test_the_list_names_nobody_in_vain() -> None:
    for name in BY_ITSELF:
        assert MAKES.search((ROOT / name).read_text("utf-8")), name


@pytest.mark.parametrize(
    "code",
    ['path.open("w")', 'open(path, "ab")', "path.write_bytes(b)", "os.open(p, os.O_CREAT)", "path.mkdir()",
     "part.rename(path)", 'path.open("r+b")'],
)  # fmt: skip
def test_what_makes_a_file_is_recognised(code: str) -> None:
    assert MAKES.search(code)
