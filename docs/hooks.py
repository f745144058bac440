"""What the site's builder does to a page: help is pasted, links to files of the repository become names."""

import re
import subprocess
import sys
from pathlib import Path

COMMANDS = (
    *("predict", "demo", "data", "train", "find-lr", "evaluate", "runs", "compare"),
    *("push", "verify", "deploy", "export"),
)


def on_page_markdown(markdown, page, config, files):
    """Return the page's Markdown as it is built."""
    if page.file.src_uri == "reference/cli.md":
        markdown += "".join(f"\n## {name}\n\n```\n{help_of(name)}\n```\n" for name in COMMANDS)
    if page.file.src_uri == "reference/settings.md":
        markdown += settings()
    folder = Path(config["docs_dir"], page.file.src_uri).parent

    def name_of(link):
        target = (folder / link[2]).resolve()
        is_outside = not target.is_relative_to(Path(config["docs_dir"]).resolve())
        return link[1] if is_outside and target.exists() else link[0]

    return re.sub(r"\[([^\]]+)\]\((?!http|#)([^)#]+)\)", name_of, markdown)


def help_of(command):
    """Return the help of a command, without the frames of a terminal."""
    call = [sys.executable, "-m", "foodvision", command, "--help"]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    lines = (re.sub(r"^[╭│╰][─ ]?|[─ ]*[╮│╯]$", "", line) for line in done.stdout.splitlines())
    return "\n".join(re.sub(r"─+", "", line).rstrip() for line in lines).strip()


def settings():
    """Return a table of the settings of a training, with their defaults."""
    import inspect
    from dataclasses import fields

    from foodvision.training.config import TrainConfig

    source = inspect.getsource(TrainConfig)
    rows = []
    for field in fields(TrainConfig):
        said = re.search(rf'^    {field.name}: .*\n    """([^"]+)"""', source, re.MULTILINE)
        text = " ".join(said[1].split()).replace("|", "\\|")
        rows.append(f"| `{field.name}` | `{field.default}` | {text} |")
    return "\n| setting | default | |\n|---|---|---|\n" + "\n".join(rows) + "\n"
