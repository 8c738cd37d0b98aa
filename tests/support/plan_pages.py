"""Folders of plans, written and read back."""

from pathlib import Path

from markdown_it import MarkdownIt

from scanner.model import Record
from scanner.remediation.plans.writing import write_plans


def pages(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def shell_blocks(text: str) -> list[str]:
    """Return what stands in the blocks of commands, as an independent parser sees it."""
    tokens = MarkdownIt().parse(text)
    return [
        token.content for token in tokens if token.type == "fence" and token.info.split()[0] in {"sh", "powershell"}
    ]


def written(tmp_path: Path, *records: Record) -> dict[str, str]:
    write_plans(records, tmp_path / "plan", overwrite=False)
    return pages(tmp_path / "plan")
