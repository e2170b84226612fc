/**
 * Values of `format`, as patterns of the whole text: subsets of what the RFCs allow, each of which every validator takes. Dates leave
 * out 29 February, times leap seconds.
 */
const DATE =
  "[0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))";
const TIME = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+\\-]([01][0-9]|2[0-3]):[0-5][0-9])";
const OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const GROUP = "[0-9A-Fa-f]{1,4}";
const LABEL = "[A-Za-z0-9]([A-Za-z0-9\\-]{0,30}[A-Za-z0-9])?";
const PATH = "[A-Za-z0-9\\-._~!$&'()*+,;=:@]";

export const TEXT_FORMATS: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  "date-time": `${DATE}T${TIME}`,
  uuid: "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
  email: `[A-Za-z0-9_+]+(\\.[A-Za-z0-9_+]+)*@(${LABEL}\\.){1,3}[A-Za-z]{2,12}`,
  ipv4: `${OCTET}(\\.${OCTET}){3}`,
  ipv6: `(${GROUP}:){7}${GROUP}|(${GROUP}:){1,6}:${GROUP}|::(${GROUP}:){0,6}${GROUP}|::`,
  uri: `[a-z][a-z0-9+.\\-]{1,11}://(${LABEL}\\.){0,3}[A-Za-z]{2,12}(:[0-9]{1,4})?(/${PATH}{0,64}){0,16}(\\?${PATH}{0,256})?(#${PATH}{0,64})?`,
};
