// The evidence view: face strips, boxes over the picture, one cursor over all lanes.
//
// It lives in the page, not in a frame. The strips are its own; boxes and cursor are layers it adds
// to the containers named in `data.player` and `data.lanes`. While a video plays, everything moves
// here and the server hears nothing. It hears of a moment when a person pauses, seeks or presses a
// tile: setTriggerValue("moment", {time, person, cause}).
//
// `data.version` changes when anything but the moment changes; `data.seek` grows by one whenever
// the server moved the moment, so that an echo of our own report never seeks again.

const views = new WeakMap();

export default function (component) {
  const root = component.parentElement;
  let view = views.get(root);
  if (!view) views.set(root, (view = new View(root)));
  view.update(component.data, component.setTriggerValue);
  const call = ++view.calls;
  return () => {
    if (view.calls !== call) return; // a later update has taken over
    view.destroy();
    views.delete(root);
  };
}

const clock = (seconds) => {
  const tenths = Math.round(Math.max(seconds, 0) * 10);
  const whole = Math.floor(tenths / 10);
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const text = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}.${tenths % 10}`;
  return hours ? `${hours}:${text}` : text;
};

const element = (tag, css, text) => {
  const node = document.createElement(tag);
  if (css) node.className = css;
  if (text !== undefined) node.textContent = text;
  return node;
};

const icon = (name) => {
  const node = element("span", "um-icon", name);
  node.setAttribute("aria-hidden", "true");
  return node;
};

class View {
  constructor(root) {
    this.root = root;
    this.calls = 0;
    this.time = 0;
    this.listening = new AbortController();
    this.strips = root.querySelector(".strips");
    this.sizes = new ResizeObserver(() => this.place());
    this.pages = new MutationObserver((changes) => {
      // Our own layers change with every frame; only the page's changes matter, once a frame.
      const ours = ({ target }) => this.boxes?.contains(target) || this.cursor?.contains(target);
      if (changes.every(ours) || this.pending) return;
      this.pending = requestAnimationFrame(() => {
        this.pending = 0;
        this.attach();
      });
    });
    this.sizes.observe(this.strips);
  }

  destroy() {
    this.listening.abort();
    this.watching?.abort();
    this.sizes.disconnect();
    this.pages.disconnect();
    cancelAnimationFrame(this.frame);
    cancelAnimationFrame(this.pending);
    this.boxes?.remove();
    this.cursor?.remove();
  }

  update(data, report) {
    const fresh = data.version !== this.data?.version;
    const seek = this.data === undefined || data.seek !== this.data.seek;
    this.data = data;
    this.report = report;
    if (fresh) {
      this.columns = 0;
      this.drawStrips();
    }
    this.attach();
    if (seek) this.go(data.time);
    else if (!this.playing()) this.show(this.time);
  }

  tell(time, person, cause) {
    this.report("moment", { time, person, cause });
  }

  // --- strips

  drawStrips() {
    const narrow = this.strips.clientWidth > 0 && this.strips.clientWidth < 480;
    const columns = narrow ? 7 : 11;
    if (columns === this.columns) return;
    this.columns = columns;
    this.strips.classList.toggle("still", this.data.still);
    this.strips.replaceChildren(
      ...this.data.people.map((person) => this.strip(person, narrow ? "narrow" : "wide")),
    );
    this.mark(this.time);
  }

  strip(person, width) {
    const box = element("section", "strip");
    const head = element("div", "head");
    const chip = element("span", `chip ${person.state}`);
    chip.append(icon(person.icon), element("span", "", person.chip));
    head.append(element("strong", "", person.name), chip);
    head.append(element("span", "unit", person.unit));
    const row = element("div", "tiles");
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", person.name);
    row.style.setProperty("--columns", this.columns);
    const tiles = person.tiles[width].map((tile) => this.tile(tile, person));
    tiles.forEach((node, i) => {
      node.tabIndex = i === 0 ? 0 : -1;
      node.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        const to = { Home: 0, End: tiles.length - 1 }[event.key] ?? (step ? i + step : -1);
        if (!tiles[to]) return;
        event.preventDefault();
        node.tabIndex = -1;
        tiles[to].tabIndex = 0;
        tiles[to].focus();
      });
    });
    row.append(...tiles);
    box.append(head, row);
    return box;
  }

  tile(tile, person) {
    const node = element("button", "tile");
    node.type = "button";
    node.setAttribute("aria-label", tile.name);
    const picture = element("span", "picture");
    const source = this.data.pictures[tile.picture];
    if (source) {
      const image = element("img");
      image.src = source;
      image.alt = "";
      picture.append(image);
    } else {
      picture.append(icon(tile.icon));
    }
    node.append(picture, element("span", `bar ${tile.state}`), element("span", "score", tile.text));
    node.dataset.from = tile.from;
    node.dataset.to = tile.to;
    node.addEventListener("click", () => {
      this.go(tile.time);
      this.tell(tile.time, person.id, "tile");
    });
    return node;
  }

  mark(time) {
    for (const node of this.strips.querySelectorAll(".tile")) {
      const from = Number(node.dataset.from);
      const to = Number(node.dataset.to);
      const now = time >= from && (time < to || to >= this.data.end);
      if (now) node.setAttribute("aria-current", "true");
      else node.removeAttribute("aria-current");
    }
  }

  // --- finding the player and the lanes, which Streamlit may draw later or anew

  attach() {
    const player = document.querySelector(this.data.player);
    const lanes = document.querySelector(this.data.lanes);
    const picture = player?.querySelector("video, img") ?? null;
    if (picture !== this.picture) this.watch(picture);
    if (player && this.boxes?.parentNode !== player) this.drawBoxes(player);
    else if (this.boxesOf !== this.data.version && player) this.drawBoxes(player);
    if (lanes && this.cursor?.parentNode !== lanes) {
      this.cursor?.remove();
      this.cursor = element("div", "um-cursor");
      this.cursor.setAttribute("aria-hidden", "true");
      lanes.append(this.cursor);
    }
    if (lanes !== this.lanes || player !== this.player) {
      this.lanes = lanes;
      this.player = player;
      this.sizes.disconnect();
      this.pages.disconnect();
      this.sizes.observe(this.strips);
    }
    for (const node of [player, lanes]) {
      if (!node) continue;
      this.sizes.observe(node);
      this.pages.observe(node, { childList: true, subtree: true });
    }
    // A container that isn't there yet, or goes, is a change of the page around us.
    const main = document.querySelector('[data-testid="stMainBlockContainer"]');
    if (main && !(player && lanes)) this.pages.observe(main, { childList: true, subtree: true });
    this.place();
  }

  watch(picture) {
    this.watching?.abort();
    this.picture = picture;
    if (!picture) return;
    this.watching = new AbortController();
    const on = (name, act) =>
      picture.addEventListener(name, act, { signal: this.watching.signal });
    if (picture.tagName !== "VIDEO") {
      on("load", () => this.place());
      return;
    }
    const { width, height } = this.data.media;
    picture.style.aspectRatio = `${width} / ${height}`;
    on("loadedmetadata", () => this.place());
    this.touched = false;
    for (const name of ["play", "pointerdown", "keydown"]) on(name, () => (this.touched = true));
    on("play", () => this.run());
    on("timeupdate", () => this.show(picture.currentTime));
    // Not an interrupted download: only what this browser can't decode, or won't.
    const refused = () => picture.error?.code >= 3 && this.tell(this.time, null, "unplayable");
    on("error", refused);
    on("pause", () => {
      cancelAnimationFrame(this.frame);
      this.show(picture.currentTime);
      if (!picture.seeking) this.tell(picture.currentTime, null, "pause");
    });
    on("seeked", () => {
      const ours = Math.abs(picture.currentTime - (this.asked ?? -1)) < 0.05;
      this.asked = undefined;
      // Streamlit sets a start of its own, 0, sooner or later than we do: nobody chose that.
      if (!ours && !this.touched && picture.currentTime < 0.05 && this.goal > 0.05) {
        this.go(this.goal);
        return;
      }
      this.show(picture.currentTime);
      // Dragging the player's bar seeks many times: tell of the last.
      clearTimeout(this.soon);
      if (!ours && picture.paused) {
        this.soon = setTimeout(() => this.tell(picture.currentTime, null, "seek"), 200);
      }
    });
    refused();
    if (!picture.paused) this.run();
  }

  playing() {
    return this.picture?.tagName === "VIDEO" && !this.picture.paused;
  }

  run() {
    cancelAnimationFrame(this.frame);
    const step = () => {
      if (!this.playing()) return;
      this.show(this.picture.currentTime);
      this.frame = requestAnimationFrame(step);
    };
    step();
  }

  go(time) {
    this.goal = time;
    this.show(time);
    const video = this.picture;
    if (video?.tagName !== "VIDEO") return;
    const set = () => {
      if (Math.abs(video.currentTime - time) < 0.02) return;
      this.asked = time;
      video.currentTime = time;
    };
    // Before the metadata is there a seek is lost.
    if (video.readyState >= 1) set();
    else video.addEventListener("loadedmetadata", set, { once: true });
  }

  show(time) {
    this.time = time;
    this.mark(time);
    this.moveBoxes();
    this.moveCursor();
  }

  place() {
    if (!this.data) return;
    this.drawStrips();
    this.moveBoxes();
    this.moveCursor();
  }

  // --- boxes over the picture

  drawBoxes(player) {
    this.boxes?.remove();
    this.boxesOf = this.data.version;
    this.boxes = element("div", "um-boxes");
    this.boxes.setAttribute("aria-hidden", "true");
    this.marks = this.data.faces.map((person) => {
      const box = element("div", "um-box");
      const label = element("div", "um-box-label");
      const state = icon("");
      const text = element("span");
      label.append(state, text);
      this.boxes.append(box, label);
      return { person, box, label, state, text };
    });
    player.append(this.boxes);
  }

  // Where the picture stands inside its element: the rest is letterbox.
  area() {
    const { width, height } = this.data.media;
    const box = this.picture.getBoundingClientRect();
    const parent = this.boxes.parentNode.getBoundingClientRect();
    const scale = Math.min(box.width / width, box.height / height);
    return {
      left: box.left - parent.left + (box.width - width * scale) / 2,
      top: box.top - parent.top + (box.height - height * scale) / 2,
      width: width * scale,
      height: height * scale,
      scale,
    };
  }

  moveBoxes() {
    if (!this.boxes || !this.picture) return;
    const area = this.area();
    this.boxes.hidden = area.width < 2;
    Object.assign(this.boxes.style, {
      left: `${area.left}px`,
      top: `${area.top}px`,
      width: `${area.width}px`,
      height: `${area.height}px`,
    });
    const short = area.width < 480;
    for (const { person, box, label, state, text } of this.marks) {
      const face = faceAt(person.faces, this.time, this.data.step);
      box.hidden = label.hidden = !face;
      if (!face) continue;
      const look = face.word ? this.data.unjudged : person;
      const [x0, y0, x1, y1] = face.box.map((v) => v * area.scale);
      Object.assign(box.style, {
        transform: `translate(${x0}px, ${y0}px)`,
        width: `${x1 - x0}px`,
        height: `${y1 - y0}px`,
        borderColor: look.color,
        borderStyle: look.dash,
      });
      state.textContent = look.icon;
      state.style.color = look.color;
      text.textContent = short ? person.id : `${person.id} · ${face.word ?? person.label}`;
      const wide = label.offsetWidth;
      const high = label.offsetHeight;
      const left = Math.max(0, Math.min(x0, area.width - wide));
      const top = y0 - high - 2 >= 0 ? y0 - high - 2 : Math.min(y1 + 2, area.height - high);
      label.style.transform = `translate(${left}px, ${Math.max(0, top)}px)`;
    }
  }

  // --- the cursor over the lanes

  moveCursor() {
    if (!this.cursor || !this.lanes?.isConnected) return;
    const { left, right, sizes, lines } = this.data.lane;
    const parent = this.lanes.getBoundingClientRect();
    const plots = [...this.lanes.querySelectorAll(".js-plotly-plot")].slice(0, sizes.length);
    const nodes = [];
    const boxes = plots.map((plot) => plot.getBoundingClientRect());
    boxes.forEach((box, i) => {
      const span = box.width - left - right;
      if (span <= 0) return;
      const x = box.left - parent.left + left + (this.time / this.data.end) * span;
      const top = box.top - parent.top + sizes[i].top;
      let bottom = top + sizes[i].plot;
      // Lanes that stand close are joined; on a phone each has a heading between.
      const below = boxes[i + 1];
      if (below && below.top - box.bottom < 30) {
        bottom = below.top - parent.top + sizes[i + 1].top;
      }
      const line = element("div", "um-cursor-line");
      Object.assign(line.style, { left: `${x}px`, top: `${top}px`, height: `${bottom - top}px` });
      nodes.push(line);
      const score = between(lines[i], this.time);
      if (score !== null) {
        const dot = element("div", "um-cursor-dot");
        dot.style.left = `${x}px`;
        dot.style.top = `${top + sizes[i].plot * (1 - score)}px`;
        nodes.push(dot);
      }
      if (i === 0) {
        const tag = element("div", "um-cursor-tag", clock(this.time));
        tag.style.left = `${Math.max(x, 30)}px`;
        tag.style.top = `${top}px`;
        nodes.push(tag);
      }
    });
    this.cursor.replaceChildren(...nodes);
  }
}

// A face between two looked-at moments, if both are near enough to draw a line from one to the
// other; at the edge of a stretch for half a step.
function faceAt(faces, time, step) {
  let after = faces.findIndex((face) => face.time >= time);
  if (after < 0) after = faces.length;
  const a = faces[after - 1];
  const b = faces[after];
  if (a && b && b.time - a.time <= 1.6 * step) {
    const part = (time - a.time) / (b.time - a.time);
    const near = part < 0.5 ? a : b;
    return { box: a.box.map((v, i) => v + part * (b.box[i] - v)), word: near.word };
  }
  const edge = [a, b].find((face) => face && Math.abs(face.time - time) <= 0.6 * step);
  return edge ?? null;
}

function between(line, time) {
  if (!line.length) return null;
  const after = line.findIndex(([t]) => t >= time);
  if (after === 0) return line[0][1];
  if (after < 0) return line[line.length - 1][1];
  const [t0, s0] = line[after - 1];
  const [t1, s1] = line[after];
  if (s0 === null || s1 === null) return null;
  return s0 + ((s1 - s0) * (time - t0)) / (t1 - t0);
}
