/** What `opening` gives, unless the signal comes first; what comes after it is handed to `onLate`, to be closed. */
export async function orAborted<Opened>(
  opening: Promise<Opened>,
  signal: AbortSignal | undefined,
  onLate: (opened: Opened) => unknown = () => {},
): Promise<Opened> {
  if (!signal) return opening;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([aborted, opening]);
  } catch (error) {
    if (signal.aborted) opening.then(onLate, () => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Aborts when one of them does. */
export function anyOf(signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  const given = signals.filter((signal) => signal !== undefined);
  return given.length === 1 ? given[0] : AbortSignal.any(given);
}
