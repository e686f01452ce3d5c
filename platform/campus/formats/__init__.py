"""How dates are written where nothing else says so."""
