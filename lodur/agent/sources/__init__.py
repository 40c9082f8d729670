"""Where lines come from. A source must emit whole lines, give each chunk a receipt, and stop when cancelled."""
