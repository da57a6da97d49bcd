"""The plan: everything that will exist, decided without a cloud, a network or a credential."""
