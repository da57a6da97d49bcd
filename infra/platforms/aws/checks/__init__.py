"""What an account is asked, subject by subject. Each module asks, and judges what it is told in pure functions."""
