"""Files over signed URLs: fetched in as many pieces as the network makes of it, sent until kept."""
