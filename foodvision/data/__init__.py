"""Photos for training and evaluation: where they come from, splits, what is left out.

What needs torch is in `foodvision.data.loaders`.
"""

from foodvision.data.archives import open_source
from foodvision.data.depth import find_white
from foodvision.data.exclusion import exclude
from foodvision.data.photos import (
    LabelledPhoto,
    Photos,
    carve,
    digests,
    drop_unreadable,
    find_photos,
    split_photos,
)
from foodvision.data.sharding import write_shards
from foodvision.data.sources import check_source, open_photos, open_unlabelled

__all__ = [
    "LabelledPhoto",
    "Photos",
    "carve",
    "check_source",
    "digests",
    "drop_unreadable",
    "exclude",
    "find_photos",
    "find_white",
    "open_unlabelled",
    "open_photos",
    "open_source",
    "split_photos",
    "write_shards",
]
