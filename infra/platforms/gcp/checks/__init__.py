"""What a project is asked, subject by subject, for a cluster and for Cloud Run. Each module asks, and judges what it is
told in pure functions."""
