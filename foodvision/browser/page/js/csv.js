/** Answers as CSV, the same columns as the Gradio page's. */

const HEADER = ["photo", "label", "confidence", "certainty", "error"];

/** @param {{name: string, prediction: object | null, error: string}[]} answered */
export function toCsv(answered) {
  const rows = answered.map(({ name, prediction, error }) => [
    name,
    prediction?.label ?? "",
    prediction?.confidence.toFixed(4) ?? "",
    prediction?.certainty ?? "",
    error,
  ]);
  const lines = [HEADER, ...rows].map((row) => `${row.map(harmless).map(quote).join(",")}\r\n`);
  return `\ufeff${lines.join("")}`; // spreadsheets ask for the mark
}

/** A cell that no spreadsheet takes for a formula. */
function harmless(text) {
  return /^'*[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
}

function quote(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
