import { EngineError } from "../error.ts";
import { isFunction, tell } from "../given.ts";
import type { ByteSource } from "./checkpoint.ts";

/**
 * A ByteSource that the caller wrote. What it says of itself is looked at once, and whatever it throws arrives as a typed error: no
 * reader of formats has to think of sources that are wrong.
 */
export class CallerSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #source: ByteSource;

  constructor(source: ByteSource) {
    this.name = checked(source, "name", "a string", (value) => typeof value === "string");
    this.size = checked(
      source,
      "size",
      "the number of bytes, an integer from 0",
      (value) => Number.isSafeInteger(value) && (value as number) >= 0,
    );
    for (const method of ["read", "close"] as const) checked(source, method, "a function", isFunction);
    checked(source, "verify", "a function or nothing", (value) => value === undefined || isFunction(value));
    this.#source = source;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    const { byteLength } = into;
    return this.#typed("read", offset, async () => {
      await this.#source.read(offset, into);
      if (into.byteLength !== byteLength) throw new Error("read() handed on the buffer that it was to fill");
    });
  }

  verify(): Promise<void> {
    return this.#typed("verify", undefined, () => this.#source.verify?.());
  }

  close(): Promise<void> {
    return this.#typed("close", undefined, () => this.#source.close());
  }

  async #typed(method: string, offset: number | undefined, work: () => Promise<void> | undefined): Promise<void> {
    try {
      await work();
    } catch (cause) {
      if (cause instanceof EngineError) throw cause;
      throw new EngineError("FILE_IO", `the byte source failed in ${method}()`, {
        at: { source: "file", file: this.name, offset },
        cause,
      });
    }
  }
}

function checked<Key extends keyof ByteSource>(
  source: ByteSource,
  field: Key,
  limit: string,
  fits: (value: unknown) => boolean,
): ByteSource[Key] {
  const value = source[field];
  if (fits(value)) return value;
  throw new EngineError("SOURCE_SHAPE", `a ByteSource whose ${field} is wrong`, {
    at: { source: "option", field: "source" },
    actual: tell(value),
    limit,
  });
}
