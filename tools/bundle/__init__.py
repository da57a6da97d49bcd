"""`make bundle`: one signed archive with all that a site needs where there is no internet, and what installs it."""
