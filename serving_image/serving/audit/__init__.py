"""What reads audit files: verifies, shows, exports, and erases. It never talks to a gateway."""
