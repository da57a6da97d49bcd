"""Stack files that must load and plan, and stack files that must be refused with exactly the message they state."""
