/** Read what dousell_cache keeps, and withdraw it, from TypeScript: over any client that can MGET and DEL. */

/** What is needed of a client: `null` for what is not there, and texts as they are stored. */
export interface Client {
  mget(names: string[]): Promise<(string | null)[]>;
  del(names: string[]): Promise<unknown>;
}

interface Entry {
  value: unknown;
  tags?: Record<string, string>;
}

/** The name of what stands beside a key, in the same slot of a Cluster. */
function beside(key: string, word: string): string {
  return /^[^{]*\{[^}]+\}/.test(key) ? `${key}:${word}` : `{${key}}:${word}`;
}

/**
 * Return the value under a key, or `undefined`: then ask your own API, which loads and stores it.
 *
 * An entry that carries tags is only valid while their versions are the ones it carries.
 */
export async function read<T>(client: Client, key: string, namespace = ""): Promise<T | undefined> {
  const [stored] = await client.mget([namespace + key]);
  if (stored == null) return undefined;
  const entry = JSON.parse(stored) as Entry;
  const tags = Object.entries(entry.tags ?? {});
  if (tags.length === 0) return entry.value as T;
  const versions = await client.mget(tags.map(([tag]) => beside(`${namespace}tag:${tag}`, "version")));
  return tags.every(([, version], i) => versions[i] === version) ? (entry.value as T) : undefined;
}

/** Withdraw a key and the load of it that may be under way, as `cache.invalidate` does. */
export async function invalidate(client: Client, key: string, namespace = ""): Promise<void> {
  const name = namespace + key;
  await client.del([name, beside(name, "lease"), beside(name, "old")]);
}
