"""Style of the Evaluate page: rules for `theme`, hook and CSS."""

from __future__ import annotations

RULES: tuple[tuple[str, str], ...] = (
    (
        ".um-figures",
        """display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
        > div { background: var(--um-surface); border: 1px solid var(--um-line);
          border-radius: 8px; padding: 12px 14px; }
        b { display: block; font-size: 22px; line-height: 1.3; }""",
    ),
)
