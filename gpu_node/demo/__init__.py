"""The sample lesson that `make demo` dubs, made on the spot from packaged recordings."""
