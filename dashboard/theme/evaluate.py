"""Style of the Evaluate page: rules for `theme`, hook and CSS."""

from __future__ import annotations

RULES: tuple[tuple[str, str], ...] = (
    (
        ".um-figures",
        """display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
        > div { background: var(--um-surface); border: 1px solid var(--um-line);
          border-radius: 8px; padding: 12px 14px; }
        b { display: block; font-size: 22px; line-height: 1.3; }
        .few { font-size: 15px; line-height: 28px; }""",
    ),
    (
        ".um-curves",
        """display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13px;
        color: var(--um-muted);
        span { display: inline-flex; align-items: center; gap: 6px; white-space: nowrap; }
        i { width: 28px; height: 2px; background: currentColor; }
        i.dash { background: repeating-linear-gradient(90deg, currentColor 0 8px,
          transparent 8px 14px); }
        i.dot { background: repeating-linear-gradient(90deg, currentColor 0 3px,
          transparent 3px 6px); }
        i.dashdot { background: repeating-linear-gradient(90deg, currentColor 0 8px,
          transparent 8px 11px, currentColor 11px 14px, transparent 14px 17px); }""",
    ),
)
