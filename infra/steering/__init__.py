"""`python -m infra release`: what a person sees of releases that run, and does to them."""
