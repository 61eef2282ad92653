// Questions to the service. A full queue is asked again; every other refusal is an error with a sentence.

const TRIES = 5;

export class Refusal extends Error {
  constructor(sentence, status = 0) {
    super(sentence);
    this.status = status;
  }
}

export async function get(path, signal) {
  return (await request(path, { signal })).json();
}

// `busy` gets the words for as long as the service is busy, and then none.
export async function ask(path, photo, signal, busy) {
  try {
    for (let tried = 1; ; tried++) {
      try {
        const body = { method: "POST", body: photo.blob, headers: { "Content-Type": "application/octet-stream" }, signal };
        return await (await request(path, body)).json();
      } catch (error) {
        if (error.status !== 503 || tried === TRIES) throw error;
        busy(`The service is busy; trying again (${tried} of ${TRIES - 1}).`);
        await pause(1000, signal);
      }
    }
  } finally {
    busy("");
  }
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The service does not answer. It may have been stopped: start it again with alexnet serve.");
  }
  if (response.ok) return response;
  let detail = `The service answered ${response.status}.`;
  try {
    detail = (await response.json()).detail;
  } catch { /* no problem in JSON: a proxy's */ }
  throw new Refusal(detail, response.status);
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
