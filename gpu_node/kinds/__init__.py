"""Job kinds: each is a payload, the blobs it takes, and a graph."""
