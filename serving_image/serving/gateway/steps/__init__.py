"""The steps a request passes, one file each; `pipeline` holds their order."""
