"""What is in a folder of photos and what is wrong with it; files are read, never changed.

What looks at photos is in `foodvision.inspection.inspect`, what writes files in
`foodvision.reports.inspection`: they need more packages than a table of findings does.
"""

from foodvision.inspection.findings import KINDS, Finding, Inspection, Kind, Suspicion

__all__ = ["KINDS", "Finding", "Inspection", "Kind", "Suspicion"]
