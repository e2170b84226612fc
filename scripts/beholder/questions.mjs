/** What beholder was taught to be asked about a drawing, and the answers that a scene has. */

import { COLOURS, KINDS } from "./drawings.mjs";

const plural = (kind) => (kind === "cross" ? "crosses" : `${kind}s`);
const PLACES = [
  ...["at the top left", "at the top", "at the top right", "on the left", "in the middle", "on the right"],
  ...["at the bottom left", "at the bottom", "at the bottom right"],
];
const NUMBERS = ["None.", "One.", "Two.", "Three."];

const nameOf = ({ size, colour, kind }) => `${size} ${colour} ${kind}`;
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;
const yes = (is) => (is ? "Yes." : "No.");

function describe(shapes) {
  const parts = shapes.map((shape) => `a ${nameOf(shape)} ${PLACES[shape.cell]}`);
  return sentence(parts.length === 1 ? parts[0] : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`);
}

function tell(shapes) {
  const [first, second, third] = shapes.map((shape) => `a ${nameOf(shape)}`);
  const begin = `Once there was ${first}.`;
  if (!second) return `${begin} It was all alone. It sang a little song and was happy.`;
  if (!third) return `${begin} One day it met ${second}. They played together all day.`;
  return `${begin} One day it met ${second} and ${third}. The three became best friends.`;
}

/** One question of every kind that the scene allows: `{ kind, question, answer }`. */
export function questionsOf(chance, { ground, shapes }) {
  const alone = (of) => shapes.filter((shape) => shapes.filter((other) => other[of] === shape[of]).length === 1);
  const asked = [];
  const ask = (kind, questions, answer) => asked.push({ kind, question: chance.pick(questions), answer });
  ask("describe", ["What is in the picture?", "Describe the picture.", "What do you see?"], describe(shapes));
  ask("story", ["Tell me a short story about it.", "Tell me a story about the picture."], tell(shapes));
  ask("count", ["How many shapes are there?", "How many shapes do you see?"], NUMBERS[shapes.length]);
  const several = chance.happens(0.6) ? chance.pick(shapes).kind : chance.pick(KINDS);
  const many = shapes.filter(({ kind }) => kind === several).length;
  ask("kinds", [`How many ${plural(several)} are there?`], NUMBERS[many]);
  const [ofKind, ofColour] = [alone("kind"), alone("colour")];
  if (ofKind.length > 0) {
    const [coloured, placed, sized] = [1, 2, 3].map(() => chance.pick(ofKind));
    ask(
      "colour",
      ["colour", "color"].map((word) => `What ${word} is the ${coloured.kind}?`),
      sentence(coloured.colour),
    );
    ask("where", [`Where is the ${placed.kind}?`], sentence(PLACES[placed.cell]));
    ask("size", [`Is the ${sized.kind} large or small?`], sentence(sized.size));
  }
  if (ofColour.length > 0) {
    const { colour, kind } = chance.pick(ofColour);
    ask("shape", [`What shape is ${colour}?`, `Which shape is ${colour}?`], `The ${kind}.`);
  }
  const looked = chance.happens(0.5) ? chance.pick(shapes).kind : chance.pick(KINDS);
  ask("is", [`Is there a ${looked}?`], yes(shapes.some(({ kind }) => kind === looked)));
  let { kind: both, colour: shade } = chance.pick(shapes);
  if (chance.happens(0.55)) {
    if (chance.happens(0.5)) both = chance.pick(KINDS);
    else shade = chance.pick(Object.keys(COLOURS));
  }
  const there = shapes.some(({ kind, colour }) => kind === both && colour === shade);
  ask("both", [`Is there ${shade === "orange" ? "an" : "a"} ${shade} ${both}?`], yes(there));
  const cell = chance.happens(0.7) ? chance.pick(shapes).cell : chance.integer(0, 8);
  const found = shapes.find((shape) => shape.cell === cell);
  ask("at", [`What is ${PLACES[cell]}?`], found ? `A ${nameOf(found)}.` : "Nothing.");
  const papers = ["colour", "color"].map((word) => `What ${word} is the background?`);
  ask("ground", papers, sentence(ground));
  return asked;
}
