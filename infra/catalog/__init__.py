"""What exists: GPUs, instance types with prices, and models, as typed frozen rows, each with its source and date."""
