// Which parts of the photograph speak for a class, by three methods; a picture without an answer says so.

import { drawn, h, isolated, percent, short } from "./dom.js";

export const id = "why", title = "Why", needsPhoto = true;
export const offered = (card) => card.inside;
const METHODS = {
  gradient: ["Gradient", "the pixels that would change the answer most"],
  gradcam: ["Grad-CAM", "the last convolution's maps, weighted by what they do for the answer"],
  occlusion: ["Occlusion", "what is missing when a square is hidden; takes some seconds"],
};
const kept = { method: "gradient", strength: 70 };

export async function show(context) {
  const { names } = context;
  const found = await context.answer();
  const place = h("div", {});
  let asked = 0, heat = null;

  const choice = h("select", { id: "class", onchange: look }, ordered(names, found).map(([index, text]) => h("option", { value: index }, text)));
  const radios = Object.entries(METHODS).map(([method, [name, text]]) => h("label", { class: "choice" },
    h("input", { type: "radio", name: "method", value: method, checked: method === kept.method, onchange: () => {
      kept.method = method;
      look();
    } }), h("b", {}, name), h("span", { class: "quiet" }, ` ${text}`)));
  const slider = h("input", { type: "range", id: "strength", min: 0, max: 100, value: kept.strength, oninput: () => {
    kept.strength = Number(slider.value);
    paint();
  } });

  async function look() {
    const turn = ++asked;
    place.classList.add("waiting");
    try {
      const answer = await context.ask(`/v1/saliency?method=${kept.method}&class=${choice.value}`);
      if (turn !== asked) return;
      heat = answer;
      paint();
    } catch (error) {
      if (!context.signal.aborted && turn === asked) place.replaceChildren(h("p", { role: "alert", class: "problem" }, error.message));
    } finally {
      if (turn === asked) place.classList.remove("waiting");
    }
  }

  function paint() {
    if (!heat) return;
    const name = isolated(heat.class);
    const view = drawn(found.square, found.view, 512, `${METHODS[heat.method][0]} for ${name} over the view`);
    if (!heat.empty) overlay(view, heat, kept.strength / 100);
    const most = Math.max(...heat.values);
    const words = heat.empty
      ? `Nothing in this picture speaks for ${name} by this method, so there is nothing to show.`
      : `${name}, ${percent(heat.probability)}. Full orange is ${short(most)}: ${heat.unit}.`;
    place.replaceChildren(h("figure", {}, view, h("figcaption", {}, h("p", { role: "status" }, words))));
  }

  await look();
  return [h("h2", {}, "Why"), h("div", { class: "halves" }, place, h("div", { class: "controls" },
    h("p", {}, h("label", { for: "class" }, "What speaks for "), choice),
    h("fieldset", {}, h("legend", {}, "Method"), radios),
    h("p", {}, h("label", { for: "strength" }, "Strength "), slider),
    h("p", { class: "quiet" }, "Each method answers another question, and none proves what the network looks at. Colours go by the square root, so that little is seen too.")))];
}

// The first answers first, then all classes by name.
function ordered(names, found) {
  const first = found.predictions.map((each) => [each.index, `${isolated(each.class)} (${percent(each.probability)})`]);
  const known = new Set(first.map(([index]) => index));
  const rest = [...names.entries()].filter(([index]) => !known.has(index));
  return [...first, ...rest.sort((one, other) => one[1].localeCompare(other[1]))];
}

// Grey photograph, orange where something speaks; values between the grid's points are interpolated by the canvas.
function overlay(view, heat, strength) {
  const context = view.getContext("2d");
  const picture = context.getImageData(0, 0, view.width, view.height);
  for (let at = 0; at < picture.data.length; at += 4) {
    const grey = 0.3 * picture.data[at] + 0.59 * picture.data[at + 1] + 0.11 * picture.data[at + 2];
    picture.data[at] = picture.data[at + 1] = picture.data[at + 2] = grey;
  }
  context.putImageData(picture, 0, 0);
  const [rows, columns] = heat.grid;
  const small = new OffscreenCanvas(columns, rows);
  const pixels = new ImageData(columns, rows);
  const most = Math.max(...heat.values);
  heat.values.forEach((value, number) => pixels.data.set([255, 110, 0, 255 * strength * Math.sqrt(Math.max(0, value) / most)], 4 * number));
  small.getContext("2d").putImageData(pixels, 0, 0);
  // the grid of occlusion has its first and last point on the border, the maps of a stage have cells
  const spread = heat.method === "occlusion" ? view.width / (columns - 1) : 0;
  context.drawImage(small, -spread / 2, -spread / 2, view.width + spread, view.height + spread);
}
