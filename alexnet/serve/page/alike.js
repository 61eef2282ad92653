// The photographs of a set that are most like this one by the network's features.

import { drawn, h, short } from "./dom.js";

export const id = "alike", title = "Alike", needsPhoto = true;
export const offered = (card) => card.features !== null;

export async function show(context) {
  const { card, ask } = context;
  const found = await context.answer();
  const { neighbours, stage, metric } = await ask("/v1/search?k=9");
  return [
    h("h2", {}, "Alike"),
    h("p", {}, `The nearest of ${card.features.images.toLocaleString("en")} photographs by ${stage}, ${metric} distance, nearest first. `
      + "A distance of nearly 0 is a copy."),
    h("ul", { class: "crops" },
      h("li", { class: "query" }, drawn(found.square, [0, 0, found.side, found.side], 224, "The photograph looked for"),
        h("span", { class: "name" }, "looked for")),
      neighbours.map((each) => h("li", {},
        each.thumbnail ? h("img", { src: each.thumbnail, alt: "", width: 128, height: 128 }) : h("p", { class: "quiet gone" }, "Its file has gone or changed."),
        h("span", { class: "name" }, each.label ?? each.image), h("span", { class: "number" }, short(each.distance)),
        each.label ? h("span", { class: "quiet" }, each.image) : ""))),
  ];
}
