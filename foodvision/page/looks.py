"""The looks that both pages share."""

from pathlib import Path

LOOKS = Path(__file__).parent / "looks.css"
