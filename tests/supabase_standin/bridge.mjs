// A stand-in of Supabase's API on 127.0.0.1: nano-supabase over PostgreSQL in WASM (PGlite).
//
//   MODULES=<node_modules> JWT_SECRET=<text> MIGRATIONS=<folder> node bridge.mjs [PORT]
//
// Prints one line of JSON with its address when it is ready, and ends when its standard input does.
// What it gets right and what it does not is in deploy/supabase/README.md. What is mended here is how requests
// and answers are written, so that the official client is understood and understands; nothing about
// who may do what is decided here.

import { createHmac } from "node:crypto";
import { readFile, readdir, rename, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const { MODULES, JWT_SECRET, MIGRATIONS } = process.env;
const ORIGIN = "http://standin";
// It says every request with the start of its token: to standard error, never into our output.
console.log = (...words) => console.error(...words);

// Node 20's fetch refuses file: addresses, and that is how the parser's .wasm is loaded.
const network = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const address = String(input?.url ?? input);
  if (!address.startsWith("file:")) return network(input, init);
  const bytes = await readFile(fileURLToPath(address));
  return new Response(bytes, { headers: { "content-type": "application/wasm" } });
};

const load = (path) => import(pathToFileURL(join(MODULES, path)).href);
const { PGlite } = await load("@electric-sql/pglite/dist/index.js");
const { pgcrypto } = await load("@electric-sql/pglite/dist/contrib/pgcrypto.js");
const nano = await load("nano-supabase/dist/index.js");

// To make a database takes seconds, to load one that was made tenths: the first start keeps it.
const kept = join(MODULES, "fresh.tar");
const made = await readFile(kept).catch(() => undefined);
// As PostgREST writes moments: to the microsecond, which a Date of JavaScript would lose.
const moment = (text) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
const db = new PGlite({
  extensions: { pgcrypto },
  loadDataDir: made && new Blob([made]),
  parsers: { 1184: moment },
});
if (!made) {
  await db.exec(nano.AUTH_SCHEMA_SQL);
  await db.exec(nano.STORAGE_SCHEMA_SQL);
  const dump = await db.dumpDataDir("none");
  await writeFile(`${kept}.${process.pid}`, Buffer.from(await dump.arrayBuffer()));
  await rename(`${kept}.${process.pid}`, kept);
}
await db.query("insert into auth.config (key, value) values ('jwt_secret', $1)", [JWT_SECRET]);
const { localFetch } = await nano.createFetchAdapter({ db, supabaseUrl: ORIGIN });
// After it: what it makes is open to everybody, as in a new project, and the migrations close it.
for (const name of (await readdir(MIGRATIONS)).filter((n) => n.endsWith(".sql")).sort()) {
  await db.exec(await readFile(join(MIGRATIONS, name), "utf8"));
}

const json = (status, body) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });

async function answer(request) {
  const path = new URL(request.url).pathname;
  if (path === "/standin/sql") {
    // For tests alone: what a person would do in Supabase's SQL editor.
    const { sql, params } = await request.json();
    return json(200, (await db.query(sql, params ?? [])).rows);
  }
  // It hands paths it does not know to fetch, which would come back here.
  if (!/^\/(auth|rest|storage)\/v1\//.test(path)) return json(404, { message: "no such path" });
  if (path.startsWith("/auth/v1/admin/users")) return admin(request);
  if (path === "/auth/v1/token" && (await banned(request.clone()))) {
    return json(400, { code: 400, error_code: "user_banned", msg: "User is banned" });
  }
  const wants = request.headers.get("accept") ?? "";
  const writes = ["POST", "PATCH"].includes(request.method) && /^\/rest\/v1\/\w+$/.test(path);
  const response = await localFetch(writes ? await flat(request) : request);
  if (!response.ok && path.startsWith("/auth/")) return authError(response);
  return wants.includes("vnd.pgrst.object") && response.ok ? single(response) : response;
}

// GoTrue's admin API, which nano-supabase lacks: for who shows a token of the role service_role.
async function admin(request) {
  const [head, body, signature] = (request.headers.get("authorization") ?? "").slice(7).split(".");
  const mac = createHmac("sha256", JWT_SECRET).update(`${head}.${body}`).digest("base64url");
  if (signature !== mac) return json(401, { code: 401, error_code: "no_authorization", msg: "" });
  if (JSON.parse(Buffer.from(body, "base64url")).role !== "service_role") {
    return json(403, { code: 403, error_code: "not_admin", msg: "User not allowed" });
  }
  const url = new URL(request.url);
  const id = url.pathname.split("/")[5] ?? null;
  if (request.method === "PUT") {
    const { app_metadata, ban_duration } = await request.json();
    const hours = ban_duration === "none" ? null : parseFloat(ban_duration);
    await db.query(
      `update auth.users set
        raw_app_meta_data = coalesce(raw_app_meta_data, '{}') || $2::jsonb,
        banned_until = case when $3 then now() + $4 * interval '1 hour' else banned_until end
        where id = $1`,
      [id, JSON.stringify(app_metadata ?? {}), ban_duration !== undefined, hours],
    );
  }
  const size = Number(url.searchParams.get("per_page") ?? 50);
  const { rows } = await db.query(
    `select id, aud, role, email, raw_app_meta_data as app_metadata,
      raw_user_meta_data as user_metadata, created_at, last_sign_in_at, banned_until
      from auth.users where $1::uuid is null or id = $1 order by created_at limit $2 offset $3`,
    [id, size, size * (Number(url.searchParams.get("page") ?? 1) - 1)],
  );
  if (!id) return json(200, { users: rows, aud: "authenticated" });
  const missing = { code: 404, error_code: "user_not_found", msg: "User not found" };
  return rows.length ? json(200, rows[0]) : json(404, missing);
}

// GoTrue refuses a banned account's password and refresh token; nano-supabase looks at the first only.
async function banned(request) {
  const { email, refresh_token } = await request.json();
  const { rows } = await db.query(
    `select from auth.users u where banned_until > now() and (email = $1 or exists (
      select from auth.refresh_tokens t where t.user_id = u.id and t.token = $2))`,
    [email ?? "", refresh_token ?? ""],
  );
  return rows.length > 0;
}

// Its parser makes {} of an object inside a row; PostgreSQL reads a jsonb from text as well.
async function flat(request) {
  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const text = (row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, v]) => [name, isObject(v) ? JSON.stringify(v) : v]),
    );
  const body = await request.json();
  const rows = Array.isArray(body) ? body.map(text) : text(body);
  return new Request(request, { body: JSON.stringify(rows) });
}

// GoTrue names the reason in `msg` and `error_code`, and the client reads it there.
async function authError(response) {
  const body = await response.json().catch(() => ({}));
  const message = body.error_description ?? body.error ?? "failed";
  const codes = {
    "Invalid login credentials": "invalid_credentials",
    "User already registered": "user_already_exists",
    "Invalid refresh token": "refresh_token_not_found",
  };
  const status = codes[message] === "user_already_exists" ? 422 : response.status;
  return json(status, { code: status, msg: message, error_code: codes[message] ?? body.error });
}

// `.single()` asks for an object, and PostgREST refuses none or several.
async function single(response) {
  const rows = await response.json();
  if (!Array.isArray(rows)) return json(response.status, rows);
  if (rows.length === 1) return json(response.status, rows[0]);
  return json(406, {
    code: "PGRST116",
    message: "Cannot coerce the result to a single JSON object",
    details: `The result contains ${rows.length} rows`,
    hint: null,
  });
}

// One connection, whose role is a setting of it: one request at a time, and each starts afresh.
let last = Promise.resolve();
function inTurn(work) {
  const turn = last.then(work);
  last = turn.catch(() => {});
  return turn;
}

const server = createServer(async (incoming, outgoing) => {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const bare = incoming.method === "GET" || incoming.method === "HEAD";
  const request = new Request(ORIGIN + incoming.url, {
    method: incoming.method,
    headers: Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
    body: bare ? undefined : Buffer.concat(chunks),
  });
  try {
    const response = await inTurn(async () => {
      await db.exec("reset role");
      return answer(request);
    });
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  } catch (error) {
    outgoing.writeHead(500, { "content-type": "application/json" });
    outgoing.end(JSON.stringify({ message: String(error) }));
  }
});

server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  process.stdout.write(`${JSON.stringify({ url })}\n`);
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
