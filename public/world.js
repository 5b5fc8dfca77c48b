// What the back end says about itself: the model, the servers, their tools. Polled while the page is visible.
import { callTool, getStatus, getTools } from "./api.js";
import { rows } from "./data.js";

const POLL_MS = 2500;

export const world = Object.assign(new EventTarget(), {
  online: true,
  model: { name: "", demo: false },
  servers: [],
  tools: [],
});

let seen = "";

/** Read the status, and the tools when a server changed; "change" is fired when anything did. */
export async function refresh() {
  let now;
  try {
    const status = await getStatus();
    now = JSON.stringify(status);
    if (now === seen && world.online) return;
    const tools = await getTools();
    Object.assign(world, { online: true, model: status.model, servers: status.servers, tools });
  } catch {
    now = "offline";
    if (now === seen) return;
    world.online = false;
  }
  seen = now;
  world.dispatchEvent(new Event("change"));
}

export async function watch() {
  await refresh();
  const next = () => setTimeout(() => (document.hidden ? Promise.resolve() : refresh()).finally(next), POLL_MS);
  next();
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
}

export const findTool = (name, server) =>
  world.tools.find((tool) => tool.name === name && (server === undefined || tool.server === server));

export const down = () => world.servers.filter((server) => server.status === "down");

/** Names, prices and stock of products by id, from the inventory tool of the same server; throws without it. */
export async function readStock(server, ids) {
  const tool = findTool("get_inventory", server);
  if (!tool) throw new Error("no inventory tool");
  const args = tool.input_schema?.properties?.productIds ? { productIds: ids } : {};
  const { result, isError } = await callTool(server, tool.name, args);
  if (isError) throw new Error(result);
  const found = {};
  for (const { productId, quantity, product } of rows(result) ?? []) {
    found[productId] = { name: product?.name ?? `#${productId}`, price: product?.price, quantity };
  }
  return found;
}
