// Loaded into the server that is measured: at SIGUSR2 it collects, and says on stdout how many bytes of JavaScript are still reached.
process.on("SIGUSR2", () => {
  globalThis.gc();
  globalThis.gc();
  process.stdout.write(`live ${process.memoryUsage().heapUsed}\n`);
});
