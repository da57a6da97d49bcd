"""The admin listener: for the operator on the same machine."""
