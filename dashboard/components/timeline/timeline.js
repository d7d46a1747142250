// The timeline: layers that show one moment of a recording and let a person choose another.
//
// `data` has a key for each layer of a view:
//   strips  rows of tiles, a row per person          boxes  faces over the page's player
//   cursor  a line over the page's plotly lanes      plot   lanes drawn here, below a slider
//   viewer  two files laid on each other             map    where the two files differ
// and what they share: `id` (views with one id show the same moment), `version` (changes when
// anything but the moment changes), `end` (s), `pictures` (addresses; layers refer to them by
// position), `moments` (times that can be chosen; any time without them), and `player`.
//
// setTriggerValue("moment", {time, person, cause}) reports the moment that a person chose, and if
// the view leads the player also where that is paused or seeks. While a video plays, everything
// moves here and the server hears nothing. `data.seek` grows by one whenever the server moved the
// moment, so that an echo of our own report never seeks again.

const views = new WeakMap();
const groups = (window.umTimelines ??= new Map());

export default function (component) {
  const root = component.parentElement;
  let view = views.get(root);
  if (!view) views.set(root, (view = new View(root.querySelector(".timeline"))));
  view.update(component.data, component.setTriggerValue);
  const call = ++view.calls;
  return () => {
    if (view.calls !== call) return; // a later update has taken over
    view.destroy();
    views.delete(root);
  };
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Return 7.23 as "00:07.2"; from an hour on "1:02:03.4". */
const clock = (seconds) => {
  const tenths = Math.round(Math.max(seconds, 0) * 10);
  return new Date(100 * tenths).toISOString().slice(11, 21).replace(/^0(0:)?/, "");
};

const withAttributes = (node, attributes) => {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

/** Return an element; parts are texts, elements, and objects of attributes. */
const element = (tag, css, ...parts) => {
  const node = document.createElement(tag);
  if (css) node.className = css;
  for (const part of parts.flat()) {
    if (part?.constructor === Object) withAttributes(node, part);
    else if (part) node.append(part);
  }
  return node;
};

const shape = (tag, attributes) =>
  withAttributes(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes);

const icon = (name) => element("span", "um-icon", name, { "aria-hidden": "true" });

const image = (css = "", src = "", alt = "") => Object.assign(element("img", css), { src, alt, draggable: false });

const button = (css, content, act, attributes = {}) => {
  const node = element("button", css, content, { type: "button", ...attributes });
  node.addEventListener("click", act);
  return node;
};

const range = (css, max, step, name, act) => {
  const node = element("input", css, { type: "range", min: 0, max, step, "aria-label": name });
  node.addEventListener("input", act);
  return node;
};

const onKeys = (node, acts) =>
  node.addEventListener("keydown", (event) => {
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  });

/** Return buttons side by side; options are [value, text, text on a phone]. */
const choice = (label, options, chosen, act) =>
  element("div", "choice", { role: "group", "aria-label": label }, options.map(
    ([value, text, short]) => button(
      "",
      short ? [element("span", "wide", text), element("span", "narrow", short)] : text,
      () => act(value),
      { "aria-pressed": value === chosen },
    ),
  ));

/** Stand a label in the middle of its place; at either end of the axis within it. */
const standing = (node, share, left = share) => {
  const shift = share < 0.05 ? 0 : share > 0.95 ? -100 : -50;
  Object.assign(node.style, { left: `${100 * left}%`, transform: `translateX(${shift}%)` });
  return node;
};

class View {
  constructor(root) {
    this.root = root;
    this.calls = 0;
    this.layers = [];
    this.sizes = new ResizeObserver(() => this.place());
    this.pages = new MutationObserver((changes) => {
      // Our own layers change with every frame; only the page's changes matter, once a frame.
      const ours = ({ target }) => this.layers.some(({ node }) => node?.contains(target));
      if (changes.every(ours) || this.pending) return;
      this.pending = requestAnimationFrame(() => {
        this.pending = 0;
        this.attach();
      });
    });
  }

  destroy() {
    this.watching?.abort();
    this.sizes.disconnect();
    this.pages.disconnect();
    cancelAnimationFrame(this.frame);
    cancelAnimationFrame(this.pending);
    clearTimeout(this.soon);
    this.clear();
    this.leave();
  }

  clear() {
    for (const layer of this.layers) {
      layer.destroy?.();
      layer.node?.remove();
    }
  }

  leave() {
    this.group?.views.delete(this);
    if (this.group?.views.size === 0) groups.delete(this.data.id);
  }

  update(data, report) {
    const fresh = data.version !== this.data?.version;
    const seek = this.data ? data.seek !== this.data.seek : data.player?.leads;
    if (data.id !== this.data?.id) {
      this.leave();
      this.group = groups.get(data.id) ?? { time: data.time, views: new Set() };
      groups.set(data.id, this.group);
      this.group.views.add(this);
    }
    const kinds = Object.keys(LAYERS).filter((name) => data[name]);
    if (String(kinds) !== String(this.kinds)) {
      this.clear();
      this.layers = kinds.map((name) => new LAYERS[name](this));
      this.kinds = kinds;
    }
    Object.assign(this, { data, report });
    if (fresh) this.draw();
    this.attach();
    if (seek) this.go(data.time);
    else if (!this.playing()) this.show(this.group.time);
  }

  draw() {
    for (const layer of this.layers) layer.draw();
  }

  place() {
    for (const layer of this.layers) layer.place?.();
  }

  /** Return the position of the moment that is nearest to a time. */
  nearest(time) {
    const away = this.data.moments.map((moment) => Math.abs(moment - time));
    return away.indexOf(Math.min(...away));
  }

  get index() {
    return this.nearest(this.group.time);
  }

  /** Do what a person asked for. */
  choose(time, person = null, cause = "click") {
    this.go(this.data.moments?.[this.nearest(time)] ?? time);
    this.tell(this.group.time, person, cause);
  }

  step(index) {
    this.choose(this.data.moments[clamp(index, 0, this.data.moments.length - 1)]);
  }

  tell(time, person, cause) {
    if (this.data.player) this.report("moment", { time, person, cause });
  }

  show(time) {
    this.group.time = time;
    for (const view of this.group.views) view.layers.forEach((layer) => layer.show(time));
  }

  // --- the page's player and lanes, which Streamlit may draw later or anew

  attach() {
    const { player, cursor } = this.data;
    const found = player && document.querySelector(player.place);
    this.watch(found?.querySelector("video, audio, img") ?? null);
    for (const layer of this.layers) layer.attach?.();
    this.sizes.disconnect();
    this.pages.disconnect();
    this.sizes.observe(this.root);
    if (this.media) this.sizes.observe(this.media);
    for (const { place } of [player, cursor].filter(Boolean)) {
      const node = document.querySelector(place);
      if (node) this.sizes.observe(node);
      // A container that isn't there yet, or goes, is a change of the page around us.
      const around = node ?? document.querySelector('[data-testid="stMainBlockContainer"]');
      if (around) this.pages.observe(around, { childList: true, subtree: true });
    }
    this.place();
  }

  watch(media) {
    if (media === this.media) return;
    this.watching?.abort();
    this.media = media;
    if (!media) return;
    this.watching = new AbortController();
    const on = (name, act) => media.addEventListener(name, act, { signal: this.watching.signal });
    for (const name of ["load", "loadedmetadata"]) on(name, () => this.place());
    if (media.tagName === "IMG") return;
    let touched = false;
    for (const name of ["play", "pointerdown", "keydown"]) on(name, () => (touched = true));
    // Streamlit sets a start of its own, 0, sooner or later than we do: nobody chose that.
    const chosen = () => touched || media.currentTime > 0.05;
    const follow = () => chosen() && this.show(media.currentTime);
    on("play", () => this.run());
    on("timeupdate", follow);
    if (this.data.player.leads) this.lead(media, on, chosen);
    else on("seeked", follow);
    if (!media.paused) this.run();
  }

  /** Report what a person does with the player. */
  lead(media, on, chosen) {
    // Not an interrupted download: only what this browser can't decode, or won't.
    const refused = () => media.error?.code >= 3 && this.tell(this.group.time, null, "unplayable");
    on("error", refused);
    on("pause", () => {
      cancelAnimationFrame(this.frame);
      this.show(media.currentTime);
      if (!media.seeking) this.tell(media.currentTime, null, "pause");
    });
    on("seeked", () => {
      const ours = Math.abs(media.currentTime - (this.asked ?? -1)) < 0.05;
      this.asked = undefined;
      if (!ours && !chosen() && this.goal > 0.05) {
        this.go(this.goal);
        return;
      }
      this.show(media.currentTime);
      // Dragging the player's bar seeks many times: tell of the last.
      clearTimeout(this.soon);
      if (ours || !media.paused) return;
      this.soon = setTimeout(() => this.tell(media.currentTime, null, "seek"), 200);
    });
    refused();
  }

  playing() {
    return this.media?.paused === false;
  }

  run() {
    cancelAnimationFrame(this.frame);
    const step = () => {
      if (!this.playing()) return;
      this.show(this.media.currentTime);
      this.frame = requestAnimationFrame(step);
    };
    step();
  }

  /** Move to a moment, and the player with it. */
  go(time) {
    const { media } = this;
    this.goal = clamp(time, 0, this.data.end);
    this.show(this.goal);
    if (media?.readyState === undefined) return; // a picture, or nothing
    const set = () => {
      if (Math.abs(media.currentTime - this.goal) < 0.02) return;
      this.asked = media.currentTime = this.goal;
    };
    // Before the metadata is there a seek is lost.
    if (media.readyState >= 1) set();
    else media.addEventListener("loadedmetadata", set, { once: true });
  }
}

/** A layer that draws into the view. */
class Layer {
  constructor(view) {
    this.view = view;
    this.node = element("div", this.constructor.css);
    view.root.append(this.node);
  }
}

/** A layer that lies over a part of the page. */
class Overlay {
  constructor(view) {
    this.view = view;
  }

  draw() {
    this.node?.remove();
    this.node = null;
  }

  attach() {
    const parent = document.querySelector(this.where);
    if (this.node && this.node.parentNode === parent) return;
    this.node?.remove();
    this.node = parent && element("div", this.constructor.css, { "aria-hidden": "true" });
    parent?.append(this.node);
    if (parent) this.fill?.();
  }

  place() {
    this.show(this.view.group.time);
  }
}

/** A row of tiles a person: buttons that lead to a moment. */
class Strips extends Layer {
  static css = "strips";

  draw() {
    this.width = undefined;
    this.place();
  }

  place() {
    const width = this.node.clientWidth > 0 && this.node.clientWidth < 480 ? "narrow" : "wide";
    if (width === this.width) return;
    this.width = width;
    const { still, rows } = this.view.data.strips;
    this.node.classList.toggle("still", still);
    this.node.replaceChildren(...rows.map((row) => this.strip(row)));
    this.show(this.view.group.time);
  }

  strip(row) {
    const words = [icon(row.icon), element("span", "", row.chip)];
    const chip = element("span", `chip ${row.state}`, words);
    const [name, unit] = [element("strong", "", row.name), element("span", "unit", row.unit)];
    const head = element("div", "head", name, row.chip && chip, unit);
    const tiles = row.tiles[this.width].map((tile) => this.tile(tile, row.person));
    tiles.forEach((node, i) => {
      node.tabIndex = i === 0 ? 0 : -1;
      const to = (place) => {
        if (!tiles[place]) return;
        node.tabIndex = -1;
        tiles[place].tabIndex = 0;
        tiles[place].focus();
      };
      onKeys(node, {
        ArrowLeft: () => to(i - 1), ArrowRight: () => to(i + 1),
        Home: () => to(0), End: () => to(tiles.length - 1),
      });
    });
    const names = row.names?.map((text) => element("span", "", text));
    const group = element("div", "tiles", { role: "group", "aria-label": row.name },
      names && element("div", "names", names), tiles);
    group.style.setProperty("--columns", tiles.length);
    return element("section", "strip", head, group);
  }

  tile(tile, person) {
    const pictures = tile.pictures.map(({ picture, size, at }) => {
      const source = this.view.data.pictures[picture];
      if (!size) return element("span", "picture", source ? image("", source, "") : icon(tile.icon));
      const node = element("span", "picture");
      node.style.background = `url(${source}) ${at} / ${size}`;
      return node;
    });
    const parts = [pictures, element("span", "bar"), element("span", "score", tile.text)].flat();
    return button(`tile ${tile.state}`, parts, () => this.view.choose(tile.time, person, "tile"), {
      "aria-label": tile.name, "data-from": tile.from, "data-to": tile.to,
    });
  }

  show(time) {
    for (const node of this.node.querySelectorAll(".tile")) {
      const { from, to } = node.dataset;
      const now = time >= Number(from) && (time < Number(to) || Number(to) >= this.view.data.end);
      if (now) node.setAttribute("aria-current", "true");
      else node.removeAttribute("aria-current");
    }
  }
}

/** Boxes with labels on the faces in the page's player. */
class Boxes extends Overlay {
  static css = "um-boxes";

  get where() {
    return this.view.data.player.place;
  }

  fill() {
    this.marks = this.view.data.boxes.people.map((person) => {
      const [box, state, text] = [element("div", "um-box"), icon(""), element("span")];
      const label = element("div", "um-box-label", state, text);
      this.node.append(box, label);
      return { person, box, label, state, text };
    });
  }

  /** Return where the picture stands inside its element: the rest is letterbox. */
  area() {
    const { media, data } = this.view;
    const [width, height] = data.boxes.size;
    if (media.tagName === "VIDEO") media.style.aspectRatio = `${width} / ${height}`;
    const box = media.getBoundingClientRect();
    const parent = this.node.parentNode.getBoundingClientRect();
    const scale = Math.min(box.width / width, box.height / height);
    return {
      left: box.left - parent.left + (box.width - width * scale) / 2,
      top: box.top - parent.top + (box.height - height * scale) / 2,
      width: width * scale, height: height * scale, scale,
    };
  }

  show(time) {
    if (!this.node || !this.view.media) return;
    const { step, unjudged } = this.view.data.boxes;
    const { scale, ...area } = this.area();
    this.node.hidden = area.width < 2;
    for (const [name, value] of Object.entries(area)) this.node.style[name] = `${value}px`;
    for (const { person, box, label, state, text } of this.marks) {
      const face = faceAt(person.faces, time, step);
      box.hidden = label.hidden = !face;
      if (!face) continue;
      const look = face.word ? unjudged : person;
      const [x0, y0, x1, y1] = face.box.map((v) => v * scale);
      Object.assign(box.style, {
        transform: `translate(${x0}px, ${y0}px)`, width: `${x1 - x0}px`, height: `${y1 - y0}px`,
        borderColor: look.color, borderStyle: look.dash,
      });
      state.textContent = look.icon;
      state.style.color = look.color;
      const short = area.width < 480;
      text.textContent = short ? person.id : `${person.id} · ${face.word ?? person.label}`;
      const [wide, high] = [label.offsetWidth, label.offsetHeight];
      const left = Math.max(0, Math.min(x0, area.width - wide));
      const top = y0 - high - 2 >= 0 ? y0 - high - 2 : Math.min(y1 + 2, area.height - high);
      label.style.transform = `translate(${left}px, ${Math.max(0, top)}px)`;
    }
  }
}

/** Return a face between two looked-at moments, if both are near enough to draw a line from one to
 * the other; at the edge of a stretch for half a step. */
function faceAt(faces, time, step) {
  const next = faces.findIndex((face) => face.time >= time);
  const after = next < 0 ? faces.length : next;
  const [a, b] = [faces[after - 1], faces[after]];
  if (a && b && b.time - a.time <= 1.6 * step) {
    const part = (time - a.time) / (b.time - a.time);
    const near = part < 0.5 ? a : b;
    return { box: a.box.map((v, i) => v + part * (b.box[i] - v)), word: near.word };
  }
  return [a, b].find((face) => face && Math.abs(face.time - time) <= 0.6 * step) ?? null;
}

/** One line over all of the page's plotly lanes, with a dot on each score. */
class Cursor extends Overlay {
  static css = "um-cursor";

  get where() {
    return this.view.data.cursor.place;
  }

  show(time) {
    if (!this.node?.isConnected) return;
    const { left, right, sizes, lines } = this.view.data.cursor;
    const lanes = this.node.parentNode;
    const parent = lanes.getBoundingClientRect();
    const plots = [...lanes.querySelectorAll(".js-plotly-plot")].slice(0, sizes.length);
    const boxes = plots.map((plot) => plot.getBoundingClientRect());
    const nodes = [];
    const add = (css, style, text) => {
      const node = element("div", css, text);
      for (const [name, value] of Object.entries(style)) node.style[name] = `${value}px`;
      nodes.push(node);
    };
    boxes.forEach((box, i) => {
      const span = box.width - left - right;
      if (span <= 0) return;
      const x = box.left - parent.left + left + (time / this.view.data.end) * span;
      const top = box.top - parent.top + sizes[i].top;
      const below = boxes[i + 1];
      // Lanes that stand close are joined; on a phone each has a heading between.
      const joined = below && below.top - box.bottom < 30;
      const bottom = joined ? below.top - parent.top + sizes[i + 1].top : top + sizes[i].plot;
      add("um-cursor-line", { left: x, top, height: bottom - top });
      const score = between(lines[i], time);
      if (score !== null) add("um-cursor-dot", { left: x, top: top + sizes[i].plot * (1 - score) });
      if (i === 0) add("um-cursor-tag", { left: Math.max(x, 30), top }, clock(time));
    });
    this.node.replaceChildren(...nodes);
  }
}

function between(line, time) {
  if (!line.length) return null;
  const after = line.findIndex(([t]) => t >= time);
  if (after <= 0) return line.at(after)[1]; // before the first, or past the last
  const [[t0, s0], [t1, s1]] = [line[after - 1], line[after]];
  return s0 === null || s1 === null ? null : s0 + ((s1 - s0) * (time - t0)) / (t1 - t0);
}

/** Lanes over one time axis: marks, pictures, and a slider over all of them. */
class Plot extends Layer {
  static css = "plot";

  draw() {
    const { plot, end } = this.view.data;
    this.node.classList.toggle("ticked", plot.lanes.some((lane) => lane.ticks));
    const times = plot.times.map(([time, text]) => standing(element("span", "", text), time / end));
    this.node.replaceChildren(
      element("div", "lanes", plot.lanes.map((lane) => this.lane(lane)), this.slider()),
      element("div", "axis", times),
    );
  }

  lane(lane) {
    const { end, pictures } = this.view.data;
    const across = (part, from, to) => {
      const [left, width] = [from, to - from].map((time) => `${(100 * time) / end}%`);
      Object.assign(part.style, { left, width });
      return part;
    };
    const spans = lane.spans?.map(({ start, end: to, name }) => {
      const act = () => this.view.choose(start);
      return across(button("", "", act, { "aria-label": name, title: name }), start, to);
    });
    const drawn = lane.pictures?.map(({ css, picture, alt, start, end: to }) =>
      across(image(css, pictures[picture], alt), start, to));
    const ticks = lane.ticks?.map(({ level, text, css }) => {
      const tick = element("span", `tick ${css}`, text);
      tick.style.top = `${100 * (1 - level)}%`;
      return tick;
    });
    const [name, note] = [element("strong", "", lane.name), element("span", "", lane.note)];
    return element("section", "lane",
      lane.name && element("div", "head", name, note),
      element("div", "body",
        spans && element("div", "speech", spans), drawn, lane.marks && this.marks(lane), ticks));
  }

  marks({ height, alt, marks }) {
    const svg = shape("svg", {
      viewBox: `0 0 1000 ${height}`, preserveAspectRatio: "none", height,
      role: "img", "aria-label": alt,
    });
    const at = ([time, level]) =>
      `${((1000 * time) / this.view.data.end).toFixed(1)} ${(height * (1 - level)).toFixed(1)}`;
    for (const mark of marks) {
      const lines = mark.paths.map((path) => `M${path.map(at).join("L")}${mark.area ? "Z" : ""}`);
      svg.append(shape("path", { class: mark.css, d: lines.join("") }));
    }
    return svg;
  }

  slider() {
    const { view } = this;
    const { plot, end, moments } = view.data;
    this.tag = element("span", "tag");
    this.cursor = element("div", "cursor", this.tag);
    this.over = element("div", "over", this.cursor, {
      role: "slider", tabindex: 0, "aria-label": plot.move,
      "aria-valuemin": 0, "aria-valuemax": moments ? moments.length - 1 : end,
    });
    this.over.addEventListener("click", (event) => {
      const box = this.over.getBoundingClientRect();
      view.choose(((event.clientX - box.left) / box.width) * end);
    });
    const by = (steps, seconds) => () =>
      moments ? view.step(view.index + steps) : view.choose(view.group.time + seconds);
    onKeys(this.over, {
      ArrowLeft: by(-1, -0.5), ArrowRight: by(1, 0.5), PageUp: by(-5, -5), PageDown: by(5, 5),
      Home: () => view.choose(0), End: () => view.choose(end),
    });
    return this.over;
  }

  show(time) {
    const { plot, end, moments } = this.view.data;
    const share = Math.min(time, end) / end;
    this.cursor.style.left = `${100 * share}%`;
    this.tag.textContent = clock(time);
    standing(this.tag, share, 0);
    withAttributes(this.over, {
      "aria-valuenow": moments ? this.view.index : time.toFixed(1),
      "aria-valuetext": plot.says?.[this.view.index] ?? clock(time),
    });
  }
}

/** Two files laid on each other: wipe, blink, side by side, difference. */
class Viewer extends Layer {
  static css = "viewer";
  mode = "wipe";

  draw() {
    const { words, size, modes, moments } = this.view.data.viewer;
    this.modes = choice(words.how, modes, this.mode, (mode) => this.switch(mode));
    this.at = element("span", "at");
    this.destroy(); // what an earlier drawing has begun
    this.range = null;
    this.pictures = { copy: image(), original: image(), heat: image() };
    const frames = Object.entries(this.pictures).map(([name, picture]) => {
      const title = words[name] && element("span", "name", words[name]);
      return element("div", `frame ${name}`, picture, title);
    });
    // The edge lies under a slider of the whole stage, which brings keys and dragging.
    this.handle = range("handle", 100, 2, words.edge, () => this.wipe());
    this.handle.value = this.share ?? 50;
    const edge = element("div", "edge", element("span", "grip", "⇄", { "aria-hidden": "true" }));
    this.stage = element("div", "stage", frames, edge, this.handle);
    this.stage.style.setProperty("--shape", size.join(" / "));
    this.stage.style.setProperty("--tall", size[0] / size[1]);
    const head = element("div", "head", this.modes, this.at);
    this.node.replaceChildren(head, this.stage, ...(moments.length > 1 ? [this.controls()] : []));
    this.switch(this.mode);
    this.wipe();
  }

  controls() {
    const { view } = this;
    const { words, moments } = view.data.viewer;
    const control = (symbol, name, act) =>
      button("icon", symbol, act, { "aria-label": name, title: name });
    this.player = control("", "", () => (this.playing ? this.stop() : this.play()));
    this.stop();
    const choose = () => view.step(Number(this.range.value));
    this.range = range("", moments.length - 1, 1, words.moment, choose);
    return element("div", "controls",
      control("skip_previous", words.before, () => view.step(view.index - 1)),
      this.player,
      control("skip_next", words.next, () => view.step(view.index + 1)),
      this.range);
  }

  switch(mode) {
    this.mode = this.stage.dataset.mode = mode;
    clearInterval(this.blinking);
    this.view.data.viewer.modes.forEach(([name], i) => {
      this.modes.children[i].setAttribute("aria-pressed", name === mode);
    });
    if (mode !== "blink") return;
    const flip = () => this.stage.classList.toggle("flipped");
    flip();
    // Where motion is not wanted, each press flips.
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!calm) this.blinking = setInterval(flip, 250);
  }

  wipe() {
    this.share = this.handle.value;
    this.stage.style.setProperty("--edge", `${this.share}%`);
    const text = this.view.data.viewer.words.wiped.replace("{share}", this.share);
    withAttributes(this.handle, { "aria-valuenow": this.share, "aria-valuetext": text });
  }

  play() {
    const { moments, viewer } = this.view.data;
    this.playing = setInterval(() => {
      const last = this.view.index >= moments.length - 1;
      if (last && this.mode !== "wipe") this.stop();
      this.view.step(last ? 0 : this.view.index + 1);
    }, 400);
    withAttributes(this.player, { "aria-label": viewer.words.pause }).textContent = "pause";
  }

  stop() {
    clearInterval(this.playing);
    this.playing = null;
    const { play } = this.view.data.viewer.words;
    withAttributes(this.player, { "aria-label": play, title: play }).textContent = "play_arrow";
  }

  destroy() {
    clearInterval(this.playing);
    clearInterval(this.blinking);
  }

  show() {
    const { viewer, pictures } = this.view.data;
    const moment = viewer.moments[this.view.index];
    for (const [name, node] of Object.entries(this.pictures)) {
      Object.assign(node, { src: pictures[moment[name]], alt: moment.alt[name] });
    }
    if (!this.range) return;
    this.at.textContent = moment.place;
    this.range.value = this.view.index;
    this.range.setAttribute("aria-valuetext", moment.place);
  }
}

/** Where two files differ at the moment. */
class Difference extends Layer {
  static css = "map";

  draw() {
    this.at = element("span", "at");
    this.picture = image("heatmap");
    this.node.replaceChildren(this.at, this.picture);
  }

  show(time) {
    const { pictures, map } = this.view.data;
    const { heat, alt } = map[this.view.index];
    Object.assign(this.picture, { src: pictures[heat], alt });
    this.at.textContent = clock(time);
  }
}

const LAYERS = {
  boxes: Boxes, cursor: Cursor, plot: Plot, viewer: Viewer, strips: Strips, map: Difference,
};
