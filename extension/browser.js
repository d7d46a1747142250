// The extension API of the browser, and the server's address and key.

export const ext = globalThis.browser ?? globalThis.chrome;
export const DEFAULT_SERVER = "http://localhost:8501";

/** Return {server, key, keyId}; `key` is empty before pairing. */
export async function settings() {
  return { server: DEFAULT_SERVER, key: "", keyId: "", ...(await ext.storage.local.get()) };
}

/** Return the match pattern of an address's host, or null for other schemes; Firefox knows no ports. */
export function originOf(url) {
  try {
    const { protocol, hostname } = new URL(url);
    return /^https?:$/.test(protocol) ? `${protocol}//${hostname}/*` : null;
  } catch {
    return null;
  }
}

/** A reason that a person can act on. `origin`: the permission that would help, if one would. */
export class Refused extends Error {
  constructor(message, origin = null) {
    super(message);
    this.origin = origin;
  }
}
