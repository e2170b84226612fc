/** What is wrong with what an app answered, or undefined. */
export function problemOf({ error, violations = [], answers, missing }, expected) {
  if (error !== undefined) return [error, ...violations].join("; ");
  if (violations.length) return `the content security policy: ${violations.join("; ")}`;
  if (missing !== expected.missing) return `a missing model, got ${missing}, expected ${expected.missing}`;
  for (const [index, { threads, text, host }] of answers.entries()) {
    if (threads !== [0, 2][index]) return `threads, got ${threads}, expected ${[0, 2][index]}`;
    if (host !== expected.host) return `host, got ${host}, expected ${expected.host}`;
    const wanted = expected.texts[index];
    if (text !== wanted)
      return `${threads} threads, got ${JSON.stringify(text)}, expected ${JSON.stringify(wanted)}, node's`;
  }
  return undefined;
}
