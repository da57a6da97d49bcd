"""Images: built here without a registry, and their bases pinned."""
