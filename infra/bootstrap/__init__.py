"""Day one on AWS: what has to be there before the first stack is deployed, as a stack of its own."""
