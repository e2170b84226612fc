import { Refusal } from "./refusal.ts";
import type { ServerKey } from "./server-options.ts";

/** Who asks, and whether there is room for it. */

export interface Client {
  /** In logs; null: nobody needs a key here. */
  readonly name: string | null;
  readonly salt: string | undefined;
  readonly priority: number;
  /** Of what a client keeps at the server. */
  readonly owner: string;
  /** Gives its place back. */
  leave(): void;
}

interface Known {
  readonly key: ServerKey;
  readonly digest: Uint8Array;
  readonly salt: string;
  running: number;
  /** When each request of the last minute came. */
  readonly came: number[];
}

const ANYBODY: Client = { name: null, salt: undefined, priority: 0, owner: "", leave: () => {} };
const MINUTE = 60_000;
/** A longer header is none of ours. */
const LONGEST_KEY = 4096;

export class Keys {
  readonly #known: Known[] = [];

  private constructor() {}

  static async open(keys: readonly ServerKey[]): Promise<Keys> {
    const opened = new Keys();
    for (const key of keys) {
      const digest = await digestOf(key.key);
      const salt = key.salt ?? [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      opened.#known.push({ key, digest, salt, running: 0, came: [] });
    }
    return opened;
  }

  /** Throws 401 without a key that is known, 429 where its limits are reached. */
  async admit(request: Request): Promise<Client> {
    if (this.#known.length === 0) return ANYBODY;
    const known = await this.#find(keyOf(request));
    if (!known) {
      const headers = { "www-authenticate": "Bearer" };
      throw new Refusal(401, "invalid_api_key", "an API key of this server is needed, as Authorization: Bearer ...", {
        headers,
      });
    }
    this.#count(known);
    const { key, salt, digest } = known;
    let left = false;
    return {
      name: key.name!,
      salt,
      priority: key.priority ?? 0,
      owner: String(digest),
      leave: () => {
        if (!left) known.running--;
        left = true;
      },
    };
  }

  /** All keys are looked at, whichever it is: the time tells nothing. */
  async #find(given: string | null): Promise<Known | undefined> {
    const digest = await digestOf(given ?? "");
    let found: Known | undefined;
    for (const known of this.#known) {
      let differs = 0;
      for (let index = 0; index < digest.length; index++) differs |= digest[index] ^ known.digest[index];
      if (differs === 0) found = known;
    }
    return given === null ? undefined : found;
  }

  #count(known: Known): void {
    const { concurrent, perMinute } = known.key;
    if (concurrent !== undefined && known.running >= concurrent)
      throw tooMany(`at most ${concurrent} requests of this key at a time`, 1);
    if (perMinute !== undefined) {
      const now = Date.now();
      while (known.came.length > 0 && known.came[0] <= now - MINUTE) known.came.shift();
      if (known.came.length >= perMinute)
        throw tooMany(`at most ${perMinute} requests of this key a minute`, (known.came[0] + MINUTE - now) / 1000);
      known.came.push(now);
    }
    known.running++;
  }
}

const tooMany = (message: string, seconds: number) =>
  new Refusal(429, "rate_limit_exceeded", message, { headers: { "retry-after": String(Math.ceil(seconds)) } });

/** OpenAI's header, or Anthropic's; never in the address, which lands in logs. */
function keyOf(request: Request): string | null {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  const key = bearer ?? request.headers.get("x-api-key");
  return key !== null && key.length <= LONGEST_KEY ? key : null;
}

async function digestOf(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
