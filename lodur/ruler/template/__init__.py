"""The templates of alerts: Go's text/template with Prometheus' functions.

Start at `alert_template`. The syntax is checked by `lodur.logql.template_syntax`, `tree` keeps what was read, `running`
fills it in.
"""
