"""What the workflows `deploy` and `drift` do, as commands that a person can run too."""
