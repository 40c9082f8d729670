"""Labels and annotations of alerts: templates over the series that made the alert.

Start at `AlertTemplates`. What templates can use: docs/reference/rules.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.template_syntax import TemplateSyntaxError, check_template
from lodur.model.label_set import LabelSet
from lodur.ruler.groups import Labels
from lodur.ruler.template.functions import FUNCTIONS, Budget, Surroundings, functions_of
from lodur.ruler.template.running import STEPS_MAX, run_template
from lodur.ruler.template.tree import Template, parse_template
from lodur.ruler.template.values import TemplateFailure, Value

_DECLARED = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)
"""Stands before each template."""

EXPANDED_CHARS_MAX = 32 * 1024
"""Longer values are cut: Alertmanager and its receivers take none."""


def check_alert_template(text: str, alert: str) -> str | None:
    """What is wrong with a template; None if nothing is."""
    if "{{" not in text:
        return None
    try:
        check_template(_DECLARED + text, f"__alert_{alert}", functions=FUNCTIONS)
    except TemplateSyntaxError as error:
        return str(error)
    return None


@dataclass(slots=True)
class AlertTemplates:
    """Fills templates in; those that were read are kept, for they are used at each turn."""

    external_labels: LabelSet
    external_url: str
    _read: dict[str, Template] = field(default_factory=dict)

    def expand(self, texts: Labels, *, alert: str, labels: LabelSet, value: float, now_ns: int) -> Labels:
        """The texts, filled in for a series. A failure stands in the text itself."""
        if not any("{{" in text for _, text in texts):
            return texts
        data: dict[str, Value] = {
            "Labels": dict(labels.pairs),
            "ExternalLabels": dict(self.external_labels.pairs),
            "ExternalURL": self.external_url,
            "Value": value,
        }

        def expanded(text: str) -> str:
            if "{{" not in text:
                return text
            try:
                budget = Budget(STEPS_MAX)
                functions = functions_of(Surroundings(now_ns, self.external_url, budget))
                return run_template(self._template(text), data, functions, budget)[:EXPANDED_CHARS_MAX]
            except TemplateFailure as failure:
                name = f"__alert_{alert}"
                return f"<error expanding template: error executing template {name}: template: {name}: {failure}>"

        return tuple((name, expanded(text)) for name, text in texts)

    def _template(self, text: str) -> Template:
        if text not in self._read:
            self._read[text] = parse_template(_DECLARED + text)
        return self._read[text]
