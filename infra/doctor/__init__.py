"""Doctor: what a plan cannot know, asked of the places where it would be deployed. Nothing is changed there."""
