// The person's own server, by its REST API; nothing else is spoken to.

import { Refused, settings } from "./browser.js";

async function call(path, options = {}) {
  const { server, key } = await settings();
  const headers = { ...(key && { Authorization: `Bearer ${key}` }), ...options.headers };
  const answer = await fetch(server + path, { ...options, headers, credentials: "omit" }).catch(
    () => {
      if (options.signal?.aborted) throw new Refused("Stopped.");
      throw new Refused(`No server answers at ${server}. Start it: make run`);
    },
  );
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  if (answer.status === 401) throw new Refused("This browser is not connected (any more).");
  if (answer.status === 413 || error?.code === "too_large")
    throw new Refused("The file is larger than the server takes.");
  const hint = error?.hint ? ` ${error.hint}` : "";
  throw new Refused(error?.message ? error.message + hint : `The server answered ${answer.status}.`);
}

/** Exchange a code of Settings for a key; return it with its id. */
export async function pair(code, name) {
  const body = JSON.stringify({ code, name });
  const headers = { "Content-Type": "application/json" };
  return (await call("/v1/pairings", { method: "POST", body, headers })).json();
}

/** Send a file, and return its analysis with the task to follow. */
export async function send({ blob, name }, signal) {
  const form = new FormData();
  form.append("file", blob, name);
  return (await call("/v1/analyses", { method: "POST", body: form, signal })).json();
}

/** Follow a task to its end; `onChange` gets each state. Return the last one. */
export async function follow(task, onChange, signal) {
  const answer = await call(`${task.href}/events`, { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = "", last = task; ; ) {
    const { value, done } = await reader.read();
    if (done) return last;
    text += value;
    const events = text.split(/\r?\n\r?\n/);
    text = events.pop();
    for (const event of events) {
      const data = event.split(/\r?\n/).find((line) => line.startsWith("data:"));
      if (data) onChange((last = JSON.parse(data.slice(5))));
    }
  }
}

export const result = async (analysis) => (await call(analysis.href)).json();
export const cancel = (task) => call(task.href, { method: "DELETE" });

/** Return the address of a result's page. */
export async function pageOf(analysis) {
  return `${(await settings()).server}/?a=${encodeURIComponent(analysis.id)}`;
}
