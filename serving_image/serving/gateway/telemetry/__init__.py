"""What operators see: metrics with the field's names and bounded labels, and sampled traces."""
