// The network itself: its drawing, its kernels, its table.

import { h, percent, sizes } from "./dom.js";

export const id = "network", title = "Network", needsPhoto = false;
export const offered = () => true;
const COLUMNS = [
  ["layer", (row) => row.name], ["kind", (row) => row.kind], ["output", (row) => sizes(row.output)],
  ["kernel", (row) => row.kernel ?? ""], ["stride", (row) => row.stride ?? ""], ["groups", (row) => row.groups ?? ""],
  ["sees", (row) => (row.field ? `${row.field.side} × ${row.field.side}` : "all")],
  ["parameters", (row) => count(row.parameters)], ["multiply-adds", (row) => count(row.macs)],
];

export async function show({ card, get }) {
  const account = await get("/v1/layers");
  const { total } = account;
  const first = account.layers[0];
  const kernels = card.inside && account.input[0] === 3 && first.kernel
    ? [h("h2", {}, `Kernels of ${first.name}`), h("figure", {},
      h("img", { src: `/v1/filters.png?layer=${first.name}`, class: "pixels kernels", alt: `The ${first.output[0]} kernels of ${first.name}` }),
      h("figcaption", { class: "quiet" }, "As in figure 3 of the paper. Black is the lowest weight of all, white the highest."))]
    : [];
  return [
    h("h2", {}, `${card.network}: ${card.summary}`),
    h("p", {}, `${count(total.parameters)} parameters, ${count(total.macs)} multiply-adds for a view of ${sizes(account.input)}.`,
      provenance(card.provenance)),
    h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Drawing of the network" },
      h("img", { src: "/v1/architecture.svg", alt: "The network drawn to scale: its maps and units, its towers, and where they cross.", class: "drawing" })),
    ...kernels,
    h("h2", {}, "Layer by layer"),
    h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Table of the layers" }, h("table", {},
      h("thead", {}, h("tr", {}, COLUMNS.map(([name]) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, account.layers.map((row) => h("tr", {}, COLUMNS.map(([name, text], number) =>
        h(number ? "td" : "th", number ? {} : { scope: "row" }, String(text(row)))))))))
  ];
}

function provenance(told) {
  const { trained_with: how, errors } = told;
  const error = errors?.val_top1_error;
  return [how ? ` Trained with ${how}.` : "", error === undefined || error === null ? "" : ` Top-1 error ${percent(error)} in validation.`];
}

function count(number) {
  return number ? number.toLocaleString("en") : "";
}
