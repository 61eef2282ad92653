// Tabs as the ARIA practices have them: arrows move, the address remembers.

import { h } from "./dom.js";

export function tabs(list, panel, views, changed) {
  const buttons = views.map((view) =>
    h("button", { type: "button", role: "tab", id: `tab-${view.id}`, "aria-controls": "panel",
      onclick: () => select(view.id), onkeydown: move }, view.title));
  list.append(...buttons);

  function move(event) {
    const here = buttons.indexOf(event.currentTarget);
    const there = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (there === undefined) return;
    event.preventDefault();
    const next = (there + buttons.length) % buttons.length;
    buttons[next].focus();
    select(views[next].id);
  }

  function select(id, remember = true) {
    const chosen = views.find((view) => view.id === id) ?? views[0];
    buttons.forEach((button, number) => {
      const current = views[number] === chosen;
      button.setAttribute("aria-selected", current);
      button.tabIndex = current ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", `tab-${chosen.id}`);
    if (remember) history.replaceState(null, "", `#${chosen.id}`);
    changed(chosen);
  }

  addEventListener("hashchange", () => {
    const id = location.hash.slice(1);
    if (views.some((view) => view.id === id)) select(id, false);
  });
  select(location.hash.slice(1), false);
}
