"""Style of the Live page: rules for `theme`, hook and CSS."""

from __future__ import annotations

RULES: tuple[tuple[str, str], ...] = (
    (
        ".st-key-live-camera",
        """position: relative; background: #0F1215; border-radius: 8px 8px 0 0; overflow: hidden;
        min-height: 496px;
        iframe { display: block; margin: -8px 0; }
        [data-testid="stElementContainer"]:has(.um-cover) { position: absolute; inset: 0;
          width: 100% !important; height: 100%; z-index: 2;
          [data-testid="stHtml"] { height: 100%; } }
        @media (max-width: 640px) { min-height: 268px; }""",
    ),
    (
        ".um-cover",
        """height: 100%; box-sizing: border-box; padding: 24px; display: flex;
        flex-direction: column; align-items: center; justify-content: center; text-align: center;
        color: #D7DBDF;
        background: #0F1215;
        &.lost { background: rgba(15, 18, 21, 0.8); }
        && h2 { margin: 10px 0 2px; padding: 0; font: 600 24px/1.25 var(--um-serif);
          color: #FFFFFF; }
        && p { max-width: 440px; font-size: 15px; line-height: 1.45; color: #D7DBDF; }
        .um-icon { font-size: 40px; }
        .um-icon.turning { animation: um-turn 1.2s steps(12) infinite; }""",
    ),
    (
        ".st-key-live-foot",
        """background: #0F1215; border-radius: 0 0 8px 8px; padding: 6px 16px; min-height: 52px;
        margin-top: -1rem; gap: 12px;""",
    ),
    (
        ".um-foot",
        """display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between;
        gap: 2px 18px; color: #D7DBDF; font-size: 13px;
        > div { display: flex; flex-wrap: wrap; gap: 2px 18px; }
        .on::before { content: ""; display: inline-block; width: 10px; height: 10px;
          border-radius: 50%; margin-right: 10px; background: #FFFFFF; }
        .on.lost::before { background: none; box-shadow: inset 0 0 0 2px #D7DBDF; }""",
    ),
    # Nothing of it is to be seen.
    (
        '[data-testid="stLayoutWrapper"]:has(> .st-key-live-hidden)',
        "position: absolute; width: 1px; height: 1px; overflow: hidden;",
    ),
    # The cards keep their height from before the first reading on.
    (
        '[class*="st-key-verdict"][class*="-live"]',
        """min-height: 246px; && > :last-child { margin-top: 0; }
        @media (max-width: 640px) { min-height: 0; }""",
    ),
    (
        ".st-key-card-alarms",
        """min-height: 282px;
        table { width: 100%; border-collapse: collapse; font-size: 14px; }
        td { padding: 8px 0; border: 0; border-bottom: 1px solid var(--um-line);
          color: var(--um-text); white-space: nowrap; }
        td + td { text-align: right; padding-left: 12px; }
        tr:last-child td { border-bottom: 0; }
        small { display: block; color: var(--um-muted); font-size: 12px; }
        .um-none { padding: 14px 0; }
        [data-testid="stBaseLinkButton-tertiary"] { color: var(--um-accent); }
        @media (max-width: 640px) { min-height: 0; }""",
    ),
    (
        ".st-key-card-minute",
        """@media (max-width: 640px) {
          [data-testid="stColumn"]:has(.st-key-live-words) { display: none; }
          .annotation { display: none; } }""",
    ),
    (
        ".um-imagerow",
        """display: flex; flex-wrap: wrap; align-items: baseline; gap: 8px 32px;
        .um-quality { display: flex; flex-wrap: wrap; gap: 8px 28px; }
        .um-quality > div { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 8px; }""",
    ),
    (
        ".st-key-card-connection",
        """.um-concluded { font-weight: 600; margin-bottom: 6px; }
        .um-connection { width: 100%; border-collapse: collapse; font-size: 14px;
          th, td { padding: 8px 14px 8px 0; border: 0; border-bottom: 1px solid var(--um-line);
            text-align: left; vertical-align: top; font-weight: 400; color: var(--um-text); }
          th { width: 1%; white-space: nowrap; } tr:last-child > * { border-bottom: 0; }
          @media (max-width: 640px) {
            th, td { display: block; width: auto; border: 0; padding: 2px 0; }
            td { padding-bottom: 8px; } } }""",
    ),
)
