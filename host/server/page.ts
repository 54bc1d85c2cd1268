import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Env, Hono } from "hono";
import { packageRoot } from "../config/paths.ts";

/** The page's files by path. They lie beside this module's source and are served as they are. */
const FILES: Readonly<Record<string, readonly [name: string, type: string]>> = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/page.css": ["page.css", "text/css; charset=utf-8"],
  "/page.js": ["page.js", "text/javascript; charset=utf-8"],
  "/stream.js": ["stream.js", "text/javascript; charset=utf-8"],
  "/picture.js": ["picture.js", "text/javascript; charset=utf-8"],
  "/favicon.svg": ["favicon.svg", "image/svg+xml"],
};

export const PAGE_PATHS: readonly string[] = Object.keys(FILES);

/** Nothing from elsewhere, nothing inline, in nobody's frame. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Serves the page at `/`. */
export function addPage<E extends Env>(app: Hono<E>): void {
  for (const [path, [name, type]] of Object.entries(FILES)) {
    app.get(path, async (c) => {
      const content = await readFile(join(packageRoot, "host", "server", "page", name), "utf8");
      return c.body(content, 200, {
        "content-type": type,
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
      });
    });
  }
}
