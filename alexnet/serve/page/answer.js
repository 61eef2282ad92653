// What the network saw, and its first five answers.

import { drawn, h, isolated, percent } from "./dom.js";

export const id = "answer", title = "Answer", needsPhoto = true;
export const offered = () => true;

export async function show({ photo, answer, card }) {
  const found = await answer();
  return [h("div", { class: "halves" }, seen(photo, found, card), h("div", {}, h("h2", {}, "Answer"), bars(found.predictions)))];
}

export function bars(predictions) {
  return h("ol", { class: "bars" }, predictions.map((each) => {
    const bar = h("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", each.probability);
    return h("li", {}, h("span", { class: "name" }, each.class), h("span", { class: "number" }, percent(each.probability)), bar);
  }));
}

function seen(photo, found, card) {
  const [x, y, width] = found.view;
  const square = drawn(found.square, [0, 0, found.side, found.side], 512,
    `The middle of the photograph as a square; the frame is what the network sees.`);
  const context = square.getContext("2d");
  const scale = 512 / found.side;
  frame(context, x * scale, y * scale, width * scale, width * scale);
  const words = found.treatments.length ? found.treatments : ["nothing had to be put right in the file"];
  return h("figure", {}, h("h2", {}, "What the network saw"), square, h("figcaption", {},
    h("p", {}, `${isolated(photo.name)}: ${found.size[0]} × ${found.size[1]} pixels. ${sentence(card.preparation.resize)}. `
      + `The frame is the ${width} × ${width} that go into the network.`),
    h("p", { class: "quiet" }, `${sentence(words.join("; "))}.`)));
}

export function frame(context, x, y, width, height) {
  for (const [colour, line] of [["#000", 5], ["#fff", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.strokeRect(x, y, width, height);
  }
}

function sentence(text) {
  return text[0].toUpperCase() + text.slice(1);
}
