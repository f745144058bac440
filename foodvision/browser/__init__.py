"""The page that answers in the visitor's browser: a folder for any static host, and what is in it.

Nothing here needs torch or Node. How it works: docs/browser.md.
"""

from foodvision.browser.readme import site_front_matter
from foodvision.browser.runtime import fetch_runtime
from foodvision.browser.site import write_site

__all__ = ["fetch_runtime", "site_front_matter", "write_site"]
