"""Starts a job of a stack that is up, now instead of at its hour, and hands back the record that it leaves."""
