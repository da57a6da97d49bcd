"""Who is asking: API keys with an expiry, tokens of OpenID Connect issuers, client certificates."""
