"""A bench of faults: a store under a random schedule, with everything failing that can. Start at `schedule`."""
