"""What a user says about the policy gateway: who may spend how much, what is private, what is kept."""
