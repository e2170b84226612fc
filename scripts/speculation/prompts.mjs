/** What a small chat model is asked: to write again what it was given, with and without changes, and to write something new. */

const STORY =
  "Tom had a small boat with a red sail. Every morning he took it down to the lake behind the house. His sister Anna watched from " +
  "the window while he pushed it out on the water. One day the wind was strong, and the boat sailed so far that Tom could not see it " +
  "any more. He ran along the shore, past the old mill and the three willows, until he found it between the reeds.";

const LIST =
  "apples: 4, pears: 7, plums: 12, cherries: 30, lemons: 3, oranges: 9, melons: 1, grapes: 55, bananas: 6, peaches: 8, figs: 14, dates: 20";

const CODE = `function total(items) {
  let sum = 0;
  for (const item of items) {
    if (item.price > 0) {
      sum += item.price * item.count;
    }
  }
  return sum;
}

function average(items) {
  if (items.length === 0) {
    return 0;
  }
  return total(items) / items.length;
}`;

export const CHATS = {
  copying: [
    { content: `Repeat the following text exactly, word for word:\n\n${STORY}` },
    { content: `Repeat the following list exactly:\n\n${LIST}` },
    { content: `Repeat the following code exactly:\n\n${CODE}` },
  ],
  editing: [
    { content: `Write this text again, with the name Tom changed to Paul:\n\n${STORY}` },
    { content: `Write this list again, with "pears" changed to "kiwis":\n\n${LIST}` },
    { content: `Write this code again, with the variable "sum" renamed to "result":\n\n${CODE}` },
  ],
  "new text": [
    { content: "Tell me a story about a fox who learns to swim.", options: { temperature: 1 } },
    { content: "Why is the sky blue? Explain it to a child.", options: { temperature: 1 } },
    { content: "Describe a market in a small town in the morning.", options: { temperature: 1 } },
  ],
};
