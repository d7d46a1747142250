// Files and links that are pasted, and files that are dropped anywhere on the page.
const base = BASE;
const UPLOADERS = ["upload-", "bring-", "batch-upload-"] // of Analyze, Compare and Batch
  .map((key) => `[class*="st-key-${key}"] [data-testid="stFileUploader"]`)
  .join();

const analyzes = () => location.pathname.replace(/\/(analyze)?$/, "") === base;

/** Give files to the page's first free uploader; on a result, analyze the first one instead. */
function take(files) {
  const shown = [...document.querySelectorAll(UPLOADERS)].filter((one) => one.offsetParent);
  const free = shown.find((one) => !one.querySelector('[data-testid="stFileUploaderFile"]'));
  const input = free?.querySelector('input[type="file"]');
  if (!input) return analyzes() && share("file", files[0]);
  const given = new DataTransfer();
  for (const file of input.multiple ? files : files.slice(0, 1)) given.items.add(file);
  input.files = given.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

async function share(name, value) {
  const form = new FormData();
  form.append(name, value);
  const answer = await fetch(`${base}/share`, { method: "POST", body: form });
  if (answer.redirected) location.assign(answer.url);
  else document.open(), document.write(await answer.text()), document.close();
}

const editable = (target) => target?.closest?.('input, textarea, [contenteditable="true"]');

addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) {
    event.preventDefault();
    return take(files);
  }
  const text = event.clipboardData?.getData("text/plain").trim() ?? "";
  const takes = analyzes() || document.querySelector(UPLOADERS);
  if (takes && !editable(event.target) && /^https?:\/\/\S+$/.test(text)) share("url", text);
});

addEventListener("dragover", (event) => {
  if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
});

addEventListener("drop", (event) => {
  const files = [...(event.dataTransfer?.files ?? [])];
  if (!files.length || event.target.closest?.('[data-testid="stFileUploaderDropzone"]')) return;
  event.preventDefault();
  take(files);
});

navigator.serviceWorker?.register(`${base}/service-worker.js`, { scope: `${base}/` }).catch(() => {});
