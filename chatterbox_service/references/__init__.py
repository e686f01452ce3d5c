"""Other people's recordings: fetched, checked, kept as long as they are needed."""
