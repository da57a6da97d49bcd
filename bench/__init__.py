"""Benchmarks that anybody can run again."""
