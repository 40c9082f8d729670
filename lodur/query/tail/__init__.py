"""Live tails: rows go to whoever follows a query as soon as they are kept."""
