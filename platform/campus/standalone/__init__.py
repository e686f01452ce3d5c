"""The whole system on one machine: what runs, and what keeps it running."""
