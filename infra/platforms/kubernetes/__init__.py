"""Platform `kubernetes`: a cluster that exists, whoever made it."""
