"""The store believes nothing it has not checked, and belongs to one process at a time."""
