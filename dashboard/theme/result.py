"""The style rules of the result view: (hook, CSS nested under it), part of `dashboard.theme`.

Each hook is there in every result with a score of a video; the browser test looks for it.
"""

from __future__ import annotations

RULES: tuple[tuple[str, str], ...] = (
    (
        ".um-verdict",
        """&& { display: flex; align-items: center; gap: 12px; margin: 6px 0 2px; padding: 0;
          font: 600 32px/1.2 var(--um-serif); letter-spacing: -0.018em; color: var(--um-text); }
        .um-icon { font-size: 36px; flex: none; width: 1em; overflow: hidden; }
        &.fake .um-icon { color: var(--um-fake-ink); }
        &.real .um-icon { color: var(--um-real-ink); }
        &.inc .um-icon { color: var(--um-inconclusive-ink); }
        &.na .um-icon { color: var(--um-not-applicable-ink); }
        @media (max-width: 640px) { && { font-size: 27px; gap: 10px; }
          .um-icon { font-size: 30px; } }""",
    ),
    (
        ".um-say",
        """font-size: 17px; line-height: 1.5;
        &.second { color: var(--um-muted); } b { font-weight: 600; }""",
    ),
    # A phone shows the verdict first and what can be done with it last.
    (
        ".st-key-result",
        """@media (max-width: 640px) {
          :is(.st-key-title-row, [data-testid="stLayoutWrapper"]:has(> .st-key-title-row)) {
            display: contents; }
          > * { order: 1; }
          :has(> .st-key-title-row) > .st-key-title-row > :first-child { order: 0; }
          :has(> .st-key-kept-answer) { order: 3; }
          :has(> .st-key-title-actions) { order: 4; } }""",
    ),
    (
        ".st-key-result-top",
        """@media (min-width: 641px) { display: grid; align-items: stretch;
          grid-template-columns: minmax(0, 45fr) minmax(0, 55fr);
          > :has(> [class*="st-key-verdict"]) { grid-area: 1 / 1; height: auto; display: flex;
            flex-direction: column; > * { flex: 1 1 auto; height: auto; } }
          > :has(> .st-key-result-side) { grid-area: 1 / 2; height: auto; display: flex;
            flex-direction: column; > * { flex: 1 1 auto; height: auto; } }
          > :has(> .st-key-card-next) { grid-area: 2 / 1 / 3 / 3; } }""",
    ),
    (
        ".st-key-result-side",
        """> :last-child { margin-top: auto; }""",
    ),
    (
        '[class*="more-below"]',
        """@media (min-width: 641px) { display: none; }""",
    ),
    (
        ".st-key-result-more",
        """@media (max-width: 640px) {
          .st-key-result:not(:has([class*="more-below"] input:checked)) & { display: none; } }""",
    ),
    (
        ".um-questions",
        """display: grid; margin: 10px 0 0; font-size: 15px;
        grid-template-columns: auto 1fr auto; column-gap: 16px;
        > div { display: grid; grid-column: 1 / -1; grid-template-columns: subgrid;
          align-items: baseline; padding: 7px 0; border-top: 1px solid var(--um-line); }
        > div:last-child { border-bottom: 1px solid var(--um-line); }
        .first > * { font-weight: 600; }
        .n { text-align: right; white-space: nowrap; }
        span.n { color: var(--um-muted); font-size: 13px; }
        b { font-weight: 600; }
        @media (max-width: 640px) { grid-template-columns: 1fr auto;
          > div { padding: 5px 0; }
          > div > span:first-child { grid-column: 1 / -1; } }""",
    ),
    (
        ".um-number",
        """display: flex; align-items: baseline; justify-content: space-between;
        gap: 2px 12px; flex-wrap: wrap; margin: 14px 0 2px; color: var(--um-muted);
        b { font-size: 22px; font-weight: 600; color: var(--um-text); }""",
    ),
    (
        ".um-scale",
        """position: relative; container-type: inline-size;
        .over { position: relative; height: 13px; }
        .range { position: absolute; top: 3px; height: 9px; box-sizing: border-box;
          border: solid var(--um-text); border-width: 0 1.5px;
          &::after { content: ''; position: absolute; left: 0; right: 0; top: 4px;
            border-top: 1.5px solid var(--um-text); } }
        .pointer { position: absolute; bottom: -1px; width: 0; height: 0; margin-left: -6px;
          border: 6px solid transparent; border-bottom: 0; border-top: 9px solid var(--um-text); }
        .bar { position: relative; display: flex; gap: 2px; height: 11px; }
        .zone { min-width: 0; }
        .zone.real { background: var(--um-real-fill); }
        .zone.inc { background: var(--um-inconclusive-fill); }
        .zone.fake { background: var(--um-fake-fill); }
        .at { position: absolute; top: 0; bottom: 0; width: 3px; margin-left: -1.5px;
          background: var(--um-surface); }
        .under { position: relative; height: 18px; font-size: 12px; line-height: 18px;
          color: var(--um-muted); }
        .below { display: flex; justify-content: space-between; flex-wrap: wrap; gap: 0 12px;
          font-size: 12px; line-height: 16px; color: var(--um-muted);
          .end { margin-left: auto; } }
        .name { position: absolute; top: 0; text-align: center; white-space: nowrap; }
        .tick { position: absolute; top: 0; transform: translateX(-50%); white-space: nowrap;
          &.before { transform: translateX(-100%); } &.after { transform: none; } }
        b.tick { font-weight: 600; color: var(--um-text);
          &.before { padding-right: 3px; } &.after { padding-left: 3px; } }
        .narrow { display: none; }
        @container (max-width: 460px) { .wide { display: none; } .narrow { display: block; } }""",
    ),
    (
        ".um-pull",
        """display: grid; grid-template-columns: minmax(96px, 32%) 1fr 42px; gap: 0 10px;
        align-items: center; min-height: 24px; padding-right: 74px; font-size: 14px;
        line-height: 1.25;
        &.bare { padding-right: 0; }
        > span:first-child { overflow-wrap: anywhere; }
        .track { position: relative; align-self: stretch; min-height: 24px;
          background: linear-gradient(var(--um-edge), var(--um-edge)) 50% 0 / 1px 100% no-repeat;
          i { position: absolute; top: 6px; bottom: 6px; min-width: 1px; }
          .fake { background: var(--um-fake-fill); } .real { background: var(--um-real-fill); }
          .na { background: var(--um-not-applicable-fill); } .all { background: var(--um-text); } }
        .n { text-align: right; white-space: nowrap; }
        &.all { border-top: 1px solid var(--um-line); font-weight: 600; padding-top: 2px; }
        &.none { color: var(--um-muted); font-size: 13px;
          > span:last-child { grid-column: 2 / -1; } }
        &.um-sides { min-height: 18px; color: var(--um-muted); font-size: 12px;
          i { font-style: normal; white-space: nowrap; }
          @media (min-width: 641px) { .um-wide { display: flex; justify-content: space-between; } }
          @media (max-width: 640px) {
            .um-narrow { display: flex; justify-content: space-between; } } }
        @media (max-width: 640px) { padding-right: 0; min-height: 22px;
          .track { min-height: 22px; } }""",
    ),
    (
        ".st-key-pulls",
        """[class*="st-key-pull-to"] .um-pull { padding-right: 0; }
        [class*="st-key-pull-to"] > :last-child { flex: 0 0 74px; width: 74px; }
        [data-testid="stBaseButton-tertiary"] { min-height: 0; padding: 0; line-height: 1.45;
          margin-left: auto; color: var(--um-accent); white-space: nowrap;
          &:hover { text-decoration: underline; } }
        @media (max-width: 640px) {
          [class*="st-key-pull-to"] > :last-child { display: none; } }""",
    ),
    (
        ".st-key-how-we-know",
        """margin-bottom: 8px;
        [data-testid="stPopoverButton"] { min-height: 0; padding: 0; color: var(--um-accent);
          &:hover { text-decoration: underline; } }
        @media (max-width: 640px) { [data-testid="stPopoverButton"] { min-height: 40px; } }""",
    ),
    (
        ".um-material",
        "display: grid; gap: 14px;",
    ),
    (
        ".um-looked",
        """> div:not(.axis) { display: flex; justify-content: space-between; align-items: baseline;
          gap: 4px 12px; }
        b { font-weight: 600; font-size: 15px; }
        .axis { position: relative; height: 18px;
          background: linear-gradient(var(--um-line), var(--um-line)) 0 50% / 100% 1px no-repeat;
          i { position: absolute; top: 3px; bottom: 3px; width: 2px; margin-left: -1px;
            background: var(--um-accent); } }""",
    ),
    (
        ".st-key-card-next",
        """.um-next { display: grid; grid-template-columns: 34px 1fr;
          .um-icon { font-size: 22px; color: var(--um-muted); }
          h3 { margin: 0; padding: 0; font: 600 15px/1.4 var(--um-sans); letter-spacing: 0;
            color: var(--um-text); }
          p { color: var(--um-muted); font-size: 14px; line-height: 1.4; } }
        [class*="st-key-next-"] { padding: 0;
          > [data-testid="stLayoutWrapper"] { padding-left: 34px; } }
        :is([data-testid="stBaseButton-tertiary"], [data-testid="stPopoverButton"]) {
          color: var(--um-accent); padding: 0; min-height: 36px; }
        @media (max-width: 640px) { :is([data-testid="stBaseButton-tertiary"],
          [data-testid="stPopoverButton"]) { min-height: 40px; } }""",
    ),
    (
        ".um-h3",
        """&& { margin: 8px 0 5px; padding: 0; font: 600 15px/1.4 var(--um-sans);
        letter-spacing: 0; color: var(--um-text); }""",
    ),
    (
        '[class*="st-key-verdict"]',
        """> :last-child { margin-top: auto; }
        .st-key-anyway { margin: 12px 0 4px; }
        .um-odds { margin-top: 4px; font-size: 15px; line-height: 1.45; }
        .um-trace { margin-top: 6px; }
        .um-own { color: var(--um-accent); font-weight: 600; }""",
    ),
    (
        ".um-evidence",
        """display: grid; grid-template-columns: none; grid-auto-columns: 1fr;
        grid-auto-flow: column; font-size: 13px;
        border: 1px solid var(--um-line); border-radius: 6px; overflow: hidden;
        > div { padding: 6px 10px; box-shadow: -1px -1px 0 var(--um-line); min-width: 0; }
        > div > span { display: flex; align-items: center; gap: 4px; }
        .um-icon { font-size: 16px; color: var(--um-muted); width: 1em; overflow: hidden; }
        .fair .um-icon, .poor .um-icon { color: var(--um-inconclusive-ink); }
        b { display: block; font-weight: 600; line-height: 1.35; }
        @media (max-width: 640px) { grid-template-columns: 1fr 1fr; grid-auto-flow: row; }""",
    ),
    (
        ".um-limits",
        """margin-top: 14px; padding: 10px 14px 12px; border-radius: 6px;
        background: var(--um-sunken);
        h3 { margin: 0 0 2px; padding: 0; font: 600 14px/1.45 var(--um-sans); letter-spacing: 0;
          color: var(--um-text); }
        p { font-size: 14px; line-height: 1.45; color: var(--um-text); }""",
    ),
    (
        ".st-key-player",
        """position: relative;
        > [data-testid="stElementContainer"]:first-child { aspect-ratio: var(--um-shape, auto);
          max-height: 440px; }
        video, img { display: block; width: 100%; max-height: 440px; object-fit: contain;
          aspect-ratio: var(--um-shape, auto); border-radius: 8px; background: #0F1215; }""",
    ),
    (
        ".um-boxes",
        """position: absolute; overflow: hidden; pointer-events: none; z-index: 1;
        .um-box { position: absolute; left: 0; top: 0; box-sizing: border-box; border-width: 2px;
          border-radius: 3px; filter: drop-shadow(0 0 1px rgba(15, 18, 21, 0.8)); }
        .um-box-label { position: absolute; left: 0; top: 0; display: flex; align-items: center;
          gap: 6px; padding: 2px 8px 2px 6px; border-radius: 2px; white-space: nowrap;
          background: rgba(15, 18, 21, 0.9); color: #FFFFFF; font-size: 13px; font-weight: 600;
          line-height: 1.4; }
        [hidden] { display: none; }
        .um-icon { font-size: 16px; width: 1em; overflow: hidden; }""",
    ),
    (
        ".um-h2",
        """&& { margin: 0; padding: 0; font: 600 18px/1.4 var(--um-serif); letter-spacing: 0;
          color: var(--um-text); }
        &&.um-space { margin: 18px 0 8px; }""",
    ),
    (
        ".st-key-card-timeline",
        """[data-testid="stHtml"]:has(.um-keys) { display: flex;
          align-items: center; flex-wrap: wrap; gap: 4px 24px; }
        .um-hint { white-space: nowrap; }
        @media (max-width: 640px) {
          [data-testid="stElementContainer"]:has(.um-hint) { display: none; } }""",
    ),
    (
        ".um-keys",
        """display: flex; flex-wrap: wrap; gap: 2px 18px; color: var(--um-muted);
        font-size: 13px;
        span { display: inline-flex; align-items: center; gap: 6px; white-space: nowrap; }
        .line { width: 26px; height: 1px; background: var(--um-muted); }
        .line.all { height: 3px; background: var(--um-text); }
        .line.dash { background: repeating-linear-gradient(90deg, var(--um-muted) 0 8px,
          transparent 8px 13px); }
        .line.dot { background: repeating-linear-gradient(90deg, var(--um-muted) 0 3px,
          transparent 3px 6px); }
        .line.dashdot { background: repeating-linear-gradient(90deg, var(--um-muted) 0 8px,
          transparent 8px 11px, var(--um-muted) 11px 13px, transparent 13px 16px); }
        .band { width: 16px; height: 11px; background: var(--um-band); }""",
    ),
    (
        ".st-key-lanes",
        """position: relative;
        > * + :not(.um-cursor) { border-top: 1px solid var(--um-line); }
        .js-plotly-plot .nsewdrag { cursor: pointer; }
        @media (max-width: 640px) {
          [data-testid="stColumn"]:has([class*="st-key-lane-words"]),
          [data-testid="stColumn"]:has([class*="st-key-lane-names"]) { display: none; }
          .annotation { display: none; } }""",
    ),
    (
        ".um-who",
        """padding-top: 22px; line-height: 1.5; b { font-weight: 600; }
        .whole { margin-top: 8px; color: var(--um-muted); font-size: 13px;
          b { color: var(--um-text); } }
        .um-chip { margin-top: 4px; white-space: nowrap; }
        @media (max-width: 640px) { display: flex; flex-wrap: wrap; align-items: center;
          gap: 2px 10px; padding-top: 12px; .where { display: none; }
          .whole, .um-chip { margin: 0; } }""",
    ),
    (
        ".um-beside",
        """position: relative; font-size: 12px; line-height: 14px;
        color: var(--um-muted);
        span { position: absolute; transform: translateY(-50%); white-space: nowrap; }
        &.left span { right: 8px; }
        &.right span { left: 2px; }
        .all { font-weight: 600; color: var(--um-text); }""",
    ),
    (
        ".um-cursor",
        """position: absolute; inset: 0; pointer-events: none; z-index: 2;
        > * { position: absolute; }
        .um-cursor-line { width: 1.4px; margin-left: -0.7px; background: var(--um-accent); }
        .um-cursor-dot { width: 9px; height: 9px; margin: -5.5px 0 0 -5.5px; border-radius: 50%;
          background: var(--um-accent); border: 1px solid var(--um-surface); }
        .um-cursor-tag { transform: translate(-50%, -100%); padding: 0 6px; border-radius: 3px;
          background: var(--um-accent); color: var(--um-on-accent); font-size: 12px;
          font-weight: 600; line-height: 17px; margin-top: -3px; }""",
    ),
    (
        ".um-figcaption",
        """margin-top: 6px; color: var(--um-muted); font-size: 13px;
        line-height: 1.45; b { color: var(--um-text); font-weight: 600; }""",
    ),
    (
        ".st-key-card-inspector",
        """img { border-radius: 6px; background: var(--um-sunken); }
        .st-key-whole-frame img { max-height: 360px; object-fit: contain; background: #0F1215; }
        .um-ramp { height: 5px; margin-top: 6px; border-radius: 2px;
          background: linear-gradient(90deg, #000004, #420A68, #932667, #DD513A, #FCA50A,
            #FCFFA4); }
        .um-ends { display: flex; justify-content: space-between; font-size: 12px; }
        .um-tubelets { display: flex; align-items: flex-end; gap: 2px; height: 24px;
          margin-top: 8px; i { flex: 1; background: var(--um-muted); border-radius: 1px; } }
        .st-key-heatmap-wait [data-testid="stSkeleton"] { aspect-ratio: 1; height: auto; }
        .um-missing { display: flex; align-items: center; justify-content: center;
          aspect-ratio: 1; padding: 16px; border-radius: 6px; background: var(--um-sunken);
          color: var(--um-muted); font-size: 13px; text-align: center; }""",
    ),
    (
        ".st-key-card-details",
        """.um-rows { > div { display: flex; flex-direction: column; justify-content: center;
          line-height: 1.15; font-size: 14px; padding-right: 8px; box-sizing: border-box; }
        > div + div { box-shadow: 0 -1px 0 var(--um-line); }
        .all { font-weight: 600; }
        small { color: var(--um-muted); font-size: 12px; line-height: 1.2; } }
        [data-testid="stBaseButton-tertiary"] { color: var(--um-accent); }
        @media (max-width: 640px) { .st-key-signals {
          thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
            clip-path: inset(50%); }
          tr { display: grid; grid-template-columns: 1fr auto; padding: 8px 0;
            border-bottom: 1px solid var(--um-line); }
          td { border: 0; padding: 1px 0; }
          td:nth-child(3) { grid-area: 1 / 2; }
          td:nth-child(2), td:nth-child(4) { grid-column: 1 / 3; }
          td:nth-child(4) { color: var(--um-muted); font-size: 13px; } } }""",
    ),
    (
        ".um-here",
        """width: 100%; margin-top: 8px; border-collapse: collapse; font-size: 13px;
        th, td { padding: 4px 0; border: 0; border-bottom: 1px solid var(--um-line);
          text-align: left; font-weight: 400; vertical-align: top; color: var(--um-text); }
        tr:last-child > * { border-bottom: 0; }
        .all th, .all td { font-weight: 600; }
        td { white-space: nowrap; }
        .n { text-align: right; padding-right: 14px; white-space: nowrap; }
        small { display: block; color: var(--um-muted); font-size: 12px; }""",
    ),
    (
        ".um-ink",
        """&.fake { color: var(--um-fake-ink); } &.real { color: var(--um-real-ink); }
        &.inc { color: var(--um-inconclusive-ink); }
        &.na { color: var(--um-not-applicable-ink); }
        .um-icon { font-size: 15px; vertical-align: -2px; margin-right: 4px; }""",
    ),
    (
        ".um-cardhead",
        """display: flex; align-items: baseline; justify-content: space-between;
        gap: 4px 12px; flex-wrap: wrap; margin-bottom: 6px;""",
    ),
    (
        ".um-table",
        """width: 100%; border-collapse: collapse; font-size: 14px;
        th, td { padding: 8px 10px 8px 0; border: 0; text-align: left; font-weight: 400;
          border-bottom: 1px solid var(--um-line); vertical-align: top; color: var(--um-text); }
        thead th { color: var(--um-muted); font-size: 13px; font-weight: 600; padding-top: 2px; }
        tbody th { font-weight: 600; }
        .n { text-align: right; white-space: nowrap; padding-right: 20px; }
        small { display: block; color: var(--um-muted); font-size: 12px; }
        @media (max-width: 640px) {
          thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
            clip-path: inset(50%); }
          tr { display: block; padding: 8px 0; border-bottom: 1px solid var(--um-line); }
          tbody th { display: block; padding: 0 0 2px; border: 0; }
          td, td.n { display: flex; gap: 12px; padding: 1px 0; border: 0; text-align: left; }
          td::before { content: attr(data-label); flex: 0 0 96px; color: var(--um-muted); } }""",
    ),
    (
        ".um-facts",
        """&& { display: grid; grid-template-columns: 104px minmax(0, 1fr); gap: 5px 12px;
          margin: 8px 0 0; padding: 0; font-size: 14px; }
        && dt, && dd { margin: 0; padding: 0; font-weight: 400; overflow-wrap: anywhere; }
        && dt { color: var(--um-muted); }
        code { font-size: 13px; background: none; padding: 0; color: var(--um-text); }
        small { display: block; code { color: var(--um-muted); } }""",
    ),
)
