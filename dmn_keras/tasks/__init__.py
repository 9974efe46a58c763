"""Tasks: raw examples in, answers out."""
