"""From what is written to what is said, and back: pure."""
