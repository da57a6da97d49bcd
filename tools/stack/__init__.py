"""`make up`, `make down` and `make clean`: one stack, brought up and down by the real Pulumi CLI."""
