// Makes the page installable. It answers nothing and caches nothing: media and results stay off
// the disk of the browser.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
