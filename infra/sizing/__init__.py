"""Whether a model fits a GPU, how fast it is there and what that costs: pure arithmetic on `infra/catalog`.

No network, no clock, no Pulumi, no numpy: same input, same bytes out.
"""
