// Opens pages in one Chromium and says what is wrong with them: a request a line on stdin, an answer a line on stdout.
// Asked: {url, width, height, scheme, media, script, axe}; answered: {requests, errors, overflow, violations, value}.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: process.argv[2], headless: true, args: ["--disable-dev-shm-usage", "--disable-gpu"],
});

// What is folded, or far below, is looked at like the rest.
async function unfold(page) {
  await page.addStyleTag({ content: ".chapter, .month { content-visibility: visible !important; }" });
  await page.evaluate(() => { for (const one of document.querySelectorAll("details")) one.open = true; });
}

async function judged(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map(({ id, impact, nodes }) => ({ id, impact, where: nodes.slice(0, 3).map((node) => node.html) }));
}

async function look({ url, width = 1280, height = 900, scheme = "light", media = "screen", script, axe: asked = true }) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
  const page = await context.newPage(), requests = [], errors = [];
  await context.route(/^https?:/, (route) => route.abort()); // counted, never made
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) errors.push(message.text()); });
  page.on("pageerror", (error) => errors.push(String(error)));
  try {
    await page.goto(url, { waitUntil: "load" });
    await page.emulateMedia({ media, colorScheme: scheme });
    const value = script ? await page.evaluate(script) : null;
    await unfold(page);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    const violations = asked ? await judged(page) : [];
    const outside = requests.filter((address) => address !== url && !address.startsWith("data:"));
    return { requests: outside, errors, overflow, violations, value };
  } finally {
    await context.close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await look(JSON.parse(line)).catch((error) => ({ failed: String(error) }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
