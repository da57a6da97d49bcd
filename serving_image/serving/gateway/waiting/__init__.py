"""Waiting instead of failing: the queue of each model, requests held until a replica is ready, and scaling signals."""
