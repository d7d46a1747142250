"""Style of the Models page: rules for `theme`, hook and CSS."""

from __future__ import annotations

RULES: tuple[tuple[str, str], ...] = (
    (
        ".um-model",
        """.um-model-name { display: flex; justify-content: space-between; gap: 8px;
          align-items: start; }
        h3 { font: 600 20px/1.25 var(--um-serif); margin: 0; }
        p { margin-top: 6px; overflow-wrap: anywhere; } .um-caption { margin-top: 2px; }
        &.um-model-said p { margin-top: 12px; }
        .um-chip { flex: none; }""",
    ),
    (
        ".um-model-auc",
        """border-top: 1px solid var(--um-line); margin-top: 12px; padding-top: 10px;
        > p + p { color: var(--um-muted); margin-top: 4px; }
        .um-auc { display: flex; align-items: center; gap: 10px; margin-top: 4px;
          i { position: relative; flex: 1; max-width: 170px; height: 14px;
            background: linear-gradient(var(--um-line), var(--um-line)) center / 100% 2px
              no-repeat; }
          u { position: absolute; top: 6px; height: 3px; background: var(--um-text); }
          s { position: absolute; top: 2px; width: 10px; height: 10px; margin-left: -5px;
            border-radius: 50%; background: var(--um-accent); }
          b { font-size: 17px; } span { color: var(--um-muted); font-size: 13px; } }""",
    ),
    (
        ".um-model-facts",
        """display: grid; grid-template-columns: 92px 1fr; gap: 6px 8px;
        margin: 12px 0 0 !important; padding: 10px 0 2px !important;
        border-top: 1px solid var(--um-line);
        dt { color: var(--um-muted); } dd { margin: 0; overflow-wrap: anywhere; }
        &.wide { grid-template-columns: minmax(120px, 200px) 1fr;
          @media (max-width: 640px) { grid-template-columns: 1fr; dt { margin-top: 6px; }
            dd { margin-top: -4px; } } }""",
    ),
)
