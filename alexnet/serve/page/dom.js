// Elements by name. Texts become text nodes, whatever is in them.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  fill(element, properties, children);
  return element;
}

export function svg(tag, properties = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  fill(element, properties, children);
  return element;
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat());
}

export function percent(share) {
  const value = 100 * share;
  return `${value.toFixed(value > 99.9 && value < 99.995 ? 2 : 1)} %`;
}

export function sizes(shape) {
  return shape.map((each) => each.toLocaleString("en")).join(" × ");
}

export function short(value) {
  return Number(value.toPrecision(3)).toString();
}

// A name inside a sentence: whichever way it is read, the words and numbers around it keep their places.
export function isolated(name) {
  return `\u2068${name}\u2069`;
}

// The names of classes, with its key behind each that several have.
export function apart(classes) {
  const times = new Map();
  for (const { class: name } of classes) times.set(name, (times.get(name) ?? 0) + 1);
  return classes.map(({ class: name, key }) => (times.get(name) > 1 ? `${name} (${key})` : name));
}

// A canvas of the page's pixels, with a description for those who do not see it.
export function canvas(width, height, description) {
  return h("canvas", { width, height, role: "img", "aria-label": description });
}

// A picture of the service, decoded: an address of data.
export async function decoded(source) {
  const image = new Image();
  image.src = source;
  await image.decode();
  return image;
}

// A part of the square that the network was given, as a square canvas.
export function drawn(square, box, pixels, description, mirrored = false) {
  const target = canvas(pixels, pixels, description);
  const context = target.getContext("2d");
  context.imageSmoothingQuality = "high";
  if (mirrored) {
    context.translate(pixels, 0);
    context.scale(-1, 1);
  }
  context.drawImage(square, ...box, 0, 0, pixels, pixels);
  context.setTransform(1, 0, 0, 1, 0, 0);
  return target;
}
