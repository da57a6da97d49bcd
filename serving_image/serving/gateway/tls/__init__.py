"""TLS at the public listener: certificates from files or self-signed, taken over when the files change."""
