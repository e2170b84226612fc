/** Of the package; a test holds it equal to package.json, which a runtime without files cannot read. */
export const VERSION = "0.1.0";
