import { syncBuiltinESMExports } from "node:module";
import workerThreads from "node:worker_threads";

const RealWorker = workerThreads.Worker;

/** Every worker that starts from now on is kept in `workers`, until `leave`. */
export function watchWorkers(): { readonly workers: readonly workerThreads.Worker[]; leave(): void } {
  const workers: workerThreads.Worker[] = [];
  const use = (Worker: typeof RealWorker) => {
    workerThreads.Worker = Worker;
    syncBuiltinESMExports();
  };
  use(
    class extends RealWorker {
      constructor(...args: ConstructorParameters<typeof RealWorker>) {
        super(...args);
        workers.push(this);
      }
    },
  );
  return { workers, leave: () => use(RealWorker) };
}
