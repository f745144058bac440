"""From a folder of photos to a checkpoint."""
