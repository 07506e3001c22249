// Runs notebooks in JupyterLab as a person would: opens one, runs all its cells, perhaps interrupts it, says what is there.
// Asked on stdin, a line each: {notebook, interrupt, picture}; answered: {cells, errors, shown, stopped_ms} or {failed}.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const [binary, server] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: binary, headless: true, args: ["--disable-dev-shm-usage", "--disable-gpu"],
});

// The kernel must have answered once: until then the command is accepted and runs nothing.
async function begin() {
  const widget = window.jupyterapp.shell.currentWidget;
  await widget.context.ready;
  await widget.sessionContext.ready;
  await widget.sessionContext.session.kernel.info;
  window.running = window.jupyterapp.commands.execute("notebook:run-all-cells");
}

function isShown(words) {
  const cells = window.jupyterapp.shell.currentWidget.context.model.toJSON().cells;
  return cells.some((cell) => (cell.outputs ?? []).some((one) => JSON.stringify(one).includes(words)));
}

// What passes between a click and its effect is measured in the page, where both are seen.
async function stop(page) {
  await page.waitForFunction(isShown, "processes flushed");
  const clicked = await page.evaluate(() => {
    const now = performance.now();
    window.jupyterapp.commands.execute("kernelmenu:interrupt");
    return now;
  });
  await page.waitForFunction(isShown, "until it was stopped");
  return (await page.evaluate(() => performance.now())) - clicked;
}

async function run({ notebook, interrupt = false, picture }) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 6000 } });
  page.setDefaultTimeout(600_000);
  try {
    await page.goto(`${server}/lab/tree/${notebook}.ipynb?reset`);
    await page.waitForFunction((name) => window.jupyterapp?.shell?.currentWidget?.context?.path === name, `${notebook}.ipynb`);
    await page.evaluate(begin);
    const stopped_ms = interrupt ? await stop(page) : null;
    await page.evaluate(() => window.running);
    const { cells } = await page.evaluate(() => window.jupyterapp.shell.currentWidget.context.model.toJSON());
    const code = cells.filter((cell) => cell.cell_type === "code"), outputs = code.flatMap((cell) => cell.outputs);
    if (picture) await page.screenshot({ path: picture });
    await page.evaluate(() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown());
    return {
      cells: code.map((cell) => cell.execution_count),
      errors: outputs.filter((one) => one.output_type === "error").map((one) => `${one.ename}: ${one.evalue}`),
      shown: JSON.stringify(outputs),
      stopped_ms,
    };
  } finally {
    await page.close();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await run(JSON.parse(line)).catch((error) => ({ failed: String(error) }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
