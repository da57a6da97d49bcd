"""The checkout's virtual environment and the locks it is installed from."""
