// The maps of every stage; one of them large, with what it sees in the photograph.

import { frame } from "./answer.js";
import { canvas, decoded, drawn, h, short, sizes } from "./dom.js";

export const id = "inside", title = "Inside", needsPhoto = true;
export const offered = (card) => card.inside;
const SHOWN = 96;
let chosen = null; // the stage, kept from photograph to photograph

export async function show(context) {
  const { layers } = await context.get("/v1/layers");
  chosen ??= layers.find((layer) => layer.kind === "activation")?.name ?? layers[0].name;
  const found = await context.answer();
  const place = h("div", { "aria-live": "polite" });
  const rail = h("div", { class: "rail", role: "group", "aria-label": "Stages" }, layers.map((layer) =>
    h("button", { type: "button", "aria-pressed": String(layer.name === chosen), onclick: (event) => {
      chosen = layer.name;
      for (const each of rail.children) each.setAttribute("aria-pressed", each === event.currentTarget);
      stage();
    } }, h("b", {}, layer.name), h("span", { class: "quiet" }, sizes(layer.output)))));

  async function stage() {
    const wanted = chosen;
    place.classList.add("waiting");
    try {
      const maps = await context.ask(`/v1/maps?stage=${wanted}&top=${SHOWN}`);
      if (wanted !== chosen) return;
      const sheet = await decoded(maps.sheet);
      const row = layers.find((layer) => layer.name === wanted);
      place.replaceChildren(...(maps.shape.length === 1 ? units(maps) : tiles(context, found, layers, row, maps, sheet)));
    } catch (error) {
      if (!context.signal.aborted) place.replaceChildren(h("p", { role: "alert", class: "problem" }, error.message));
    } finally {
      place.classList.remove("waiting");
    }
  }
  await stage();
  return [h("h2", {}, "Inside"), rail, place];
}

function units(maps) {
  const most = Math.max(...maps.maxima.map(Math.abs)) || 1;
  const silent = maps.silent ? `, ${maps.silent.toLocaleString("en")} of them 0` : "";
  return [
    h("p", {}, `${maps.stage} has ${sizes(maps.shape)} units${silent}. The ${Math.min(20, maps.order.length)} largest:`),
    h("ol", { class: "bars" }, maps.order.slice(0, 20).map((unit, number) => {
      const bar = h("span", { class: "bar", "aria-hidden": "true" });
      bar.style.setProperty("--share", Math.max(0, maps.maxima[number]) / most);
      return h("li", {}, h("span", { class: "name" }, `unit ${unit}`), h("span", { class: "number" }, short(maps.maxima[number])), bar);
    })),
  ];
}

function tiles(context, found, layers, row, maps, sheet) {
  const [height, width] = maps.tile;
  const large = h("div", { class: "large" });
  const buttons = maps.order.map((map, number) => {
    const tile = canvas(width, height, "");
    tile.removeAttribute("role");
    tile.removeAttribute("aria-label");
    tile.getContext("2d").drawImage(sheet, ...source(number), 0, 0, width, height);
    return h("button", { type: "button", class: "tile", "aria-pressed": String(number === 0), title: `map ${map}`,
      "aria-label": `map ${map}, largest value ${short(maps.maxima[number])}`, onclick: () => enlarge(number) }, tile);
  });

  function source(number) {
    return [(number % maps.columns) * width, Math.floor(number / maps.columns) * height, width, height];
  }

  function enlarge(number) {
    buttons.forEach((button, each) => button.setAttribute("aria-pressed", each === number));
    large.replaceChildren(...one(context, found, layers, row, maps, number, (target) =>
      target.drawImage(sheet, ...source(number), 0, 0, width, height)));
  }

  enlarge(0);
  const rest = maps.shape[0] - maps.order.length;
  const scale = maps.colours === "grey"
    ? `black is 0, white is ${short(maps.high)}, the largest of all`
    : `white is 0, red above, blue below, full at ±${short(Math.max(-maps.low, maps.high))}`;
  return [
    h("p", {}, `${maps.stage}: ${sizes(maps.shape)}; ${maps.silent} of ${maps.shape[0]} maps are 0 everywhere. `
      + `Strongest first${rest ? `, ${rest} weaker ones are not shown` : ""}; ${scale}.`),
    h("div", { class: "inside" }, h("div", { class: "tiles", role: "group", "aria-label": `Maps of ${maps.stage}` }, buttons), large),
  ];
}

// One map large beside the photograph; a place in it is chosen with the pointer or the arrow keys.
function one(context, found, layers, row, maps, number, draw) {
  const [height, width] = maps.tile;
  const map = maps.order[number];
  const big = canvas(width, height, `Map ${map} of ${maps.stage}. Arrow keys move the place whose field is shown.`);
  big.tabIndex = 0;
  big.className = "pixels";
  big.setAttribute("role", "application");
  draw(big.getContext("2d"));
  const words = h("p", { role: "status" });
  const target = h("div", { class: "field" });
  let place = strongest(big, width, height, maps.colours);

  function point() {
    const view = drawn(found.square, found.view, 448, `What map ${map} sees from this place, framed in the view.`);
    const side = found.view[2], scale = 448 / side;
    const context2d = view.getContext("2d");
    if (row.field) {
      const { side: field, step, start } = row.field;
      const beyond = (first) => first < 0 || first + field > side;
      frame(context2d, (start + place.x * step) * scale, (start + place.y * step) * scale, field * scale, field * scale);
      words.textContent = `Place ${place.x}, ${place.y} of map ${map} sees the ${field} × ${field} pixels in the frame`
        + (beyond(place.x * step + start) || beyond(place.y * step + start) ? ", some of them beyond the border." : ".");
    } else words.textContent = `Every place of map ${map} sees the whole view.`;
    target.replaceChildren(view);
    const marks = big.getContext("2d");
    draw(marks);
    marks.strokeStyle = "#e8590c";
    marks.lineWidth = Math.max(0.4, width / 60);
    marks.strokeRect(place.x, place.y, 1, 1);
  }

  function move(x, y) {
    place = { x: Math.min(width - 1, Math.max(0, x)), y: Math.min(height - 1, Math.max(0, y)) };
    point();
  }
  big.addEventListener("pointerdown", follow);
  big.addEventListener("pointermove", follow);
  function follow(event) {
    const box = big.getBoundingClientRect();
    move(Math.floor((event.clientX - box.left) / box.width * width), Math.floor((event.clientY - box.top) / box.height * height));
  }
  big.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    move(place.x + step[0], place.y + step[1]);
  });
  point();
  return [h("h3", {}, `Map ${map}: largest value ${short(maps.maxima[number])}`),
    h("div", { class: "pair" }, big, target, kernel(layers, row, map)), words];
}

// The strongest place, read from the picture of the map.
function strongest(big, width, height, colours) {
  const { data } = big.getContext("2d").getImageData(0, 0, width, height);
  let best = -1, at = 0;
  for (let pixel = 0; pixel < width * height; pixel++) {
    const value = colours === "grey" ? data[4 * pixel] : data[4 * pixel] - data[4 * pixel + 2] + (255 - data[4 * pixel + 1]) * (data[4 * pixel] > data[4 * pixel + 2]);
    if (value > best) [best, at] = [value, pixel];
  }
  return { x: at % width, y: Math.floor(at / width) };
}

// The kernel that made the map: of the convolution at this stage, or before it with nothing but pointwise layers between.
function kernel(layers, row, map) {
  const here = layers.indexOf(row);
  const conv = layers.slice(0, here + 1).reverse().find((layer) => layer.kernel && layer.groups) ?? null;
  if (!conv) return h("span", {});
  const path = `/v1/filters.png?layer=${conv.name}&map=${map}&scale=each`;
  const planes = conv === layers[0] ? "" : ", a square for each map that it looks at: red above 0, blue below";
  return h("figure", { class: planes ? "kernel many" : "kernel" },
    h("img", { src: path, alt: `Kernel ${map} of ${conv.name}`, class: "pixels" }),
    h("figcaption", { class: "quiet" }, `Kernel ${map} of ${conv.name}, ${conv.kernel} × ${conv.kernel}${planes}`));
}
