"""How good the sizing is: measured points, the fit of the roofline's constants, and the scores."""
