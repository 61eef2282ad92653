// The page: one photograph, several views of what the network makes of it.

import { ask, get } from "./api.js";
import * as alike from "./alike.js";
import * as answer from "./answer.js";
import * as crops from "./crops.js";
import { apart, decoded, h, isolated, percent } from "./dom.js";
import * as inside from "./inside.js";
import * as network from "./network.js";
import { tabs } from "./tabs.js";
import * as training from "./training.js";
import * as why from "./why.js";

const by = (id) => document.getElementById(id);
const state = { card: null, names: [], photo: null, view: null };
let said = ""; // what stands where the service is not busy
let looking = new AbortController(); // of what is asked for the view that is shown

themes();
const ready = start();
take();

async function start() {
  try {
    state.card = await get("/v1/model");
  } catch (error) {
    complain(error);
    return;
  }
  const { network: name, classes, dtype } = state.card;
  state.names = apart(classes);
  by("card").textContent = `${name} · ${classes.length.toLocaleString("en")} classes · ${dtype}`;
  document.title = `${name} – alexnet`;
  examples();
  const views = [answer, crops, inside, why, alike, network, training];
  tabs(by("tabs"), by("panel"), views.filter((view) => view.offered(state.card)), (view) => {
    state.view = view;
    show();
  });
}

// A new photograph, or a new view: whatever was under way for the old one is given up.
async function show() {
  looking.abort();
  looking = new AbortController();
  const { signal } = looking;
  const panel = by("panel");
  const { view, photo } = state;
  by("problem").hidden = true;
  if (photo) {
    const name = isolated(photo.name);
    say(photo.said ?? (view.needsPhoto ? `Looking at ${name} …` : `${name} is taken; its answer is in the tab Answer.`));
  }
  panel.setAttribute("aria-busy", "true");
  panel.classList.add("waiting");
  try {
    const found = view.needsPhoto && !photo
      ? [h("p", { class: "quiet empty" }, "Take a photograph first: drop one here, paste it, or choose it above.")]
      : await view.show(context(signal));
    if (!signal.aborted) panel.replaceChildren(...found);
  } catch (error) {
    if (signal.aborted) return;
    panel.replaceChildren();
    if (photo) photo.said ??= "";
    complain(error);
  } finally {
    if (!signal.aborted) {
      panel.setAttribute("aria-busy", "false");
      panel.classList.remove("waiting");
    }
  }
}

function context(signal) {
  const { card, names, photo } = state;
  const put = async (path) => {
    const found = await ask(path, photo, signal, busy);
    for (const { predictions = [] } of [found, ...(found.crops ?? [])]) {
      for (const each of predictions) each.class = names[each.index];
    }
    if (found.square) found.square = await decoded(found.square);
    return found;
  };
  const tell = (words) => {
    photo.said = `${isolated(photo.name)}: ${words}`;
    if (state.photo === photo) say(photo.said);
  };
  return {
    card, names, photo, signal, tell, get: (path) => get(path, signal), ask: put,
    answer: async () => {
      if (!photo.answer) {
        photo.answer = await put("/v1/predict?k=5&square=1");
        tell(first(photo.answer.predictions));
      }
      return photo.answer;
    },
  };
}

async function choose(blob, name) {
  await ready; // a photograph may come before the service has said what it is
  const most = state.card?.limits.bytes;
  if (!blob || !state.card) return;
  if (blob.size > most) {
    complain(new Error(`${isolated(name)} has ${megabytes(blob.size)}; the service takes ${megabytes(most)} at most.`));
    return;
  }
  state.photo = { blob, name };
  show();
}

function first(predictions) {
  return `${predictions.slice(0, 2).map((each) => `${isolated(each.class)}, ${percent(each.probability)}`).join("; then ")}.`;
}

function take() {
  const input = by("file");
  const chosen = () => {
    const [file] = input.files;
    choose(file, file?.name);
    input.value = "";
  };
  input.addEventListener("change", chosen);
  if (input.files.length) chosen(); // before this program ran
  addEventListener("dragover", (event) => {
    event.preventDefault();
    by("drop").classList.add("over");
  });
  addEventListener("dragleave", () => by("drop").classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    by("drop").classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) choose(file, file.name);
    else complain(new Error("What was dropped is no file; save the picture first, or copy and paste it."));
  });
  addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) choose(file, file.name || "the pasted picture");
  });
}

function examples() {
  for (const [number, name] of state.card.examples.entries()) {
    const path = `/examples/${number}.png`;
    const pick = async () => {
      try {
        choose(await (await fetch(path)).blob(), `The built-in ${name}`);
      } catch {
        complain(new Error("The service does not answer. It may have been stopped: start it again with alexnet serve."));
      }
    };
    const image = h("img", { src: path, alt: `Built-in picture: ${name}`, width: 72, height: 72 });
    by("examples").append(h("li", {}, h("button", { type: "button", class: "picture", onclick: pick }, image)));
  }
}

function themes() {
  const button = by("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const tell = () => button.setAttribute("aria-pressed", isDark());
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    tell();
  });
  system.addEventListener("change", tell);
  tell();
}

function complain(error) {
  by("problem").textContent = error.message;
  by("problem").hidden = false;
  say("");
}

function say(text) {
  said = text;
  busy("");
}

// Stands for a while in place of what is said.
function busy(text) {
  const place = by("say");
  if (place.textContent !== (text || said)) place.textContent = text || said;
}

function megabytes(count) {
  return `${(count / 1e6).toFixed(1)} MB`;
}
