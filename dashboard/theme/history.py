"""Style of the History page: rules for `theme`, hook and CSS.

Under 640 px the table gives way to cards, and a record that is looked at to the list.
"""

from __future__ import annotations

RULES: tuple[tuple[str, str], ...] = (
    (
        ".st-key-history-toolbar",
        "@media (max-width: 640px) { > * { flex: 1 1 100%; width: 100% !important; } }",
    ),
    (
        ".st-key-history-table",
        # The element's own toolbar would save pictures as long addresses; Export is above.
        """[data-testid="stElementToolbar"] { display: none; }
        @media (max-width: 640px) { display: none; }""",
    ),
    # On a phone the cards stand by themselves.
    (
        ".st-key-card-history",
        "@media (max-width: 640px) { border: 0; padding: 0; background: none; }",
    ),
    (".st-key-history-cards", "@media (min-width: 641px) { display: none; }"),
    (".st-key-history-back", "@media (min-width: 641px) { display: none; }"),
    (
        ".st-key-history-preview",
        """@media (max-width: 640px) { .st-key-history-all & { display: none; } }
        [data-testid="stImage"] img { border-radius: 4px; background: var(--um-sunken);
          aspect-ratio: 16 / 9; object-fit: contain; width: 100%; }""",
    ),
    (
        '[data-testid="stColumn"]:has(.st-key-card-history)',
        "@media (max-width: 640px) { .st-key-history-one & { display: none; } }",
    ),
    (
        ".um-kept",
        """display: flex; gap: 12px; align-items: center;
        img, i { width: 84px; height: 56px; border-radius: 4px; object-fit: cover; flex: none;
          background: var(--um-sunken); }
        > div { display: flex; flex-direction: column; gap: 4px; align-items: start;
          min-width: 0; }
        b { overflow-wrap: anywhere; line-height: 1.3; }
        .um-chip { white-space: nowrap; }
        @media (max-width: 640px) { gap: 10px; img, i { width: 64px; height: 44px; } }""",
    ),
    (
        ".um-preview",
        """h2 { font: 600 20px/1.25 var(--um-serif); margin: 0 0 6px; padding: 0;
          overflow-wrap: anywhere; }
        .um-say { margin-top: 8px; }""",
    ),
)
