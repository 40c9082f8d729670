"""HTTP: one file a family of routes. Only this package knows requests and status codes."""
