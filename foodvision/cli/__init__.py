"""The command line, `foodvision ...`: a module for commands that belong together."""
