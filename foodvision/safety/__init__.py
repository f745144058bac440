"""What comes from outside: bounded and checked before use, escaped where it is shown."""
