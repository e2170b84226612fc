import { answers, codeOfMissing } from "./prompt.js";

// The console is what the driver reads: it needs no eval in the page, which the policy would refuse.
const violations = [];
addEventListener("securitypolicyviolation", (event) => {
  violations.push(`${event.violatedDirective} refused ${event.blockedURI}`);
});
const at = (name) => new URL(name, location.origin);
try {
  const found = await answers(at("/model.gguf"));
  console.log(`outcome ${JSON.stringify({ answers: found, missing: await codeOfMissing(at("/none.gguf")), violations })}`);
} catch (error) {
  console.log(`outcome ${JSON.stringify({ error: String(error), violations })}`);
}
