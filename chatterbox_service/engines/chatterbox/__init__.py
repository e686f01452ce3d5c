"""The real engine: Chatterbox, many lines at once. Importing this package needs no torch."""
