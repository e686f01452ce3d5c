"""Against a real OpenStack on this machine: `make test-cloud` sets it up and runs these."""
