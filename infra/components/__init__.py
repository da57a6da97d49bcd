"""Components that belong to no platform."""
