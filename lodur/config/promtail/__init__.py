"""Run the configuration of Promtail: its YAML in, the options of `lodur.agent` out."""
