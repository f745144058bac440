"""A model made into something that runs elsewhere."""

from pathlib import Path

from foodvision.cli.options import Switch
from foodvision.system.terminal import say


def export(
    checkpoint: str,
    folder: Path,
    /,
    *,
    cdn: Switch = False,
) -> None:
    """Write a page that runs the model in the visitor's browser.

    Any static host can serve the folder.

    Parameters
    ----------
    checkpoint:
        A checkpoint or run folder, user/name on the Hub, or foodvision_101.
    folder:
        Folder to write. A page exported there before is replaced.
    cdn:
        Load onnxruntime-web from a CDN instead of copying it into the folder.
    """
    from foodvision.browser import write_site
    from foodvision.checkpoint import read_checkpoint
    from foodvision.classifier import find_checkpoint

    write_site(read_checkpoint(find_checkpoint(checkpoint)), folder, cdn=cdn)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    say(
        f"Wrote {folder} ({size / 1e6:.1f} MB). "
        f"Preview it: python -m http.server --directory {folder}"
    )
