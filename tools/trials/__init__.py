"""Tries the models of a stack that is up, as a client does, and keeps what was found."""
