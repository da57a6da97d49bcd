"""Records of trials and of versions that were made, as one page: what was right, what it cost, what was measured."""
