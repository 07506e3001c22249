// Shows the runs and trends that match every choice; all of them without a choice, and without this script.
const form = document.getElementById("filters"), told = form.querySelector("output");
const runs = document.querySelectorAll("tbody[data-v]"), others = document.querySelectorAll("#trends article, .strip li");
function matches(at, asked) {
  return (!asked.environment || at.e.split(" ").includes(asked.environment)) && (!asked.verdict || !at.v || at.v === asked.verdict)
    && (!asked.profile || at.p === asked.profile) && (!asked.host || at.h === asked.host);
}
function show() {
  const asked = Object.fromEntries(new FormData(form));
  let shown = 0;
  for (const part of others) part.hidden = !matches(part.dataset, asked);
  for (const run of runs) {
    run.hidden = !matches(run.dataset, asked);
    shown += !run.hidden;
    for (const row of run.querySelectorAll("tr[data-e]")) row.hidden = asked.environment && row.dataset.e !== asked.environment;
  }
  for (const month of document.querySelectorAll(".month")) month.hidden = !month.querySelector("tbody:not([hidden])");
  told.textContent = told.dataset.told.replace("{shown}", shown).replace("{all}", runs.length);
}
form.hidden = false;
form.addEventListener("change", show);
form.addEventListener("reset", () => setTimeout(show));
form.addEventListener("submit", (event) => event.preventDefault());
show();
