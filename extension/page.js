// Functions that run in the visited page after a click (scripting.executeScript). Each is sent
// alone, so it uses nothing from outside; what it returns is copied.

/** Return the bytes of a picture, video or sound as the page can read them, as a data URL. */
export async function bytesOf(url, most) {
  try {
    const answer = await fetch(url, { cache: "force-cache", credentials: "same-origin" });
    if (!answer.ok) return { status: answer.status };
    const blob = await answer.blob();
    if (blob.size > most) return { size: blob.size };
    const reader = new FileReader();
    await new Promise((done) => {
      reader.onloadend = done;
      reader.readAsDataURL(blob);
    });
    return { data: reader.result };
  } catch {
    return {}; // another origin without CORS, or a stream that is no file
  }
}

/** Return where a video or picture is shown, in CSS pixels of the top window, and its state. */
export function placeOf(url) {
  const all = [...document.querySelectorAll("video, img")];
  const known = (e) => [e.currentSrc, e.src, ...[...e.children].map((c) => c.src)].includes(url);
  const playing = (e) => e.tagName === "VIDEO" && !e.paused;
  const element = all.find(known) ?? all.find(playing) ?? all.find((e) => e.tagName === "VIDEO");
  if (!element) return null;
  const box = element.getBoundingClientRect();
  let [x, y, view] = [box.x, box.y, window];
  try {
    for (; view !== view.parent; view = view.parent) {
      const frame = view.frameElement.getBoundingClientRect(); // throws for another origin
      [x, y] = [x + frame.x, y + frame.y];
    }
  } catch {
    return null;
  }
  return {
    x: Math.max(0, x),
    y: Math.max(0, y),
    width: Math.min(box.width, view.innerWidth - Math.max(0, x)),
    height: Math.min(box.height, view.innerHeight - Math.max(0, y)),
    window: view.innerWidth,
    protected: Boolean(element.mediaKeys),
    seconds: element.currentTime ?? 0,
  };
}

/** Play the last seconds of a video again from where it can; return the seconds that it will show. */
export async function replay(url, seconds) {
  const all = [...document.querySelectorAll("video")];
  const video = all.find((v) => v.currentSrc === url || v.src === url) ?? all[0];
  if (!video) return 0;
  const first = video.seekable.length ? video.seekable.start(0) : video.currentTime;
  const start = Math.max(first, video.currentTime - seconds);
  const shown = Math.min(seconds, Math.max(video.currentTime - start, 2));
  if (start < video.currentTime) {
    await new Promise((done) => {
      video.addEventListener("seeked", done, { once: true });
      setTimeout(done, 3000);
      video.currentTime = start;
    });
  }
  await video.play().catch(() => {});
  return shown;
}

/** Return the addresses of the pictures in view that are large enough to judge, the largest first. */
export function picturesInView(least) {
  const seen = (img) => {
    const box = img.getBoundingClientRect();
    const inside = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
    return inside && box.width >= least && box.height >= least;
  };
  const size = (img) => img.naturalWidth * img.naturalHeight;
  const large = [...document.images].filter((img) => seen(img) && img.currentSrc);
  return [...new Set(large.sort((a, b) => size(b) - size(a)).map((img) => img.currentSrc))];
}
