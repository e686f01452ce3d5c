"""The steps of a dub: thin functions between the graph and the engines, media and timing."""
