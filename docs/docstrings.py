"""Our docstrings as Markdown: `name: what it is` lines become a list, examples become code."""

import re
from typing import Any

import griffe

_NAME = re.compile(r"^([a-z_]+(?:, [a-z_]+)*): (.*)")


class AsMarkdown(griffe.Extension):
    """Rewrite every docstring before it is rendered."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Take an object whose docstring was read."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(docstring: str) -> str:
    """Return a docstring as Markdown."""
    lines, is_code = [], False
    for line in docstring.splitlines():
        if line.startswith(">>> ") and not is_code:
            lines += ["```python"]
            is_code = True
        if is_code and not line:
            lines += ["```"]
            is_code = False
        named = None if is_code else _NAME.match(line)
        if named and lines and lines[-1] and not lines[-1].startswith(("- ", "  ")):
            lines.append("")  # a list begins after an empty line
        if named:
            names = ", ".join(f"`{name}`" for name in named[1].split(", "))
            lines.append(f"- {names}: {named[2]}")
        else:
            lines.append(line)
    return "\n".join([*lines, "```"] if is_code else lines)
