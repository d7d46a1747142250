// The link between this page and the person's camera: what the browser knows of cameras, asking for
// one, and whether a video link can come up from here. It sends nothing but these facts to the server
// and no picture at all: a camera that is asked for is let go of at once. A window or tab is asked for
// here as well (`data.display`), and handed to the frame of the video link, which only asks for cameras.
//
// Reports with setStateValue:
//   seen    {secure, api, display, permission, cameras: [{id, label}]}  whenever it changes
//   answer  {ask, error}                to each new `data.ask`; again when a window's sharing ended
//   tested  {test, camera, kinds, errors, seconds}                  to each new `data.test`

const links = new WeakMap();
const GATHER = 8000; // ms; browsers give up on a silent server after about as long

export default function (component) {
  const root = component.parentElement;
  let link = links.get(root);
  if (!link) links.set(root, (link = new Link(component)));
  link.update(component);
  const call = ++link.calls;
  return () => {
    if (link.calls !== call) return; // a later update has taken over
    link.listening.abort();
    link.stop();
    links.delete(root);
  };
}

class Link {
  constructor({ data }) {
    this.calls = 0;
    // What was asked before this page was loaded is not asked again by a reload.
    this.ask = data.asking ? data.ask - 1 : data.ask;
    this.test = data.testing ? data.test - 1 : data.test;
    this.listening = new AbortController();
    const signal = this.listening.signal;
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.look(), { signal });
    navigator.permissions?.query({ name: "camera" }).then(
      (status) => status.addEventListener("change", () => this.look(), { signal }),
      () => {}, // this browser doesn't tell
    );
    document.addEventListener("click", ({ target }) => this.press(target), { signal, capture: true });
    document.addEventListener("load", () => this.lend(), { signal, capture: true }); // also of frames
  }

  update({ data, setStateValue, parentElement }) {
    this.send = setStateValue;
    const before = this.data;
    this.data = data;
    if (before?.busy && !data.busy) this.stop();
    // The page was left meanwhile, and nothing is shared any more.
    if (!before && data.display && data.busy && !data.asking) this.ended();
    const say = parentElement.querySelector("[aria-live]");
    if (say.textContent !== data.say) say.textContent = data.say;
    if (this.seen === undefined) this.look();
    if (data.ask > this.ask) {
      this.ask = data.ask;
      this.open(data.ask);
    }
    if (data.test > this.test) {
      this.test = data.test;
      this.run(data.test);
    }
  }

  async look() {
    const seen = {
      secure: window.isSecureContext,
      api: Boolean(navigator.mediaDevices?.getUserMedia && window.RTCPeerConnection),
      display: Boolean(navigator.mediaDevices?.getDisplayMedia),
      permission: await permission(),
      cameras: await cameras(),
    };
    const text = JSON.stringify(seen);
    if (text === this.seen) return;
    this.seen = text;
    this.send("seen", seen);
  }

  async open(ask) {
    const error = (await knock(this.data)) || (this.data.display ? await this.share() : "");
    await this.look(); // names of cameras are known from the first permission on
    this.send("answer", { ask, error });
  }

  // Ask for a window at the press of Start: browsers refuse a page that asks some time after it.
  press(target) {
    const { busy, display } = this.data;
    if (display && !busy && target.closest?.(".st-key-live-start button")) this.picked = pick(display);
  }

  async share() {
    const stream = await (this.picked ?? pick(this.data.display));
    this.picked = undefined;
    if (!stream) return "unshared";
    this.shared = [stream];
    stream.getVideoTracks()[0].addEventListener("ended", () => this.ended());
    // A frame may ask before all of it is loaded, or be drawn anew.
    this.lend();
    if (this.data.busy) this.lending = setInterval(() => this.lend(), 100);
    else this.stop();
    return "";
  }

  // Clones, since the link stops what it was given, and may come up again later.
  lend() {
    if (!this.shared) return;
    for (const frame of document.querySelectorAll(".st-key-live-camera iframe")) {
      const devices = frame.contentWindow?.navigator.mediaDevices;
      if (devices) devices.getUserMedia = async () => this.clone();
    }
  }

  // All are kept: a clone that outlives its frame would go on capturing.
  clone() {
    const stream = this.shared[0].clone();
    this.shared.push(stream);
    return stream;
  }

  stop() {
    clearInterval(this.lending);
    for (const stream of this.shared ?? []) stream.getTracks().forEach((track) => track.stop());
    this.shared = undefined;
  }

  ended() {
    this.send("answer", { ask: this.data.ask, error: "ended" });
  }

  async run(test) {
    const began = performance.now();
    const camera = await knock(this.data);
    await this.look();
    const gathered = window.RTCPeerConnection ? await gather(this.data.servers) : { kinds: [], errors: [] };
    this.send("tested", { test, camera, ...gathered, seconds: (performance.now() - began) / 1000 });
  }
}

// A window, tab or screen that the person chose; null where none was chosen.
function pick(display) {
  return navigator.mediaDevices.getDisplayMedia(display).catch(() => null);
}

// "" when the browser gives the camera, and the microphone where one is wanted, or can share a window;
// else why it doesn't.
async function knock({ camera, microphone, display }) {
  if (!window.isSecureContext) return "insecure";
  if (!navigator.mediaDevices?.getUserMedia || !window.RTCPeerConnection) return "unsupported";
  if (display) return navigator.mediaDevices.getDisplayMedia ? "" : "unshareable";
  const wanted = camera ? { deviceId: { exact: camera } } : true;
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: Boolean(microphone) });
    stream.getTracks().forEach((track) => track.stop());
    return "";
  } catch (error) {
    if (microphone && !(await knock({ camera }))) return "microphone";
    return error.name || "AbortError";
  }
}

async function permission() {
  try {
    return (await navigator.permissions.query({ name: "camera" })).state;
  } catch {
    return "unknown";
  }
}

async function cameras() {
  try {
    const all = await navigator.mediaDevices.enumerateDevices();
    return all
      .filter((one) => one.kind === "videoinput" && one.deviceId)
      .map(({ deviceId, label }) => ({ id: deviceId, label }));
  } catch {
    return [];
  }
}

// Which ways to this browser there are: "host" (its own network), "srflx" (a public address that a
// STUN server saw), "relay" (through a TURN server); and what the servers answered instead.
async function gather(servers) {
  const kinds = new Set();
  const errors = [];
  let connection;
  try {
    connection = new RTCPeerConnection({ iceServers: servers });
  } catch (error) {
    return { kinds: [], errors: [{ url: "", code: 0, text: String(error.message || error) }] };
  }
  const ended = new Promise((done) => {
    setTimeout(done, GATHER);
    connection.addEventListener("icecandidate", ({ candidate }) => {
      if (!candidate) done();
      else if (candidate.type) kinds.add(candidate.type);
    });
    connection.addEventListener("icecandidateerror", (event) => {
      errors.push({ url: event.url || "", code: event.errorCode, text: event.errorText || "" });
    });
  });
  connection.createDataChannel("test");
  await connection.setLocalDescription(await connection.createOffer());
  await ended;
  connection.close();
  return { kinds: [...kinds], errors: errors.slice(0, 8) };
}
