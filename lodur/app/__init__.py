"""The only place that knows all parts: builds a server or an agent from its configuration, starts and stops it."""
