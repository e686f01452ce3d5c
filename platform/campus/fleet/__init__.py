"""The fleet for operators: its page, and its tables in the admin."""
