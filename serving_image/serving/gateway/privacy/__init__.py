"""Personal data and secrets in requests and answers: found, then refused, masked or replaced by placeholders."""
