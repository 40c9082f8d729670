"""Values only: label sets, matchers, time spans, tenants, clock, errors. Standard library only."""
