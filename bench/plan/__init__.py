"""Measures how long a plan takes, and whether that grows with the number of sites or faster."""
