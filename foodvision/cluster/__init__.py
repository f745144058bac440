"""Ray: predictions over many machines, of photos in batches and over HTTP.

Ray shares out the work, restarts what dies and reads and writes the files. What stands here tells
it how a photo is read and predicted (docs/guides/cluster.md).
"""
