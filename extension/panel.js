// The side panel: pairing, one check after another, and what the server found.

import { DEFAULT_SERVER, Refused, ext, originOf, settings } from "./browser.js";
import { fetched, frame, original, recording } from "./media.js";
import { picturesInView } from "./page.js";
import { cancel, follow, pageOf, pair, result, send } from "./server.js";

const LEAST = 128; // CSS pixels of a picture's sides that are worth a check
const SIDES = { FAKE: "fake", PROBABLY_FAKE: "fake", REAL: "real", PROBABLY_REAL: "real" };
const $ = (id) => document.getElementById(id);
let running = null; // AbortController of the check or series in progress

/** Return an element with text and attributes; text is never read as HTML. */
function element(tag, text = "", attributes = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...attributes });
}

function say(message, origin = null, again = null) {
  $("message").hidden = !message;
  $("message").replaceChildren(message);
  if (!origin) return;
  const allow = element("button", "Allow and check", { type: "button" });
  allow.onclick = () => ext.permissions.request({ origins: [origin] }).then((yes) => yes && again());
  $("message").append(element("br"), allow);
}

async function show() {
  const { server, key } = await settings();
  $("pairing").hidden = Boolean(key);
  $("forget").hidden = !key;
  $("idle").hidden = !key || $("checks").childElementCount > 0;
  $("pairing").elements.server.value ||= server || DEFAULT_SERVER;
}

$("pairing").onsubmit = async (event) => {
  event.preventDefault();
  const { server, code } = event.target.elements;
  const address = new URL(server.value).origin;
  try {
    // First, while the click counts as one: its own server is the only host that Unmask keeps.
    if (!(await ext.permissions.request({ origins: [originOf(address)] })))
      throw new Refused("Without this permission Unmask can't reach the server.");
    await ext.storage.local.set({ server: address });
    const known = await pair(code.value, `Browser: ${browserName()}`);
    await ext.storage.local.set({ key: known.key, keyId: known.id });
    say("");
    await show();
    await begin();
  } catch (error) {
    say(error.message);
  }
};

$("forget").onclick = async () => {
  await ext.storage.local.remove(["key", "keyId"]);
  say("Disconnected here. Revoke the key in Settings of the server as well.");
  await show();
};

function browserName() {
  const name = /Firefox|Edg|OPR|Chrome/.exec(navigator.userAgent)?.[0] ?? "unknown";
  return ({ Edg: "Edge", OPR: "Opera", Chrome: "Chromium" })[name] ?? name;
}

/** Start what was asked for last, once. */
async function begin() {
  const { job, done } = await ext.storage.session.get(["job", "done"]);
  if (!job || job.id === done || !(await settings()).key) return;
  await ext.storage.session.set({ done: job.id });
  running?.abort();
  running = new AbortController();
  say("");
  await (job.kind === "page" ? series(job, running.signal) : check(job, running.signal));
}

/** Check the pictures in view, one after another. */
async function series(job, signal) {
  const target = { tabId: job.tab, frameIds: [job.frame] };
  const found = await ext.scripting
    .executeScript({ target, func: picturesInView, args: [LEAST] })
    .catch(() => []);
  const urls = found[0]?.result ?? [];
  if (!urls.length) return say(`There is no picture of ${LEAST} pixels or more in view.`);
  const stop = $("count").querySelector("button");
  stop.onclick = () => running.abort();
  stop.hidden = $("count").hidden = false;
  let checked = 0;
  for (const url of urls) {
    $("count").querySelector("span").textContent = `Picture ${checked + 1} of ${urls.length}`;
    await check({ ...job, kind: "media", media: "image", url }, signal);
    if (signal.aborted) break;
    checked += 1;
  }
  $("count").querySelector("span").textContent = `${checked} of ${urls.length} pictures checked`;
  stop.hidden = true;
}

const GATHER = {
  media: original,
  link: (job) => fetched(job.url),
  frame,
  seconds: (job, tell) => recording(job, (left) => tell(`Recording, ${left} s left`)),
};

/** Gather a file, send it and show what comes of it. */
async function check(job, signal) {
  const item = element("li");
  const name = item.appendChild(element("p", "Reading the file", { className: "name" }));
  const bar = item.appendChild(element("progress"));
  const stop = item.appendChild(element("button", "Cancel", { type: "button" }));
  $("checks").prepend(item);
  $("idle").hidden = true;
  let task = null;
  const mine = new AbortController();
  signal.addEventListener("abort", () => mine.abort());
  stop.onclick = () => mine.abort();
  mine.signal.addEventListener("abort", () => task && cancel(task).catch(() => {}));
  try {
    const file = await GATHER[job.kind](job, (text) => (name.textContent = text));
    if (file.blob.type.startsWith("image/")) {
      const picture = element("img", "", { src: URL.createObjectURL(file.blob), alt: "" });
      picture.onload = () => URL.revokeObjectURL(picture.src);
      item.prepend(picture);
    }
    name.textContent = file.name;
    if (mine.signal.aborted) throw new Refused("Stopped.");
    const analysis = await send(file, mine.signal);
    task = analysis.task;
    const ended = await follow(
      task,
      (now) => {
        bar.value = now.fraction;
        const left = now.seconds_left ? `, about ${Math.ceil(now.seconds_left)} s left` : "";
        name.textContent = `${file.name}: ${now.stage || now.state}${left}`;
      },
      mine.signal,
    );
    if (ended.error) throw new Refused(ended.error.message);
    if (ended.state === "canceled") throw new Refused("Stopped.");
    await conclude(item, file.name, await result(analysis));
  } catch (error) {
    item.replaceChildren(name);
    name.textContent = mine.signal.aborted ? "Stopped." : error.message;
    if (error.origin && !mine.signal.aborted)
      say(error.message, error.origin, () => {
        item.remove();
        say("");
        check(job, signal);
      });
  }
}

async function conclude(item, name, analysis) {
  const side = SIDES[analysis.verdict] ?? "open";
  const head = element("h2", analysis.headline, { className: "verdict" });
  head.dataset.side = side;
  const link = element("a", "Open the full result", { href: await pageOf(analysis), target: "_blank" });
  const picture = item.querySelector("img");
  const facts = analysis.summary.slice(1).map((line) => element("p", line, { className: "fact" }));
  item.replaceChildren(...(picture ? [picture] : []), head, element("p", name, { className: "name" }), ...facts, link);
}

ext.storage.session.onChanged.addListener((changes) => changes.job && begin());
show().then(begin);
