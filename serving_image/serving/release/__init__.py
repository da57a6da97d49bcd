"""Judges a release: reads what every gateway counted of both versions, and gives the new one more, or nothing."""
