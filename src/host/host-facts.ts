/** What a host says of itself, for `model.info`. Apart from Host, so that the public types of a page name nothing of Node. */

export type HostName = "node" | "deno" | "bun" | "browser" | "workerd";

export interface Answer {
  readonly on: boolean;
  readonly reason: string;
}

export interface ThreadChoice {
  readonly count: number;
  /** Why so many, for `model.info`. */
  readonly reason: string;
}
