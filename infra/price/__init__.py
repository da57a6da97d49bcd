"""Price: what a plan costs, with where each number comes from; what has no price is never 0."""
