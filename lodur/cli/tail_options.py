"""What the commands that follow lines have in common."""

from __future__ import annotations

DELAY_MAX_S = 5
"""More than this no server holds lines back."""
