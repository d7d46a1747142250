"""Style of the Account page: rules for `theme`, hook and CSS."""

from __future__ import annotations

RULES: tuple[tuple[str, str], ...] = (
    (
        ".st-key-account",
        """margin-top: min(5vh, 48px);
        [data-testid="stBaseButton-primaryFormSubmit"] { color: var(--um-on-accent); }
        [data-testid="stBaseButton-tertiary"], [data-testid="stBaseButton-tertiaryFormSubmit"] {
          color: var(--um-accent); }
        /* "Press Enter to submit form" would lie over a long password. */
        [data-testid="InputInstructions"] { display: none; }""",
    ),
    (
        ".um-account",
        """h1 { font: 600 26px/1.25 var(--um-serif); letter-spacing: -0.01em; margin: 0;
          padding: 0 0 6px; }
        > p { color: var(--um-muted); }
        .um-said { color: var(--um-text); margin-top: 14px; }
        .um-said b { font-weight: 600; }""",
    ),
    (
        ".um-providers",
        """p { display: flex; align-items: center; gap: 12px; color: var(--um-muted);
          font-size: 13px; margin: 2px 0 12px;
          &::before, &::after { content: ""; flex: 1; border-top: 1px solid var(--um-line); } }
        a { display: block; text-align: center; border: 1px solid var(--um-edge);
          border-radius: 6px; padding: 8px 16px; margin-top: 10px; color: var(--um-text);
          text-decoration: none; &:hover { border-color: var(--um-accent);
          color: var(--um-accent); } }""",
    ),
)
