// A copy laid on its original: wipe, blink, side by side, difference; one moment in all parts.
//
// A page mounts it in up to three places (`data.part`: "viewer", "map", "chart"). They share a store
// by the id of the comparison, so that a moment chosen in one is shown by all, without the server.

const views = new WeakMap();
const stores = (window.umComparisons ??= new Map());

export default function (component) {
  const root = component.parentElement;
  let view = views.get(root);
  const { part } = component.data;
  if (!view) {
    const kind = { viewer: Viewer, map: Heat, chart: Chart }[part];
    views.set(root, (view = new kind(root.querySelector(".compared"))));
  }
  view.update(component.data);
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
const filled = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

/** What all parts of one comparison share. */
function shared(id) {
  let store = stores.get(id);
  if (!store) {
    store = { index: null, person: null, moments: null, parts: new Set() };
    stores.set(id, store);
  }
  return store;
}

class Part {
  constructor(root) {
    this.root = root;
    this.calls = 0;
  }

  update(data) {
    const same = this.data?.version === data.version;
    this.data = data;
    if (this.store && this.store !== shared(data.id)) this.store.parts.delete(this);
    this.store = shared(data.id);
    this.store.parts.add(this);
    this.store.index ??= data.start;
    this.store.person ??= data.people[0]?.id ?? null;
    if (!same) this.draw();
    this.show();
  }

  destroy() {
    this.store.parts.delete(this);
    if (!this.store.parts.size) stores.delete(this.data.id);
  }

  get moment() {
    return this.data.moments[this.store.index];
  }

  face(moment) {
    return moment.faces.find((face) => face.person === this.store.person);
  }

  go(index) {
    this.store.index = Math.min(Math.max(index, 0), this.data.moments.length - 1);
    for (const part of this.store.parts) part.show();
  }

  turn(person) {
    this.store.person = person;
    for (const part of this.store.parts) {
      part.draw();
      part.show();
    }
  }
}

const MODES = ["wipe", "blink", "both", "difference"];

class Viewer extends Part {
  constructor(root) {
    super(root);
    this.mode = "wipe";
    this.share = 50;
    this.flipped = false;
  }

  destroy() {
    this.stop();
    clearInterval(this.blinking);
    super.destroy();
  }

  draw() {
    const { words, moments, size } = this.data;
    this.store.moments = moments;
    const head = element("div", "head");
    const group = element("div", "choice");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", words.how);
    this.modes = MODES.map((mode) => {
      const button = element("button");
      button.type = "button";
      button.append(element("span", "wide", words[mode]), element("span", "narrow", words.short[mode]));
      button.addEventListener("click", () => this.switch(mode));
      group.append(button);
      return button;
    });
    this.at = element("span", "at");
    head.append(group, this.at);

    this.stage = element("div", "stage");
    this.stage.style.setProperty("--shape", `${size[0]} / ${size[1]}`);
    this.stage.style.setProperty("--tall", size[0] / size[1]);
    this.pictures = {};
    for (const name of ["copy", "original", "heat"]) {
      const frame = element("div", `frame ${name}`);
      const picture = element("img");
      picture.draggable = false;
      frame.append(picture);
      if (name !== "heat") frame.append(element("span", "name", words.names[name]));
      this.pictures[name] = picture;
      this.stage.append(frame);
    }
    this.handle = element("div", "handle");
    this.handle.tabIndex = 0;
    this.handle.setAttribute("role", "slider");
    this.handle.setAttribute("aria-label", words.edge);
    this.handle.setAttribute("aria-valuemin", "0");
    this.handle.setAttribute("aria-valuemax", "100");
    const grip = element("span", "grip", "⇄");
    grip.setAttribute("aria-hidden", "true");
    this.handle.append(grip);
    this.handle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2 }[event.key];
      const to = { Home: 0, End: 100 }[event.key];
      if (step === undefined && to === undefined) return;
      event.preventDefault();
      this.wipe(to ?? this.share + step);
    });
    this.stage.append(this.handle);
    this.stage.addEventListener("pointerdown", (event) => {
      if (this.mode !== "wipe") return;
      this.stage.setPointerCapture(event.pointerId);
      this.dragging = true;
      this.drag(event);
    });
    this.stage.addEventListener("pointermove", (event) => this.dragging && this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) {
      this.stage.addEventListener(name, () => (this.dragging = false));
    }
    const parts = [head, this.stage];
    if (moments.length > 1) parts.push(this.controls(), this.strip());
    this.root.replaceChildren(...parts);
    this.switch(this.mode);
    this.wipe(this.share);
  }

  controls() {
    const { words, moments } = this.data;
    const row = element("div", "controls");
    const button = (icon, name, act) => {
      const made = element("button", "icon", icon);
      made.type = "button";
      made.title = name;
      made.setAttribute("aria-label", name);
      made.addEventListener("click", act);
      return made;
    };
    this.player = button("play_arrow", words.play, () => (this.playing ? this.stop() : this.play()));
    this.range = element("input");
    Object.assign(this.range, { type: "range", min: 0, max: moments.length - 1, step: 1 });
    this.range.setAttribute("aria-label", words.moment);
    this.range.addEventListener("input", () => this.go(Number(this.range.value)));
    this.clock = element("span", "clock");
    row.append(
      button("skip_previous", words.before, () => this.go(this.store.index - 1)),
      this.player,
      button("skip_next", words.next, () => this.go(this.store.index + 1)),
      this.range,
      this.clock,
    );
    return row;
  }

  strip() {
    const { words, moments, people } = this.data;
    const section = element("section", "strip");
    this.tiles = new Map();
    if (!people.length) return section;
    const head = element("div", "head");
    head.append(element("strong", "", words.strip));
    if (people.length > 1) {
      const group = element("div", "choice small");
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", words.person);
      for (const person of people) {
        const button = element("button", "", person.name);
        button.type = "button";
        button.setAttribute("aria-pressed", String(person.id === this.store.person));
        button.addEventListener("click", () => this.turn(person.id));
        group.append(button);
      }
      head.append(group);
    }
    head.append(element("span", "at", words.unit));
    const grid = element("div", "tiles");
    const names = element("div", "tile names");
    for (const text of [words.names.original, words.names.copyShort, words.apart]) {
      names.append(element("span", "", text));
    }
    grid.append(names);
    const seen = moments.map((m, i) => i).filter((i) => this.face(moments[i]));
    const count = Math.min(10, seen.length);
    const step = count > 1 ? (seen.length - 1) / (count - 1) : 0;
    [...new Array(count).keys()]
      .map((n) => seen[Math.round(n * step)])
      .forEach((index, place) => grid.append(this.tile(index, place)));
    section.append(head, grid);
    return section;
  }

  tile(index, place) {
    const moment = this.data.moments[index];
    const face = this.face(moment);
    const tile = element("button", `tile${place % 2 ? " wide" : ""}${face.differs ? " differs" : ""}`);
    tile.type = "button";
    tile.setAttribute("aria-label", face.label);
    const [width, height] = this.data.size;
    const side = Math.min(width, height, face.crop[2]);
    const place2 = (at, full) => (full > side ? (100 * Math.min(Math.max(at, 0), full - side)) / (full - side) : 0);
    for (const name of ["original", "copy"]) {
      const crop = element("span", "crop");
      crop.style.backgroundImage = `url(${moment[name]})`;
      crop.style.backgroundSize = `${(100 * width) / side}% ${(100 * height) / side}%`;
      crop.style.backgroundPosition = `${place2(face.crop[0], width)}% ${place2(face.crop[1], height)}%`;
      tile.append(crop);
    }
    tile.append(element("span", "level", face.text));
    tile.addEventListener("click", () => this.go(index));
    this.tiles.set(index, tile);
    return tile;
  }

  switch(mode) {
    this.mode = mode;
    clearInterval(this.blinking);
    this.blinking = null;
    this.modes.forEach((button, i) => button.setAttribute("aria-pressed", String(MODES[i] === mode)));
    this.stage.dataset.mode = mode;
    this.handle.hidden = mode !== "wipe";
    if (mode === "blink") {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.flip();
      // Where motion is not wanted, each press flips.
      if (!calm) this.blinking = setInterval(() => this.flip(), 250);
    }
  }

  flip() {
    this.flipped = !this.flipped;
    this.stage.classList.toggle("flipped", this.flipped);
  }

  drag(event) {
    const box = this.stage.getBoundingClientRect();
    this.wipe((100 * (event.clientX - box.left)) / box.width);
  }

  wipe(share) {
    this.share = Math.min(Math.max(share, 0), 100);
    this.stage.style.setProperty("--edge", `${this.share}%`);
    const text = filled(this.data.words.wiped, { share: Math.round(this.share) });
    this.handle.setAttribute("aria-valuenow", String(Math.round(this.share)));
    this.handle.setAttribute("aria-valuetext", text);
  }

  play() {
    this.playing = setInterval(() => {
      const last = this.store.index >= this.data.moments.length - 1;
      if (last && this.mode !== "wipe") this.stop();
      this.go(last ? 0 : this.store.index + 1);
    }, 400);
    this.player.textContent = "pause";
    this.player.setAttribute("aria-label", this.data.words.pause);
  }

  stop() {
    clearInterval(this.playing);
    this.playing = null;
    if (!this.player) return;
    this.player.textContent = "play_arrow";
    this.player.setAttribute("aria-label", this.data.words.play);
  }

  show() {
    const { moment, data } = this;
    for (const name of ["copy", "original", "heat"]) {
      this.pictures[name].src = moment[name];
      this.pictures[name].alt = moment.alt[name];
    }
    this.at.textContent = data.moments.length > 1 ? moment.place : "";
    if (!this.range) return;
    this.range.value = this.store.index;
    this.range.setAttribute("aria-valuetext", moment.place);
    this.clock.textContent = `${moment.clock} / ${data.end}`;
    for (const [index, tile] of this.tiles) {
      tile.setAttribute("aria-current", String(index === this.store.index));
    }
  }
}

class Heat extends Part {
  draw() {
    const { words } = this.data;
    const head = element("div", "head");
    head.append(element("h2", "", words.where), (this.at = element("span", "at")));
    this.picture = element("img", "heatmap");
    const scale = element("div", "scale");
    scale.append(element("span", "", words.none), element("i"), element("span", "", words.most));
    this.root.replaceChildren(head, this.picture, scale, element("p", "note", words.after));
  }

  show() {
    this.picture.src = this.moment.heat;
    this.picture.alt = this.moment.alt.heat;
    this.at.textContent = this.moment.clock;
  }
}

class Chart extends Part {
  draw() {
    const { words, moments, people, top, length } = this.data;
    const head = element("div", "head");
    head.append(element("h2", "", words.time), element("span", "at", words.axis));
    const plot = element("div", "plot");
    const svg = shape("svg", { viewBox: "0 0 1000 200", preserveAspectRatio: "none", role: "img" });
    svg.setAttribute("aria-label", words.alt);
    const x = (time) => (1000 * time) / length;
    const y = (level) => 200 - (200 * Math.min(level, top)) / top;
    const path = (points) => points.map(([a, b], i) => `${i ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
    const chosen = this.store.person;
    const at = (moment) => this.face(moment) ?? moment;
    const limits = moments.map((m) => [m.time, at(m).limit]);
    const base = moments.map((m) => [m.time, 0]).reverse();
    svg.append(shape("path", { class: "zone", d: `${path([...limits, ...base])}Z` }));
    svg.append(shape("path", { class: "limit", d: path(limits) }));
    for (const run of this.runs()) {
      const over = run.map((m) => [m.time, this.face(m).difference]);
      const under = run.map((m) => [m.time, this.face(m).limit]).reverse();
      svg.append(shape("path", { class: "differs", d: `${path([...over, ...under])}Z` }));
    }
    svg.append(shape("path", { class: "rest", d: path(moments.map((m) => [m.time, m.elsewhere])) }));
    for (const person of people) {
      const seen = moments.flatMap((m) => {
        const face = m.faces.find((f) => f.person === person.id);
        return face ? [[m.time, face.difference]] : [];
      });
      const css = person.id === chosen ? "inside" : "inside other";
      svg.append(shape("path", { class: css, d: path(seen) }));
    }
    const label = (css, level, text) => {
      const node = element("span", css, text);
      node.style.top = `${(y(level) / 200) * 100}%`;
      return node;
    };
    const over = element("div", "over");
    over.tabIndex = 0;
    over.setAttribute("role", "slider");
    over.setAttribute("aria-label", words.moment);
    over.setAttribute("aria-valuemin", "0");
    over.setAttribute("aria-valuemax", String(moments.length - 1));
    this.cursor = element("div", "cursor");
    this.cursor.append((this.tag = element("span", "tag")));
    over.append(this.cursor);
    over.addEventListener("click", (event) => {
      const box = over.getBoundingClientRect();
      this.nearest(((event.clientX - box.left) / box.width) * length);
    });
    over.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -5, PageDown: 5 }[event.key];
      const to = { Home: 0, End: moments.length - 1 }[event.key];
      if (step === undefined && to === undefined) return;
      event.preventDefault();
      this.go(to ?? this.store.index + step);
    });
    this.over = over;
    plot.append(svg, label("tick", top, String(top)), label("tick", 0, "0"), over);
    const middle = limits.length ? limits[0][1] : 0;
    if (middle > 0.12 * top && middle < 0.85 * top) plot.append(label("tick strong", middle, middle.toFixed(1)));
    const axis = element("div", "axis");
    for (const [share, text] of this.data.ticks) {
      const node = element("span", "", text);
      node.style.left = `${100 * share}%`;
      node.style.transform = `translateX(${share < 0.05 ? 0 : share > 0.95 ? -100 : -50}%)`;
      axis.append(node);
    }
    const key = element("p", "keys");
    const name = people.find((p) => p.id === chosen)?.name ?? "";
    const entries = [["inside", filled(words.inside, { name })], ["rest", words.rest], ["zone", words.zone]];
    if (this.runs().length) entries.push(["differs", words.differs]);
    if (people.length > 1) entries.splice(1, 0, ["other", words.others]);
    for (const [css, text] of people.length ? entries : entries.slice(1)) {
      const entry = element("span");
      entry.append(element("i", css), text);
      key.append(entry);
    }
    this.root.replaceChildren(head, plot, axis, key);
  }

  /** Stretches in which the chosen face differs and the rest does not. */
  runs() {
    const runs = [];
    let run = [];
    for (const moment of this.data.moments) {
      const face = this.face(moment);
      if (face && face.differs && face.difference > face.limit) run.push(moment);
      else if (run.length) (runs.push(run), (run = []));
    }
    return run.length ? [...runs, run] : runs;
  }

  nearest(time) {
    const apart = this.data.moments.map((moment) => Math.abs(moment.time - time));
    this.go(apart.indexOf(Math.min(...apart)));
  }

  show() {
    const { moment } = this;
    this.cursor.style.left = `${(100 * moment.time) / this.data.length}%`;
    this.tag.textContent = moment.clock;
    const edge = moment.time / this.data.length;
    this.tag.style.transform = `translateX(${edge < 0.05 ? 0 : edge > 0.95 ? -100 : -50}%)`;
    this.over.setAttribute("aria-valuenow", String(this.store.index));
    this.over.setAttribute("aria-valuetext", moment.say);
  }
}
