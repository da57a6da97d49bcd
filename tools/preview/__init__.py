"""What the workflow `preview` does for a pull request: plan, preview, and one comment that is edited."""
