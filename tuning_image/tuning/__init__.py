"""Teaches a model what a data set says, by low-rank adapters on a frozen base (LoRA) that become part of its weights.

The result serves as the base did. One that is killed goes on where it was.
"""
