"""What law asks of a deployment: profiles of controls, what contradicts one, and evidence."""
