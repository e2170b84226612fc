/** Served by workerd: what a model that comes with the request says about the pictures in it. */
import { EngineError, loadModel } from "../dist/src/index.js";

/** Fields `text` and `tower`: the pair of GGUF files; then `picture`, as often as there are pictures, each with a `question` behind it. */
async function answer(form) {
  const model = await loadModel(form.get("text"), { context: 256, vision: form.get("tower") });
  const questions = form.getAll("question");
  const answers = [];
  for (const [index, picture] of form.getAll("picture").entries()) {
    const content = [
      { type: "image", image: picture },
      { type: "text", text: questions[index] },
    ];
    try {
      answers.push(await model.chat([{ role: "user", content }], { temperature: 0 }).text());
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      answers.push(error.code);
    }
  }
  const { host, memory } = model.info;
  await model.dispose();
  return Response.json({ host, memory, answers });
}

export default { fetch: async (request) => answer(await request.formData()) };
