"""Whole plans as they were agreed: a diff here is a change of what is deployed."""
