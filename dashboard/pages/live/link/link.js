// The link between this page and the person's camera: what the browser knows of cameras, asking for
// one, and whether a video link can come up from here. It sends nothing but these facts to the server
// and no picture at all: a camera that is asked for is let go of at once.
//
// Reports with setStateValue:
//   seen    {secure, api, permission, cameras: [{id, label}]}       whenever it changes
//   answer  {ask, error}                                            to each new `data.ask`
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
  }

  update({ data, setStateValue, parentElement }) {
    this.send = setStateValue;
    this.data = data;
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
      permission: await permission(),
      cameras: await cameras(),
    };
    const text = JSON.stringify(seen);
    if (text === this.seen) return;
    this.seen = text;
    this.send("seen", seen);
  }

  async open(ask) {
    const error = await knock(this.data.camera, this.data.microphone);
    await this.look(); // names of cameras are known from the first permission on
    this.send("answer", { ask, error });
  }

  async run(test) {
    const began = performance.now();
    const camera = await knock(this.data.camera, this.data.microphone);
    await this.look();
    const gathered = window.RTCPeerConnection ? await gather(this.data.servers) : { kinds: [], errors: [] };
    this.send("tested", { test, camera, ...gathered, seconds: (performance.now() - began) / 1000 });
  }
}

// "" when the browser gives the camera, and the microphone where one is wanted; else why it doesn't.
async function knock(camera, microphone) {
  if (!window.isSecureContext) return "insecure";
  if (!navigator.mediaDevices?.getUserMedia || !window.RTCPeerConnection) return "unsupported";
  const wanted = camera ? { deviceId: { exact: camera } } : true;
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: microphone });
    stream.getTracks().forEach((track) => track.stop());
    return "";
  } catch (error) {
    if (microphone && !(await knock(camera, false))) return "microphone";
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
