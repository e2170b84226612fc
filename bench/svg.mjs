// What keeps generated markup well-formed.

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

export const escapeText = (value) => `${value}`.replace(/[&<>"]/g, (character) => ENTITIES[character]);

export const attributes = (values) =>
  Object.entries(values)
    .map(([name, value]) => `${name}="${escapeText(value)}"`)
    .join(" ");
