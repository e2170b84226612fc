/** The page's elements; whoever drives it touches no other. */

const at = (id) => document.getElementById(id);
const [form, start, stop] = [at("form"), at("start"), at("stop")];
const [loading, bar, loaded] = [at("loading"), at("progress"), at("loaded")];
const [story, given, written] = [at("story"), at("given"), at("written")];

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

export const view = {
  onStart(listener) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      listener({
        prompt: at("prompt").value,
        temperature: at("temperature").valueAsNumber,
        maxTokens: at("tokens").valueAsNumber,
      });
    });
  },

  onStop(listener) {
    stop.addEventListener("click", listener);
  },

  /** "loading", "writing", "done", "stopped" or "failed". */
  state(state) {
    const busy = state === "loading" || state === "writing";
    // A button that has the focus and is switched off would drop it.
    const focused = document.activeElement === start || document.activeElement === stop;
    document.body.dataset.state = state;
    start.disabled = busy;
    stop.disabled = !busy;
    if (focused) (busy ? stop : start).focus();
    loading.hidden = state !== "loading";
    story.setAttribute("aria-busy", String(state === "writing"));
    if (state !== "failed") at("failure").hidden = true;
    if (state === "loading") at("speed").textContent = "";
    if (state === "stopped") at("speed").textContent = [at("speed").textContent, "stopped"].filter(Boolean).join(", ");
  },

  progress(done, total) {
    // Without a value the bar moves to and fro: the header is being read.
    if (total === 0) bar.removeAttribute("value");
    else bar.value = done / total;
    loaded.textContent = total === 0 ? "" : `${megabytes(done)} of ${megabytes(total)} MB`;
  },

  begin(prompt) {
    given.textContent = prompt;
    written.textContent = "";
    at("speed").textContent = "";
  },

  write(piece) {
    // append() and not textContent +=, which would read and lay out everything again.
    written.append(piece);
  },

  speed(text) {
    at("speed").textContent = text;
  },

  describe(text) {
    at("info").textContent = text;
  },

  fail(text) {
    view.state("failed");
    at("failure").textContent = text;
    at("failure").hidden = false;
  },
};
