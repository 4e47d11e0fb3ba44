// What the page asks its server for. Answers about images are a small head of JSON with arrays behind it.

const KINDS = { float32: Float32Array, uint8: Uint8Array };

/** A request that the server refused, in its words. */
export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(path, query, options) {
  const answer = await fetch(`${path}?${new URLSearchParams(query)}`, { cache: "no-store", ...options });
  if (!answer.ok) {
    const text = await answer.text();
    let said = text;
    try {
      said = JSON.parse(text).error;
    } catch {
      said = `the server answered ${answer.status}`;
    }
    throw new Refused(answer.status, said);
  }
  return answer;
}

/** The head of an answer, with its arrays as typed arrays that have a shape. */
function unpacked(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const arrays = {};
  for (const [name, [dtype, shape, place]] of Object.entries(head.arrays)) {
    const size = shape.reduce((a, b) => a * b, 1);
    arrays[name] = new KINDS[dtype](buffer, 4 + length + place, size);
    arrays[name].shape = shape;
  }
  return { ...head, arrays };
}

const json = async (...given) => (await ask(...given)).json();
const binary = async (...given) => unpacked(await (await ask(...given)).arrayBuffer());

export const networks = () => json("demo/networks", {});
export const network = (key) => json("demo/network", { network: key });
export const digits = (key) => binary("demo/digits", { network: key });
export const look = (key, changes, body) => binary("demo/look", { network: key, ...changes }, { method: "POST", body });
export const field = (key, changes, body, place) =>
  json("demo/field", { network: key, ...changes, ...place }, { method: "POST", body });
export const training = (after) => binary("demo/train", { after });
export const train = (key, steps, rate) => json("demo/train", { network: key, steps, rate }, { method: "POST" });
export const stop = () => json("demo/stop", {}, { method: "POST" });
