// A sound over time: waveform, spectrogram or MFCCs, score; one cursor over all of them.
//
// It binds the page's <audio> (or <video>) in `.st-key-player`: while that plays, the cursor moves
// here and the server hears nothing. A click, or the arrow keys, moves the player and reports
// setTriggerValue("moment", {time}).

const views = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  let view = views.get(root);
  if (!view) views.set(root, (view = new SoundView(root.querySelector(".sound"))));
  view.update(component.data, component.setTriggerValue);
  const call = ++view.calls;
  return () => {
    if (view.calls !== call) return; // a later update has taken over
    view.destroy();
    views.delete(root);
  };
}

const SVG = "http://www.w3.org/2000/svg";
const element = (tag, css, text) => {
  const node = document.createElement(tag);
  if (css) node.className = css;
  if (text !== undefined) node.textContent = text;
  return node;
};
const shape = (tag, attributes) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const clock = (seconds) => {
  const tenths = Math.round(Math.max(seconds, 0) * 10);
  const whole = Math.floor(tenths / 10);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(Math.floor(whole / 60))}:${two(whole % 60)}.${tenths % 10}`;
};

class SoundView {
  constructor(root) {
    this.root = root;
    this.calls = 0;
    this.time = 0;
    this.shown = "mel";
    this.pages = new MutationObserver(() => this.attach());
  }

  destroy() {
    this.pages.disconnect();
    this.watching?.abort();
    cancelAnimationFrame(this.frame);
  }

  update(data, report) {
    const before = this.data;
    this.data = data;
    this.report = report;
    // A moment that was only moved draws nothing anew: the slider would lose the focus.
    const drawn = ({ time, seek, ...rest }) => JSON.stringify(rest);
    if (!before || drawn(before) !== drawn(data)) this.draw();
    if (!before) this.time = data.time;
    this.attach();
    if (before && before.seek !== data.seek) this.move(data.time);
    else this.show(this.time);
  }

  attach() {
    const player = document.querySelector(".st-key-player");
    const media = player?.querySelector("audio, video") ?? null;
    const main = document.querySelector('[data-testid="stMainBlockContainer"]');
    if (main && !media) this.pages.observe(main, { childList: true, subtree: true });
    if (media === this.media || !media) return;
    this.pages.disconnect();
    this.watching?.abort();
    this.watching = new AbortController();
    this.media = media;
    const on = (name, act) => media.addEventListener(name, act, { signal: this.watching.signal });
    on("timeupdate", () => this.show(media.currentTime));
    on("seeked", () => this.show(media.currentTime));
    on("play", () => this.run());
  }

  run() {
    cancelAnimationFrame(this.frame);
    const step = () => {
      if (!this.media || this.media.paused) return;
      this.show(this.media.currentTime);
      this.frame = requestAnimationFrame(step);
    };
    step();
  }

  go(time) {
    this.report("moment", { time: this.move(time) });
  }

  move(time) {
    const at = Math.min(Math.max(time, 0), this.data.end);
    this.show(at);
    const media = this.media;
    if (media) {
      const set = () => {
        media.currentTime = at;
      };
      if (media.readyState >= 1) set();
      else media.addEventListener("loadedmetadata", set, { once: true });
    }
    return at;
  }

  // --- drawing

  draw() {
    const { words, pictures } = this.data;
    const choice = element("div", "choice");
    choice.setAttribute("role", "group");
    for (const name of ["mel", "mfcc"]) {
      const button = element("button", "", words[name]);
      button.type = "button";
      button.setAttribute("aria-pressed", String(name === this.shown));
      button.addEventListener("click", () => {
        this.shown = name;
        this.draw();
        this.show(this.time);
      });
      choice.append(button);
    }
    const picture = element("img", "picture");
    picture.src = pictures[this.shown];
    picture.alt = words.alt[this.shown];
    picture.draggable = false;
    const what = this.shown === "mel" ? words.bands : words.coefficients;
    const drawn = [picture];
    const { rests, end } = this.data;
    if (rests && this.shown === "mel") {
      const over = element("img", "rests");
      over.src = rests.picture;
      over.alt = rests.alt;
      over.draggable = false;
      over.style.left = `${(100 * rests.start) / end}%`;
      over.style.width = `${(100 * (rests.end - rests.start)) / end}%`;
      drawn.push(over);
    }
    this.cursor = element("div", "cursor");
    this.tag = element("span", "tag");
    this.cursor.append(this.tag);
    this.over = element("div", "over");
    this.over.tabIndex = 0;
    this.over.setAttribute("role", "slider");
    this.over.setAttribute("aria-label", words.move);
    this.over.setAttribute("aria-valuemin", "0");
    this.over.setAttribute("aria-valuemax", String(this.data.end));
    this.over.append(this.cursor);
    this.over.addEventListener("click", (event) => {
      const box = this.over.getBoundingClientRect();
      this.go(((event.clientX - box.left) / box.width) * this.data.end);
    });
    this.over.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.5, ArrowRight: 0.5, PageUp: -5, PageDown: 5 }[event.key];
      const to = { Home: 0, End: this.data.end }[event.key];
      if (step === undefined && to === undefined) return;
      event.preventDefault();
      this.go(to ?? this.time + step);
    });
    const lanes = element("div", "lanes");
    lanes.append(
      this.lane(words.waveform, words.speech, this.speech(), this.waveform()),
      this.lane(words[this.shown], what, ...drawn),
      this.lane(words.score, words.windows, this.scores()),
    );
    const plot = element("div", "plot");
    plot.append(this.over);
    lanes.append(plot);
    const note = element("p", "note", this.data.scores.length ? words.hatched : words.none);
    this.root.replaceChildren(choice, lanes, this.axis(), note);
  }

  lane(name, small, ...content) {
    const lane = element("section", "lane");
    const head = element("div", "head");
    head.append(element("strong", "", name), element("span", "", small));
    const body = element("div", "body");
    body.append(...content);
    lane.append(head, body);
    return lane;
  }

  speech() {
    const row = element("div", "speech");
    for (const part of this.data.speech) {
      const button = element("button");
      button.type = "button";
      button.setAttribute("aria-label", part.name);
      button.title = part.name;
      button.style.left = `${(100 * part.start) / this.data.end}%`;
      button.style.width = `${(100 * (part.end - part.start)) / this.data.end}%`;
      button.addEventListener("click", () => this.go(part.start));
      row.append(button);
    }
    return row;
  }

  canvas(height, label) {
    const svg = shape("svg", {
      viewBox: `0 0 1000 ${height}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": label,
      height,
    });
    return svg;
  }

  waveform() {
    const { peaks, words } = this.data;
    const svg = this.canvas(72, words.alt.waveform);
    const top = Math.max(0.05, ...peaks.map(([low, high]) => Math.max(-low, high)));
    const x = (i) => (1000 * (i + 0.5)) / peaks.length;
    const d = peaks
      .map(([low, high], i) => {
        const [a, b] = [36 - (34 * high) / top, 36 - (34 * low) / top];
        return `M${x(i).toFixed(1)} ${a.toFixed(1)}V${Math.max(b, a + 0.8).toFixed(1)}`;
      })
      .join("");
    svg.append(shape("path", { d, class: "wave" }));
    return svg;
  }

  scores() {
    const { scores, low, high, end, words } = this.data;
    const svg = this.canvas(92, words.alt.score);
    const y = (score) => 90 - 88 * score;
    if (low !== null) {
      svg.append(shape("rect", { class: "between", x: 0, width: 1000, y: y(high), height: y(low) - y(high) }));
    }
    let last = 0;
    const gap = (from, to) => {
      if (to - from < 0.02) return;
      svg.append(
        shape("rect", { class: "gap", x: (1000 * from) / end, width: (1000 * (to - from)) / end, y: 0, height: 92 }),
      );
    };
    for (const [from, to, score] of scores) {
      gap(last, from);
      last = Math.max(last, to);
      const [a, b] = [from, to].map((t) => (1000 * t) / end);
      const css = high !== null && score > high ? "line over" : "line";
      svg.append(shape("path", { class: css, d: `M${a} ${y(score)}H${b}` }));
    }
    gap(last, end);
    for (const limit of [low, high]) {
      if (limit !== null) svg.append(shape("path", { class: "limit", d: `M0 ${y(limit)}H1000` }));
    }
    return svg;
  }

  axis() {
    const axis = element("div", "axis");
    const { end } = this.data;
    // Whole seconds, at most six of them: quarters of 6.5 s would all be told wrong.
    const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600].find(
      (seconds) => end / seconds <= 5,
    ) ?? Math.ceil(end / 5);
    for (let time = 0; time <= end; time += step) {
      const at = element("span", time > 0.96 * end ? "end" : "", clock(time).split(".")[0]);
      at.style.left = `${(100 * time) / end}%`;
      axis.append(at);
    }
    return axis;
  }

  show(time) {
    this.time = time;
    if (!this.cursor) return;
    this.cursor.style.left = `${(100 * Math.min(time, this.data.end)) / this.data.end}%`;
    this.tag.textContent = clock(time);
    this.over.setAttribute("aria-valuenow", time.toFixed(1));
    this.over.setAttribute("aria-valuetext", clock(time));
  }
}
