"""Trials of a model that serves: whether its answers are right, and whether it holds what it promises under load."""
