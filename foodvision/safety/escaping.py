"""Text that a stranger wrote, made harmless for the place where it is shown.

HTML is made by `markupsafe.Markup(template).format(...)` alone, which escapes what is filled in.
"""

import re

# What a spreadsheet takes for a formula, or skips before one; and cells that are marked already.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")

# Signs that begin markup, a link, a table's cell or a formula. An underscore inside of a word is
# only itself.
_MARKDOWN = re.compile(r"[\\`*\[\]<>&|~$:@#]|_(?!\w)|(?<!\w)_|(?<=www)\.", re.IGNORECASE)

# What makes a picture of a link.
_PICTURE = re.compile(r"!+(?=\[)")

# HTML, but for the two tags that the cards of this package have.
_TAG = re.compile(r"<(?=[A-Za-z/!?])(?!/?(?:details|summary)>)")


def markdown(text: str) -> str:
    """Return a text as Markdown that shows it as it is, in one line."""
    return _MARKDOWN.sub(r"\\\g<0>", " ".join(text.split()))


def without_html(card: str) -> str:
    """Return Markdown without HTML and pictures: a page asks no other host for anything.

    A word joiner, which nobody sees, ends what would be a tag, in code too.
    """
    return _TAG.sub("<\u2060", _PICTURE.sub("", card))


def to_cell(text: str) -> str:
    """Return a text as a cell of a CSV file that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def from_cell(cell: str) -> str:
    """Return the text that `to_cell` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
