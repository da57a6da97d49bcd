"""Where a request goes: replicas, their health, balancing, retries, routes, fallbacks, shadow, discovery."""
