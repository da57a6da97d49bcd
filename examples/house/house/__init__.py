"""What one company adds to slipway: its own build of an engine, and what it puts in every namespace."""
