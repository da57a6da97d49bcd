"""The audit of the gateway: one row per request in a hash chain that is signed, and no 2xx without a row."""
