"""The one progress bar of all that takes long."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from foodvision.system.processes import is_first


def progress(items: Iterable[Any] | None, name: str, unit: str = "photo", **options: Any) -> tqdm:
    """Return a bar over items, or one to `update` by hand; of several processes, one shows it.

    It shows in a terminal, and in a notebook, which is none.

    options: what tqdm takes. (The plain tqdm: tqdm.auto's starts every loader twice, its workers
    and seeds with it.)
    """
    hidden = True if not is_first() else False if "ipykernel" in sys.modules else None
    return tqdm(items, name, unit=unit, **{"disable": hidden, "leave": False, **options})
