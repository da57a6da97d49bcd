"""Platform `aws`: an EKS cluster of its own, with its network and its front door."""
