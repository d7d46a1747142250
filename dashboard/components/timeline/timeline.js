// The timeline: layers that show one moment of a recording and let a person choose another.
//
// Python writes `data.html`; what moves in it is found by its class:
//   .tile   stands for a stretch of time            .over   a slider over lanes
//   .stage  two files laid on each other            img[data-name], .at  what a moment shows
// and over the page lie, where `data` has them:
//   boxes   on the faces in the player              cursor  a line over the plotly lanes
// The layers share `id` (views with one id show the same moment), `version` (changes when anything
// but the moment changes), `end` (s), `moments` (times that can be chosen; any time without them)
// with what is `shown` at each and what the slider `says`, and `player`.
//
// setTriggerValue("moment", {time, person, cause}) reports the moment that a person chose, and if
// the view leads the player also where that is paused or seeks. While a video plays, everything
// moves here and the server hears nothing. `data.seek` grows by one whenever the server moved the
// moment, so that an echo of our own report never seeks again.

const views = new WeakMap();
const groups = (window.umTimelines ??= new Map());
const LABEL = 24; // px, of a label over a box

export default function ({ parentElement: root, data, setTriggerValue }) {
  let view = views.get(root);
  if (!view) views.set(root, (view = new View(root.querySelector(".timeline"))));
  view.update(data, setTriggerValue);
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

/** Call act(goal) for keys that lead to one of `goals(element)`. */
const onKeys = (element, goals, act) => {
  element.onkeydown = (event) => {
    const goal = goals(event.target)[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    act(goal, event.target);
  };
};

class View {
  constructor(root) {
    this.root = root;
    this.calls = 0;
    this.layers = [];
    this.sizes = new ResizeObserver(() => this.place());
    this.page = new MutationObserver((changes) => {
      // Overlays change with every frame; only the page's changes matter, once a frame.
      if (changes.every(({ target }) => target.closest(".um-over"))) return;
      this.pending ||= requestAnimationFrame(() => this.attach());
    });
    const page = document.querySelector('[data-testid="stMainBlockContainer"]') ?? document.body;
    this.page.observe(page, { childList: true, subtree: true });
    root.onclick = ({ target }) => {
      const { time, person, step } = target.closest("button")?.dataset ?? {};
      if (time) this.choose(Number(time), person);
      if (step) this.choose(this.beside(Number(step)));
    };
  }

  destroy() {
    this.watch(null);
    this.sizes.disconnect();
    this.page.disconnect();
    cancelAnimationFrame(this.pending);
    clearTimeout(this.soon);
    this.clear();
    this.leave();
  }

  clear() {
    for (const layer of this.layers) layer.destroy?.();
  }

  leave() {
    this.group?.views.delete(this);
    if (this.group?.views.size === 0) groups.delete(this.data.id);
  }

  update(data, report) {
    const before = this.data;
    const seek = before ? data.seek !== before.seek : data.player?.leads;
    if (data.id !== before?.id) {
      this.leave();
      this.group = groups.get(data.id) ?? { time: data.time, views: new Set() };
      groups.set(data.id, this.group);
      this.group.views.add(this);
    }
    Object.assign(this, { data, report });
    if (data.version !== before?.version) this.draw();
    this.attach();
    if (seek) this.go(data.time);
    else if (!this.playing) this.show(this.group.time);
  }

  draw() {
    const { root, data } = this;
    const kinds = { ".tile": Tiles, ".over": Slider, ".at": Pictures, ".stage": Stage };
    this.clear();
    root.innerHTML = data.html;
    this.layers = Object.keys(kinds)
      .filter((css) => root.querySelector(css))
      .map((css) => new kinds[css](this));
    if (data.boxes) this.layers.push(new Boxes(this));
    if (data.cursor) this.layers.push(new Cursor(this));
  }

  /** Draw again what depends on where the parts of the page stand. */
  place() {
    for (const layer of this.layers) if (layer instanceof Overlay) layer.show(this.group.time);
  }

  /** Return the position of the moment that is nearest to a time. */
  nearest(time) {
    const away = this.data.moments.map((moment) => Math.abs(moment - time));
    return away.indexOf(Math.min(...away));
  }

  get index() {
    return this.nearest(this.group.time);
  }

  /** Return the moment that is so many steps away. */
  beside(steps) {
    const { moments } = this.data;
    return moments[clamp(this.index + steps, 0, moments.length - 1)];
  }

  /** Do what a person asked for. */
  choose(time, person = null) {
    this.go(this.data.moments?.[this.nearest(time)] ?? time);
    this.tell("click", this.group.time, person);
  }

  tell(cause, time, person = null) {
    if (this.data.player) this.report("moment", { time, person, cause });
  }

  show(time) {
    this.group.time = time;
    for (const view of this.group.views) view.layers.forEach((layer) => layer.show(time));
  }

  // --- the page's player and lanes, which Streamlit may draw later or anew

  attach() {
    this.pending = 0;
    const { player, cursor } = this.data;
    const parts = [player, cursor].map((part) => part && document.querySelector(part.place));
    this.watch(parts[0]?.querySelector("video, audio"));
    this.sizes.disconnect();
    for (const part of [this.root, ...parts]) if (part) this.sizes.observe(part);
    this.place();
  }

  watch(media) {
    if (media === this.media) return;
    this.watching?.abort();
    this.media = media;
    if (!media) return;
    this.watching = new AbortController();
    const on = (name, act) => media.addEventListener(name, act, { signal: this.watching.signal });
    let touched = false;
    for (const name of ["play", "pointerdown", "keydown"]) on(name, () => (touched = true));
    // Streamlit sets a start of its own, 0, sooner or later than we do: nobody chose that.
    const chosen = () => touched || media.currentTime > 0.05;
    on("play", () => this.run());
    on("timeupdate", () => chosen() && this.show(media.currentTime));
    if (this.data.player.leads) this.lead(media, on, chosen);
    this.run();
  }

  /** Report what a person does with the player. */
  lead(media, on, chosen) {
    // Not an interrupted download: only what this browser can't decode, or won't.
    const refused = () => media.error?.code >= 3 && this.tell("unplayable", this.group.time);
    on("error", refused);
    on("pause", () => {
      this.show(media.currentTime);
      if (!media.seeking) this.tell("pause", media.currentTime);
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
      this.soon = setTimeout(() => this.tell("seek", media.currentTime), 200);
    });
    refused();
  }

  get playing() {
    return this.media?.paused === false;
  }

  /** Follow the playback, frame by frame. */
  run() {
    cancelAnimationFrame(this.frame);
    if (!this.playing) return;
    this.show(this.media.currentTime);
    this.frame = requestAnimationFrame(() => this.run());
  }

  /** Move to a moment, and the player with it. */
  go(time) {
    const { media } = this;
    this.goal = clamp(time, 0, this.data.end);
    this.show(this.goal);
    if (!media) return;
    const set = () => {
      if (Math.abs(media.currentTime - this.goal) < 0.02) return;
      this.asked = media.currentTime = this.goal;
    };
    // Before the metadata is there a seek is lost.
    if (media.readyState >= 1) set();
    else media.addEventListener("loadedmetadata", set, { once: true });
  }
}

/** Tiles: which of them the moment is in. Arrow keys walk through a row. */
class Tiles {
  constructor({ root, data }) {
    this.end = data.end;
    this.all = root.querySelectorAll(".tile");
    for (const tile of root.querySelectorAll(".tile ~ .tile")) tile.tabIndex = -1;
    const goals = (tile) => ({
      ArrowLeft: tile.previousElementSibling, ArrowRight: tile.nextElementSibling,
      Home: tile.parentNode.querySelector(".tile"), End: tile.parentNode.lastElementChild,
    });
    onKeys(root.querySelector(".strips"), goals, (goal, tile) => {
      if (!goal?.matches(".tile")) return;
      tile.tabIndex = -1;
      goal.tabIndex = 0;
      goal.focus();
    });
  }

  show(time) {
    for (const tile of this.all) {
      const [from, to] = [Number(tile.dataset.from), Number(tile.dataset.to)];
      tile.ariaCurrent = time >= from && (time < to || to >= this.end) ? "true" : null;
    }
  }
}

/** A slider over lanes. */
class Slider {
  constructor(view) {
    this.view = view;
    const { moments, end } = view.data;
    this.over = view.root.querySelector(".over");
    this.over.onclick = ({ clientX }) => {
      const { left, width } = this.over.getBoundingClientRect();
      view.choose(((clientX - left) / width) * end);
    };
    const by = (steps, seconds) => (moments ? view.beside(steps) : view.group.time + seconds);
    const goals = () => ({
      ArrowLeft: by(-1, -0.5), ArrowRight: by(1, 0.5), PageUp: by(-5, -5), PageDown: by(5, 5),
      Home: 0, End: end,
    });
    onKeys(this.over, goals, (goal) => view.choose(goal));
  }

  show(time) {
    const { end, moments, says } = this.view.data;
    this.over.style.setProperty("--at", Math.min(time, end) / end);
    this.over.querySelector(".tag").textContent = clock(time);
    this.over.ariaValueNow = moments ? this.view.index : time.toFixed(1);
    this.over.ariaValueText = says?.[this.view.index] ?? clock(time);
  }
}

/** What is shown at the moment: its name, and pictures; a tile has a part of its own moment's. */
class Pictures {
  constructor(view) {
    this.view = view;
    this.images = view.root.querySelectorAll("img[data-name]");
    for (const { style, dataset } of view.root.querySelectorAll(".picture[data-name]")) {
      style.backgroundImage = `url(${view.data.shown[dataset.moment][dataset.name].src})`;
    }
  }

  show(time) {
    const shown = this.view.data.shown[this.view.index];
    for (const image of this.images) Object.assign(image, shown[image.dataset.name]);
    this.view.root.querySelector(".at").textContent = shown.place ?? clock(time);
  }
}

/** Two files laid on each other: wipe, blink, side by side, difference. */
class Stage {
  constructor(view) {
    this.view = view;
    const find = (css) => view.root.querySelector(css);
    [this.stage, this.bar, this.player] = [".stage", ".moment", ".play"].map(find);
    this.modes = view.root.querySelectorAll(".choice button");
    for (const mode of this.modes) mode.onclick = () => this.switch(mode.value);
    this.switch(view.mode ?? "wipe");
    // The edge lies under a slider of the whole stage, which brings keys and dragging.
    const handle = find(".handle");
    handle.oninput = () => this.wipe(handle);
    handle.value = view.share ?? 50;
    this.wipe(handle);
    if (!this.bar) return;
    this.bar.oninput = () => view.choose(view.data.moments[this.bar.value]);
    this.player.onclick = () => this.play(!this.playing);
    this.play(false);
  }

  destroy() {
    clearInterval(this.playing);
  }

  switch(mode) {
    this.view.mode = this.stage.dataset.mode = mode;
    for (const button of this.modes) button.ariaPressed = button.value === mode;
    // It blinks by itself, or with each press where motion is not wanted.
    if (mode === "blink") this.stage.classList.toggle("flipped");
  }

  wipe(handle) {
    this.view.share = handle.value;
    this.stage.style.setProperty("--edge", `${handle.value}%`);
    handle.ariaValueText = handle.dataset.says.replace("{share}", handle.value);
  }

  play(playing) {
    const { view, player } = this;
    const next = () => {
      const last = view.index >= view.data.moments.length - 1;
      if (last && view.mode !== "wipe") this.play(false);
      view.choose(last ? 0 : view.beside(1));
    };
    clearInterval(this.playing);
    this.playing = playing && setInterval(next, 400);
    player.textContent = playing ? "pause" : "play_arrow";
    player.ariaLabel = player.title = playing ? player.dataset.pause : player.dataset.play;
  }

  show() {
    if (!this.bar) return;
    this.bar.value = this.view.index;
    this.bar.ariaValueText = this.view.data.shown[this.view.index].place;
  }
}

/** A layer over a part of the page: all of it is drawn at each moment. */
class Overlay {
  constructor(view, css, place) {
    Object.assign(this, { view, place, node: document.createElement("div") });
    this.node.className = `um-over ${css}`;
    this.node.ariaHidden = "true";
  }

  destroy() {
    this.node.remove();
  }

  show(time) {
    const parent = document.querySelector(this.place);
    if (!parent) return;
    if (this.node.parentNode !== parent) parent.append(this.node);
    this.node.innerHTML = this.drawn(time, parent).join("");
  }
}

/** Boxes with labels on the faces in the page's player. */
class Boxes extends Overlay {
  constructor(view) {
    super(view, "um-boxes", view.data.player.place);
  }

  drawn(time) {
    const { size, step, people } = this.view.data.boxes;
    // The picture is as large as fits, in the middle: the rest is letterbox.
    const { clientWidth, clientHeight } = this.node;
    const scale = Math.min(clientWidth / size[0], clientHeight / size[1]);
    const [width, height] = size.map((side) => side * scale);
    const marks = people.map(({ faces, looks }) => {
      const face = faceAt(faces, time, step);
      if (!face) return "";
      const { border, label } = looks[face.why];
      const [x0, y0, x1, y1] = face.box.map((v) => v * scale);
      const at = `left: ${x0}px; top: ${y0}px; width: ${x1 - x0}px; height: ${y1 - y0}px`;
      const top = y0 >= LABEL ? y0 - LABEL : Math.min(y1 + 2, height - LABEL);
      return `<div class="um-box" style="${at}; border: 2px ${border}"></div>
        <div class="um-box-line" style="--left: ${x0}px; top: ${Math.max(0, top)}px">
          <div class="um-box-label">${label}</div></div>`;
    });
    return [`<div style="width: ${width}px; height: ${height}px">`, ...marks, "</div>"];
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
    return { box: a.box.map((v, i) => v + part * (b.box[i] - v)), why: near.why };
  }
  return [a, b].find((face) => face && Math.abs(face.time - time) <= 0.6 * step) ?? null;
}

/** One line over all of the page's plotly lanes, with a dot on each score. */
class Cursor extends Overlay {
  constructor(view) {
    super(view, "um-cursor", view.data.cursor.place);
  }

  drawn(time, lanes) {
    const { left, right, sizes, lines } = this.view.data.cursor;
    const parent = lanes.getBoundingClientRect();
    const plots = [...lanes.querySelectorAll(".js-plotly-plot")].slice(0, sizes.length);
    const boxes = plots.map((plot) => plot.getBoundingClientRect());
    return boxes.map((box, i) => {
      const span = box.width - left - right;
      if (span <= 0) return "";
      const x = box.left - parent.left + left + (time / this.view.data.end) * span;
      const top = box.top - parent.top + sizes[i].top;
      const below = boxes[i + 1];
      // Lanes that stand close are joined; on a phone each has a heading between.
      const joined = below && below.top - box.bottom < 30;
      const height = joined ? below.top - box.top + sizes[i + 1].top - sizes[i].top : sizes[i].plot;
      const score = between(lines[i], time);
      const part = (name, y, more = "", text = "") =>
        `<div class="um-cursor-${name}" style="left: ${x}px; top: ${y}px; ${more}">${text}</div>`;
      return [
        part("line", top, `height: ${height}px`),
        score === null ? "" : part("dot", top + sizes[i].plot * (1 - score)),
        i > 0 ? "" : part("tag", top, `left: ${Math.max(x, 30)}px`, clock(time)),
      ].join("");
    });
  }
}

function between(line, time) {
  if (!line.length) return null;
  const after = line.findIndex(([t]) => t >= time);
  if (after <= 0) return line.at(after)[1]; // before the first, or past the last
  const [[t0, s0], [t1, s1]] = [line[after - 1], line[after]];
  return s0 === null || s1 === null ? null : s0 + ((s1 - s0) * (time - t0)) / (t1 - t0);
}
