"""What was measured of a model, given back to the plan: settings, and how a load test's record becomes them."""
