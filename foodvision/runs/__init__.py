"""What a run leaves behind, and how runs compare."""
