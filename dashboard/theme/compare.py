"""Style of the Compare page: rules for `theme`, hook and CSS."""

from __future__ import annotations

RULES: tuple[tuple[str, str], ...] = (
    (
        ".um-card-head",
        """display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: baseline;
        justify-content: space-between; h2 { margin: 0; }
        .um-inferno { display: inline-block; width: 90px; height: 6px; border-radius: 3px;
          vertical-align: middle; margin: 0 4px; background: linear-gradient(90deg, black, purple,
          orangered, orange, lightyellow); }""",
    ),
    (
        ".st-key-card-lanes",
        """.um-big { margin-right: 6px; }
        @media (max-width: 640px) {
          [data-testid="stColumn"]:has([class*="st-key-lane-words"]) { display: none; } }""",
    ),
    (
        ".um-cell",
        "display: inline-flex; gap: 4px; align-items: center; font-weight: 600; "
        ".um-icon { font-size: 17px; }",
    ),
    (
        '[class*="st-key-looked-on"]',
        "outline: 3px solid var(--um-accent); outline-offset: 3px; border-radius: 4px;",
    ),
    (
        ".um-built",
        """margin-bottom: 12px; b { font-size: 22px; margin-left: 10px; }
        ul { margin: 4px 0 0; padding-left: 18px; }""",
    ),
)
