"""Who may do what: credentials, the tenants and rights behind them, and the two gates before the routes."""
