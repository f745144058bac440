"""Ray: predictions over many machines, of photos in batches and over HTTP.

Ray shares out the work, restarts what dies and reads and writes the files. What stands here tells
it how a photo is read and predicted (docs/guides/cluster.md).
"""

from foodvision.cluster.connection import LOCAL, connected
from foodvision.cluster.predicting import ClusterRun, Outcome, predict_on_cluster
from foodvision.cluster.remote import is_remote, remote_files
from foodvision.cluster.sources import Found

__all__ = [
    "LOCAL",
    "ClusterRun",
    "Found",
    "Outcome",
    "connected",
    "is_remote",
    "predict_on_cluster",
    "remote_files",
]
