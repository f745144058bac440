"""The commands, one short function each; `foodvision.cli` puts them together.

Each imports what it needs when it is chosen.
"""
