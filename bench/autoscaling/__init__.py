"""Simulates days of requests on replicas that we scale, and that others scale: GPU-hours, and what was in time."""
