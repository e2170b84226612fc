import { answers, codeOfMissing } from "./prompt.js";

const [model] = process.argv.slice(2);
console.log(JSON.stringify({ answers: await answers(model), missing: await codeOfMissing(`${model}.missing`) }));
