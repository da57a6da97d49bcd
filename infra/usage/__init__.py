"""What was used: read from the audit, priced, compared with budgets, and what the plan would do at that load."""
