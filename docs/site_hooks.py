"""Replace links to files that are not part of the site with links to the repository.

On GitHub, and in an unpacked source, `../SECURITY.md` is a file; on the site it does not exist.
"""

import re
from typing import Any, Final

#: Address of the files. Publishing needs the real one here, as in pyproject.toml.
_SOURCE: Final = "https://smtpsweep.example/source"
#: A link out of docs/, and links within it to what is not a page: folders and programs.
_OUTSIDE = re.compile(r"\]\(\.\./((?!\.\.)[^)\s]+)\)")
_NOT_PAGES = re.compile(r"\]\((man|[\w.-]+\.py|performance\.json)\)")


def on_page_markdown(markdown: str, page: Any, **_given: Any) -> str:
    """Return a page with its links out of docs/ replaced (called by mkdocs)."""
    if "/" in page.file.src_uri:  # from docs/decisions, `..` is docs/
        return markdown
    markdown = _OUTSIDE.sub(rf"]({_SOURCE}/\1)", markdown)
    return _NOT_PAGES.sub(rf"]({_SOURCE}/docs/\1)", markdown)
