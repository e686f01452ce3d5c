"""From a request to its sound: pieces, candidates, and the one thread that speaks."""
