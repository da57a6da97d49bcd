"""Quotas: requests, tokens, concurrency and dollars, per client and per client and model, in one process or shared."""
