"""What a contributor meets before any code works: the workflow, the forms, the hooks, the recipe of a release."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it comes with ansible-core; its stubs do not

import scanner

ROOT = Path(scanner.__file__).parent.parent
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def make_targets() -> set[str]:
    return set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))


def towncrier(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--version", "9.8.7", "--date", "2030-01-02", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_the_workflow_calls_make_and_only_targets_that_are_there() -> None:
    jobs = read(".github/workflows/ci.yml")["jobs"]
    runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]

    assert {run.split()[0] for run in runs} == {"make"}
    assert {target for run in runs for target in run.split()[1:]} <= make_targets()
    assert {"make lint", "make test", "make dist", "make site"} <= set(runs)


def test_the_workflow_tries_every_python_that_the_metadata_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))

    assert read(".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"] == named
    assert project["requires-python"] == f">={named[0]}"


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_asks_for_something_by_ids_of_its_own(form: Path) -> None:
    asked = yaml.safe_load(form.read_text())
    if form.stem == "config":
        assert asked == {"blank_issues_enabled": True}
        return
    fields = [part for part in asked["body"] if part["type"] != "markdown"]

    assert {"name", "description", "body"} <= set(asked)
    assert len({part["id"] for part in fields}) == len(fields) > 0
    assert all(part["attributes"]["label"] for part in fields)
    assert any(part.get("validations", {}).get("required") for part in fields)


def test_the_hooks_are_programs_of_the_virtual_environment_that_lint_runs_as_well() -> None:
    hooks = [hook for repo in read(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]

    assert {repo["repo"] for repo in read(".pre-commit-config.yaml")["repos"]} == {"local"}
    for hook in hooks:
        program, *arguments = hook["entry"].split()
        assert program.startswith(".venv/bin/")
        assert "/".join(["$(BIN)", program.rpartition("/")[2]]) in lint
        assert hook["language"] == "system"
        assert [each for each in arguments if not each.startswith("--")] in ([], ["format"], ["check"])


def test_updates_are_asked_for_every_kind_of_dependency() -> None:
    updates = read(".github/dependabot.yml")["updates"]
    assert [each["package-ecosystem"] for each in updates] == ["pip", "github-actions"]


def test_a_release_moves_every_fragment_into_the_changelog_under_its_kind(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    folder = tmp_path / "changelog.d"
    folder.mkdir()
    for name in ("README.md", "template.md.jinja"):
        shutil.copy(ROOT / "changelog.d" / name, folder / name)
    for kind in KINDS:
        (folder / f"some-name.{kind.lower()}.md").write_text(f"It is {kind} `a*b`.\n")
    (folder / "other-name.fixed.md").write_text("Another is fixed.\n")
    subprocess.run(["git", "init", "--quiet", "."], cwd=tmp_path, check=True)
    before = (tmp_path / "CHANGELOG.md").read_text()

    towncrier(tmp_path, "--yes")

    kinds = "\n".join(f"### {kind}\n\n- It is {kind} `a*b`.\n" for kind in KINDS)
    first = kinds.replace("- It is Fixed", "- Another is fixed.\n- It is Fixed")
    head, marker, rest = before.partition("<!-- towncrier release notes start -->\n")
    after = (tmp_path / "CHANGELOG.md").read_text()
    assert after.startswith(f"{head}{marker}\n## [9.8.7] - 2030-01-02\n\n{first}\n")
    assert after.endswith(rest.lstrip("\n"))
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "template.md.jinja"]


def test_every_fragment_of_today_is_in_the_draft() -> None:
    fragments = [path.read_text().strip() for path in (ROOT / "changelog.d").glob("*.*.md")]
    lines = towncrier(ROOT, "--draft").splitlines()
    assert sorted(line[2:] for line in lines if line.startswith("- ")) == sorted(set(fragments))


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    text = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert set(re.findall(r"- ([\w-]+\.md)", text)) == pages


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs/reference.md").read_text()
    named = set(re.findall(r"::: scanner\.(\w+)", text)) | set(re.findall(r"members: \[(\w+), (\w+)\]", text)[0])
    assert named - {"api"} == set(scanner.__all__) - {"VERSION"}


def test_the_container_runs_as_a_user_without_rights_and_gets_only_what_it_needs() -> None:
    lines = (ROOT / "Containerfile").read_text().splitlines()
    last = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]
    copied = {name for line in lines if re.match(r"COPY [^-]", line) for name in line.split()[1:-1]}
    let_through = {line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")}

    assert [line for line in last if line.startswith("USER ")] == ["USER 65532:65532"]
    assert 'ENTRYPOINT ["smtpsweep"]' in last
    assert copied == let_through
    assert {name for name in copied if not (ROOT / name).exists()} == set()
