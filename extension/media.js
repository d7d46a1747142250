// From a click to a file: the original where the browser may read it, else what the tab shows.

import { Refused, ext, originOf } from "./browser.js";
import { bytesOf, placeOf, replay } from "./page.js";

const MOST = 64 * 2 ** 20; // bytes that a page hands over; larger files are fetched by the extension
const SECONDS = 8;
const PICTURES_PER_SECOND = 4; // of a tab in Firefox, which records none

async function inPage(job, func, ...args) {
  try {
    const target = { tabId: job.tab, frameIds: [job.frame] };
    const [done] = await ext.scripting.executeScript({ target, func, args });
    return done?.result ?? null;
  } catch {
    return null; // the tab is gone, or the browser's own page
  }
}

/** Return {blob, name} of a picture, video or sound by its address; throw Refused. */
export async function original(job) {
  if (job.url.startsWith("data:")) return named(await (await fetch(job.url)).blob(), job.url);
  const own = await inPage(job, bytesOf, job.url, MOST);
  if (own?.data) return named(await (await fetch(own.data)).blob(), job.url);
  const origin = originOf(job.url);
  if (!origin)
    throw new Refused("The page streams this video, so there is no file. Check the last seconds.");
  return fetched(job.url, origin);
}

/** Fetch a file with the permission for its server; throw Refused. */
export async function fetched(url, origin = originOf(url)) {
  const host = new URL(url).host;
  if (!origin) throw new Refused("Only addresses of the web can be checked.");
  if (!(await ext.permissions.contains({ origins: [origin] })))
    throw new Refused(`The file is on ${host}, which Unmask may not read yet.`, origin);
  const answer = await fetch(url, { credentials: "omit" }).catch(() => null);
  if (!answer) throw new Refused(`${host} did not answer.`);
  if ([401, 403].includes(answer.status))
    throw new Refused(`${host} wants a login for this file. Open it there, and check it as shown.`);
  if (!answer.ok) throw new Refused(`${host} answered ${answer.status}.`);
  const blob = await answer.blob();
  if (blob.type.startsWith("text/html"))
    throw new Refused("This link leads to a page, not to a file. Open it and check what it shows.");
  return named(blob, url);
}

/** Return a PNG of what the tab shows of a video or picture; throw Refused. */
export async function frame(job) {
  const place = await shownAt(job);
  const picture = await tabPicture(job);
  const canvas = cut(picture, place);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return { blob, name: `frame at ${place.seconds.toFixed(1)} s.png` };
}

/** Return a recording of the last seconds that a video showed; throw Refused. `onSecond(left)`. */
export async function recording(job, onSecond) {
  const place = await shownAt(job);
  const source = ext.tabCapture ? await tabStream(job) : null;
  if (!source && ext.sidePanel)
    throw new Refused("Unmask may not record this tab. Check again, and allow it.");
  const seconds = (await inPage(job, replay, job.url, SECONDS)) || SECONDS;
  const canvas = document.createElement("canvas");
  const stream = canvas.captureStream();
  const sound = source?.stream.getAudioTracks() ?? [];
  const recorder = new MediaRecorder(new MediaStream([...stream.getTracks(), ...sound]), {
    mimeType: "video/webm",
    videoBitsPerSecond: 8_000_000,
  });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  try {
    cut(source?.video ?? (await tabPicture(job)), place, canvas);
    recorder.start();
    const end = Date.now() + 1000 * seconds;
    while (Date.now() < end) {
      const began = Date.now();
      cut(source?.video ?? (await tabPicture(job)), place, canvas);
      onSecond(Math.ceil((end - began) / 1000));
      const pause = 1000 / (source ? 25 : PICTURES_PER_SECOND) - (Date.now() - began);
      await new Promise((next) => setTimeout(next, Math.max(0, pause)));
    }
    await new Promise((done) => {
      recorder.onstop = done;
      recorder.stop();
    });
  } finally {
    source?.close();
  }
  return { blob: new Blob(parts, { type: "video/webm" }), name: "recorded.webm" };
}

async function shownAt(job) {
  const place = await inPage(job, placeOf, job.url);
  if (!place) throw new Refused("There is no video at this place of the page.");
  if (place.protected)
    throw new Refused("This video is protected (DRM): the browser hands out none of its pictures.");
  if (place.width < 16 || place.height < 16)
    throw new Refused("The video is not in view. Scroll to it and try again.");
  return place;
}

async function tabPicture(job) {
  const data = await ext.tabs.captureVisibleTab(job.window, { format: "png" }).catch(() => null);
  if (!data) throw new Refused("The browser shows this tab to no extension.");
  const image = new Image();
  image.src = data;
  await image.decode();
  return image;
}

async function tabStream(job) {
  const id = await ext.tabCapture.getMediaStreamId({ targetTabId: job.tab }).catch(() => null);
  if (!id) return null;
  const tab = { mandatory: { chromeMediaSource: "tab", chromeMediaSourceId: id } };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: tab, video: tab });
  const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true });
  await video.play();
  const audio = new AudioContext(); // recording a tab mutes it
  audio.createMediaStreamSource(stream).connect(audio.destination);
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    audio.close();
  };
  return { stream, video, close };
}

/** Draw the part of a tab's picture at a place onto a canvas of its size, and return it. */
function cut(picture, place, canvas = document.createElement("canvas")) {
  const wide = picture.videoWidth ?? picture.naturalWidth;
  const scale = wide / place.window;
  const [x, y, w, h] = [place.x, place.y, place.width, place.height].map((v) => v * scale);
  if (canvas.width !== Math.round(w)) [canvas.width, canvas.height] = [Math.round(w), Math.round(h)];
  canvas.getContext("2d").drawImage(picture, x, y, w, h, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function named(blob, url) {
  if (!/^(image|video|audio)\/|^application\/(octet-stream|ogg|mp4|pdf|zip)/.test(blob.type || ""))
    if (blob.type) throw new Refused(`This is not a picture, video or sound (${blob.type}).`);
  const kind = (blob.type.split("/")[1] ?? "bin").split(/[;+]/)[0];
  const last = /^(data|blob):/.test(url) ? "" : decodeURIComponent(new URL(url).pathname).split("/").pop();
  return { blob, name: (last || `media.${kind}`).slice(-80) };
}
