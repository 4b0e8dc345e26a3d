// Results of all photos: a table, CSV and JSON files, and the clipboard.

// Those of detections.csv, which `apparel predict` writes.
const COLUMNS = ["file", "class", "score", "xmin", "ymin", "xmax", "ymax", "threshold"];
const MOST_ROWS = 500; // in the table on the page; the files hold all

const find = (id) => document.getElementById(id);

// A row for each detection that is shown, the columns as in `COLUMNS`.
export function rows(cards, filter) {
  return cards.flatMap((card) => card.shown.map((detection) => {
    const { xmin, ymin, xmax, ymax } = detection.box;
    return [card.name, detection.class, detection.score, xmin, ymin, xmax, ymax, filter.of(detection).threshold];
  }));
}

export function drawTable(cards, filter) {
  const all = rows(cards, filter);
  const lines = all.slice(0, MOST_ROWS).map(([file, name, score, ...rest]) => {
    const threshold = rest.pop();
    return [file, name, score.toFixed(2), ...rest.map((corner) => corner.toFixed(1)), threshold.toFixed(2)];
  });
  find("rows").replaceChildren(...lines.map(tableRow));
  find("more-rows").textContent = all.length > MOST_ROWS ? `… and ${all.length - MOST_ROWS} more; the files hold all.` : "";
}

function tableRow(values) {
  const row = document.createElement("tr");
  row.append(...values.map((value) => Object.assign(document.createElement("td"), { textContent: value })));
  return row;
}

// CSV as RFC 4180 has it.
export function csv(cards, filter) {
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
  return [COLUMNS, ...rows(cards, filter)].map((row) => row.map(quoted).join(",") + "\r\n").join("");
}

// As the server answers, with thresholds and `shown` as they are set on the page.
export function json(cards, filter, model) {
  const photos = cards.map((card) => ({
    name: card.name,
    width: card.size?.width ?? null,
    height: card.size?.height ?? null,
    detections: card.detections.map((detection) => ({
      ...detection,
      threshold: filter.of(detection).threshold,
      shown: filter.shows(detection),
    })),
    model: card.model?.hash ?? null,
    problem: card.problem,
  }));
  const { name, hash, runtime } = model ?? {};
  return JSON.stringify({ model: { name, hash, runtime }, photos }, null, 2) + "\n";
}

export function download(name, type, text) {
  const href = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { download: name, href });
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

// Tab-separated, which spreadsheets take as cells. Away from https and localhost there is no `navigator.clipboard`.
export async function copyTable(cards, filter) {
  const cell = (value) => String(value).replaceAll(/[\t\r\n]/g, " ");
  const text = [COLUMNS, ...rows(cards, filter)].map((row) => row.map(cell).join("\t")).join("\n");
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

function copySelected(text) {
  const area = Object.assign(document.createElement("textarea"), { value: text, className: "unseen" });
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}
