"""Judges the releases of a stack of this machine, with the keys that its evaluations ask with."""
