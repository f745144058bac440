"""What training leaves behind: the files of a run, comparisons, dashboards.

What draws it is `foodvision.reports`, which needs matplotlib.
"""
