// The ten views of the paper, each with its own first answer, and how far they differ.

import { bars } from "./answer.js";
import { drawn, h, isolated, percent, svg } from "./dom.js";

export const id = "crops", title = "Ten crops", needsPhoto = true;
export const offered = (card) => card.ten_crops;
const PLACES = ["top left", "top right", "centre", "bottom left", "bottom right"];

export async function show({ photo, ask, tell }) {
  const found = await ask("/v1/predict?k=1000&crops=10&square=1");
  const first = found.predictions[0];
  const agree = found.crops.filter((crop) => crop.predictions[0].index === first.index).length;
  const name = isolated(first.class);
  const words = agree === 10 ? `All ten crops say ${name}.` : `${agree} of ten crops say ${name}; the others are marked.`;
  if (!photo.answer) tell(words); // read out where no answer of one view is there
  return [
    h("h2", {}, "Ten crops and their votes"),
    h("p", {}, `${words} The answer is the mean of their probabilities.`),
    h("ul", { class: "crops" }, found.crops.map((crop) => one(found, crop, first))),
    h("div", { class: "halves" },
      h("div", {}, h("h2", {}, "Mean"), bars(found.predictions.slice(0, 5))),
      h("div", {}, h("h2", {}, "Each crop"), h("p", { class: "quiet" }, "A dot for each crop, a line for the mean."),
        found.predictions.slice(0, 5).map((each) => strip(each, found.crops)))),
  ];
}

function one(found, crop, first) {
  const [x, y] = crop.box;
  const answer = crop.predictions[0];
  const place = where(found, x, y) + (crop.mirrored ? ", mirrored" : "");
  const other = answer.index !== first.index;
  return h("li", { class: other ? "other" : undefined },
    drawn(found.square, crop.box, 224, `Crop: ${place}`, crop.mirrored),
    h("span", { class: "name" }, other ? `≠ ${isolated(answer.class)}` : answer.class), h("span", { class: "number" }, percent(answer.probability)),
    h("span", { class: "quiet" }, place));
}

function where(found, x, y) {
  const [left, top] = found.view;
  const far = (at, middle) => (at < middle ? 0 : at > middle ? 2 : 1);
  return { "0,0": PLACES[0], "2,0": PLACES[1], "1,1": PLACES[2], "0,2": PLACES[3], "2,2": PLACES[4] }[
    [far(x, left), far(y, top)].join()] ?? `at ${x}, ${y}`;
}

function strip(mean, crops) {
  const shares = crops.map((crop) => crop.predictions.find((each) => each.index === mean.index)?.probability ?? 0);
  const low = Math.min(...shares), high = Math.max(...shares);
  const x = (share) => 6 + 288 * share;
  const text = `${percent(low)} to ${percent(high)}`;
  return h("div", { class: "strip" }, h("span", { class: "name" }, mean.class), h("span", { class: "number" }, text),
    svg("svg", { viewBox: "0 0 300 20", role: "img", "aria-label": `${isolated(mean.class)}: ${text}, mean ${percent(mean.probability)}` },
      svg("line", { x1: 6, x2: 294, y1: 10, y2: 10, class: "axis" }),
      svg("line", { x1: x(mean.probability), x2: x(mean.probability), y1: 1, y2: 19, class: "mean" }),
      shares.map((share) => svg("circle", { cx: x(share), cy: 10, r: 4, class: "dot" }))));
}
