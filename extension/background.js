// Context menus. A click stores what to check and opens the side panel, which does the rest.

import { ext } from "./browser.js";

const MENUS = {
  media: ["Check with Unmask", ["image", "video", "audio"]],
  link: ["Check this link with Unmask", ["link"]],
  frame: ["Check this frame with Unmask", ["video"]],
  seconds: ["Check the last seconds with Unmask", ["video"]],
  page: ["Check the pictures of this page with Unmask", ["page"]],
};

ext.runtime.onInstalled.addListener(() => {
  for (const [id, [title, contexts]] of Object.entries(MENUS))
    ext.contextMenus.create({ id, title, contexts });
});

// Both calls need the click's user gesture, so nothing may be awaited before them.
ext.contextMenus.onClicked.addListener((info, tab) => {
  openPanel(tab);
  // Chromium records a tab only with this permission; Firefox takes pictures of it instead.
  if (info.menuItemId === "seconds" && ext.tabCapture === undefined && ext.sidePanel)
    ext.permissions.request({ permissions: ["tabCapture"] }).catch(() => {});
  const job = {
    id: crypto.randomUUID(),
    kind: info.menuItemId,
    media: info.mediaType ?? "",
    url: info.menuItemId === "link" ? info.linkUrl : (info.srcUrl ?? ""),
    tab: tab.id,
    window: tab.windowId,
    frame: info.frameId ?? 0,
    page: tab.url ?? "",
  };
  ext.storage.session.set({ job });
});

ext.action.onClicked.addListener(openPanel);

function openPanel(tab) {
  if (ext.sidePanel) ext.sidePanel.open({ tabId: tab.id }).catch(() => {});
  else ext.sidebarAction.open();
}
