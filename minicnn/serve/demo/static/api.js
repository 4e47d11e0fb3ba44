// What the page asks its server for. Answers about images are a small head of JSON with arrays behind it.

const KINDS = { float32: Float32Array, uint8: Uint8Array };

const GONE = "The server does not answer. Is it still running?";

/** A request without an answer, in words for the reader; `status` is 0 if nobody answered. */
export class Failed extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }

  /** Whether to ask again later. */
  get busy() {
    return this.status === 503;
  }
}

/** The bytes of an answer. */
async function ask(path, query, options) {
  let answer;
  let bytes;
  try {
    answer = await fetch(`${path}?${new URLSearchParams(query)}`, { cache: "no-store", ...options });
    bytes = await answer.arrayBuffer();
  } catch {
    throw new Failed(0, GONE);
  }
  if (answer.ok) return bytes;
  let said;
  try {
    said = read(bytes).error;
  } catch {
    said = undefined;
  }
  throw new Failed(answer.status, said ?? `The server answered ${answer.status}.`);
}

const read = (bytes) => JSON.parse(new TextDecoder().decode(bytes));

/** The head of an answer, with its arrays as typed arrays that have a shape. */
function unpacked(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const head = read(new Uint8Array(buffer, 4, length));
  const arrays = {};
  for (const [name, [dtype, shape, place]] of Object.entries(head.arrays)) {
    const size = shape.reduce((a, b) => a * b, 1);
    arrays[name] = new KINDS[dtype](buffer, 4 + length + place, size);
    arrays[name].shape = shape;
  }
  return { ...head, arrays };
}

const json = async (...given) => read(await ask(...given));
const binary = async (...given) => unpacked(await ask(...given));

export const networks = () => json("demo/networks", {});
export const network = (key) => json("demo/network", { network: key });
export const digits = (key) => binary("demo/digits", { network: key });
export const look = (key, changes, body) => binary("demo/look", { network: key, ...changes }, { method: "POST", body });
export const field = (key, changes, body, place) =>
  json("demo/field", { network: key, ...changes, ...place }, { method: "POST", body });
export const training = (after) => binary("demo/train", { after });
export const train = (key, steps, rate) => json("demo/train", { network: key, steps, rate }, { method: "POST" });
export const stop = () => json("demo/stop", {}, { method: "POST" });
