"""Answers that are given again: exact ones only, for clients that opted in, never across what separates requests."""
