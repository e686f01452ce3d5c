"""A graph that cannot work is refused when it is built, and a piece of work has one name."""
