"""What runs beside the engine: the launcher and the policy gateway."""
