"""Numbers in words, by language: tables of their words, and one way to read them."""
