"""Pages are completed as the site is built: the help of commands, the settings of a training."""

import inspect
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from foodvision.cli.main import app
from foodvision.training.config import TrainConfig


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Return a page's Markdown; links to files of the repository become their names."""
    if page.file.src_uri == "reference/cli.md":
        markdown += "".join(
            f"\n## {name}\n\n```\n{help_of(name)}\n```\n" for name in app if name[0] != "-"
        )
    if page.file.src_uri == "reference/settings.md":
        markdown += settings_table()
    docs = Path(config["docs_dir"]).resolve()
    folder = (docs / page.file.src_uri).parent

    def without_link(match: re.Match[str]) -> str:
        target = (folder / match[2]).resolve()
        is_outside = target.exists() and not target.is_relative_to(docs)
        return match[1] if is_outside else match[0]

    return re.sub(r"\[([^\]]+)\]\((?!http|#)([^)#]+)\)", without_link, markdown)


def help_of(command: str) -> str:
    """Return the help of a command, without the frames of a terminal."""
    call = [sys.executable, "-m", "foodvision", command, "--help"]
    done = subprocess.run(call, capture_output=True, text=True, check=True)  # noqa: S603
    lines = (re.sub(r"^[╭│╰][─ ]?|[─ ]*[╮│╯]$", "", line) for line in done.stdout.splitlines())
    return "\n".join(re.sub(r"─+", "", line).rstrip() for line in lines).strip()


def settings_table() -> str:
    """Return a table of the settings of a training, with their defaults."""
    source = inspect.getsource(TrainConfig)
    rows = []
    for field in fields(TrainConfig):
        said = re.search(rf'^    {field.name}: .*\n    """([^"]+)"""', source, re.MULTILINE)
        text = " ".join(said[1].split()).replace("|", "\\|") if said else ""
        rows.append(f"| `{field.name}` | `{field.default}` | {text} |")
    return "\n| setting | default | |\n|---|---|---|\n" + "\n".join(rows) + "\n"
