"""Render: what a stack would register, as files for scanners, reviewers and GitOps. No cloud, no CLI, no secret."""
