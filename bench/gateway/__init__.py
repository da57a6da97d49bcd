"""How fast the gateway is, measured beside no proxy at all and beside nginx, in the same minutes on the same cores."""
