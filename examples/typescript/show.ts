/** Read two keys through the client that the variables ask for, withdraw one, and print what was seen. */

import { Redis as Upstash } from "@upstash/redis";
import { Redis } from "ioredis";
import { createClient } from "redis";

import { type Client, invalidate, read } from "./cache.js";

const { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: token, REDIS_URL: server } = process.env;

/** On Vercel: over REST. */
function overRest(): Client {
  // Its own JSON.parse would lose what a number of more than 15 digits says, so texts come as they are.
  const redis = new Upstash({ url, token, automaticDeserialization: false, enableTelemetry: false });
  return { mget: (names) => redis.mget<(string | null)[]>(names), del: (names) => redis.del(...names) };
}

/** On a server of your own: over TCP, by ioredis or by node-redis. */
async function overTcp(library: string): Promise<Client & { close(): void }> {
  if (library === "ioredis") {
    const redis = new Redis(server!);
    return { mget: (names) => redis.mget(names), del: (names) => redis.del(names), close: () => redis.disconnect() };
  }
  const redis = createClient({ url: server });
  await redis.connect();
  return { mget: (names) => redis.mGet(names), del: (names) => redis.del(names), close: () => redis.destroy() };
}

const [library, namespace] = process.argv.slice(2);
const tcp = library === "upstash" ? undefined : await overTcp(library);
const client = tcp ?? overRest();

const rows = await read<{ id: number; title: string }[]>(client, "all_properties", namespace);
const tagged = await read<string>(client, "list:dakar", namespace);
const withdrawn = await read<string>(client, "list:thies", namespace);
await invalidate(client, "all_properties", namespace);
const after = await read(client, "all_properties", namespace);
console.log(JSON.stringify({ rows, tagged, withdrawn: withdrawn ?? null, after: after ?? null }));
tcp?.close();
