"""From a syntax tree to an executable plan: frozen nodes, small pure rewrites, messages for the kernels.

Start at `planner`; nodes stand in `nodes`, their printed form in `printing`, rewrites in `rules`, and what the scans
are sent in `lowering`. Each rule has its cases in tests/spec/plan/.
"""
