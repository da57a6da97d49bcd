"""`make fleet`: the sites of one document, a stack each, changed ring by ring."""
