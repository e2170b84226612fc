import { createHash } from "node:crypto";

/**
 * What a browser is told with every file: a worker's script is held to the headers of its own response, so they are the same for all.
 *
 * @param {string} html the page that is sent, else ""
 * @param {boolean} isolated
 */
export function securityHeaders(html, isolated) {
  return {
    // Workers share the page's memory only where both are sent: no other site's page or file can then get into this process.
    ...(isolated
      ? { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" }
      : {}),
    "content-security-policy": [
      "default-src 'self'",
      // WebAssembly is compiled while the page runs; eval stays forbidden.
      ["script-src 'self' 'wasm-unsafe-eval'", ...importMapHashes(html)].join(" "),
      // A model may come from another site that allows it (CORS).
      "connect-src 'self' https:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join("; "),
    "x-content-type-options": "nosniff",
  };
}

/**
 * An import map must be inline, so it is allowed by its hash, taken here from the page itself: a hash written by hand would be wrong
 * after the next edit, and doing without a map would take a bundler or changed files in dist/.
 */
function importMapHashes(html) {
  return [...html.matchAll(/<script type="importmap">([\s\S]*?)<\/script>/g)].map(
    ([, text]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`,
  );
}
