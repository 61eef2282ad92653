// A run as it goes on: where it stands, its errors and losses so far.

import { h, isolated, svg } from "./dom.js";

export const id = "training", title = "Training", needsPhoto = false;
export const offered = (card) => card.run;
const EVERY = 5000;

export async function show(context) {
  const place = h("div", {});
  const problem = h("p", { role: "alert", class: "problem" }); // one, so that nothing is read out twice
  const rows = [];
  let timer = 0;
  context.signal.addEventListener("abort", () => clearTimeout(timer));

  async function update() {
    const run = await context.get(`/v1/run?after=${rows.at(-1)?.epoch ?? 0}`);
    rows.push(...run.rows);
    place.replaceChildren(...drawn(run, rows));
    if (run.state !== "finished" && !context.signal.aborted) timer = setTimeout(() => update().catch(lost), EVERY);
  }
  function lost(error) {
    if (context.signal.aborted) return;
    if (problem.textContent !== error.message) problem.textContent = error.message;
    if (!problem.isConnected) place.prepend(problem);
    timer = setTimeout(() => update().catch(lost), EVERY);
  }
  await update();
  return [place];
}

function drawn(run, rows) {
  const of = run.epochs ? ` of ${run.epochs}` : "";
  const state = {
    "not begun": "has not begun",
    running: `is in epoch ${run.epoch}${of}${run.seconds_left ? `, ${duration(run.seconds_left)} left` : ""}`,
    silent: `was in epoch ${run.epoch}${of}, and has said nothing for ${duration(run.silent_seconds)}: it may have been stopped`,
    finished: `is finished after ${rows.length} epochs`,
  }[run.state];
  const last = rows.at(-1);
  return [
    h("h2", {}, `Run ${isolated(run.name)}`), h("p", { role: "status" }, `It ${state}.`),
    ...(last ? [
      chart("Error, %", rows, [["val_top1_error", "validation", "whole"], ["train_error", "training", "dashed"]], 100),
      chart("Loss", rows, [["val_loss", "validation", "whole"], ["train_loss", "training", "dashed"]], 1),
    ] : [h("p", { class: "quiet" }, "There is no finished epoch yet.")]),
  ];
}

const HEIGHT = 220, LEFT = 44, RIGHT = 130, TOP = 10, BOTTOM = 28;

function chart(title, rows, series, scale) {
  const values = series.flatMap(([name]) => rows.map((row) => row[name])).filter((value) => value !== null && value !== undefined);
  const WIDTH = Math.min(640, document.getElementById("panel").clientWidth); // letters keep their size
  const top = nice(Math.max(...values, 1e-9) * scale);
  const end = Math.max(rows.at(-1).epoch, 2);
  const x = (epoch) => LEFT + ((epoch - 1) / (end - 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const lines = [], labels = [];
  for (const [name, label, style] of series) {
    const points = rows.filter((row) => row[name] !== null && row[name] !== undefined);
    if (!points.length) continue;
    lines.push(svg("polyline", { class: `curve ${style}`, points: points.map((row) => `${x(row.epoch).toFixed(1)},${y(row[name] * scale).toFixed(1)}`).join(" ") }));
    labels.push({ y: y(points.at(-1)[name] * scale), text: `${label} ${(points.at(-1)[name] * scale).toPrecision(3)}` });
  }
  labels.sort((one, other) => one.y - other.y);
  labels.forEach((label, number) => { if (number) label.y = Math.max(label.y, labels[number - 1].y + 16); });
  const ticks = [0, 0.5, 1].map((share) => share * top);
  return h("figure", {}, h("h3", {}, title), svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img",
    "aria-label": `${title} by epoch, 1 to ${rows.at(-1).epoch}: ${labels.map((label) => label.text).join(", ")} at the end.` },
  ticks.map((tick) => [svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick), class: "grid" }),
    svg("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, Number(tick.toPrecision(3)).toString())]).flat(),
  [1, end].map((epoch) => svg("text", { x: x(epoch), y: HEIGHT - 8, "text-anchor": "middle" }, epoch === 1 ? "epoch 1" : String(epoch))),
  lines, labels.map((label) => svg("text", { x: WIDTH - RIGHT + 6, y: label.y + 4 }, label.text))));
}

function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}
