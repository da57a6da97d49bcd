"""Each part of the pure half by itself, and properties that hold for any input."""
