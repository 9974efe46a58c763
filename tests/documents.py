"""The pages of the documentation, and the blocks of code in them."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
GENERATED = {"_build", "gallery", "generated"}
"""Folders of `docs/` that Sphinx writes."""

VARIABLES = r"""^([A-Z_]+=("(\\.|[^"\\])*"|'[^']*'|\S*)(\s+|$))+"""
"""Assignments before a command."""


def pages():
    """Return the Markdown pages by name, README.md first."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    names = (path.relative_to(ROOT) for path in found)
    return {name.as_posix(): ROOT / name for name in names if not GENERATED & set(name.parts)}


def blocks(page, language):
    """Return the code blocks of a page in a language."""
    text = pages()[page].read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def shell_commands(page):
    """Return the commands of a page's shell blocks, one a line, without comments, variables and `&`."""
    text = "\n".join(blocks(page, "bash")).replace("\\\n", " ")
    parts = [part.strip() for line in text.splitlines() for part in re.split(r"\s+#\s", line)[0].split("&&")]
    commands = (re.sub(VARIABLES, "", part).removesuffix("&").strip() for part in parts)
    return [command for command in commands if command]
