import type { WorkerStart } from "../host/worker-start.ts";
import { serve } from "./worker.ts";

/** Entry of a web worker; the build makes it one file beside the hosts. */
const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<WorkerStart>) => void;
  postMessage(message: string): void;
  close(): void;
};

scope.onmessage = ({ data }) => {
  serve(data, () => scope.postMessage("ready"));
  scope.postMessage("gone");
  scope.close();
};
