/** A table that is sorted by a click on a column's head, and searched. */

import { element } from "./dom.js";

/**
 * @param {string[]} heads
 * @param {(string | number | null)[][]} rows the first cell names the row; null is not known
 * @param {{label: string, search: string, language: string}} said
 * @returns {HTMLElement[]} the search field and the table
 */
export function sortableTable(heads, rows, { label, search, language }) {
  const body = element("tbody", {}, ...rows.map(showRow));
  const shown = [...body.rows];
  const head = element("tr");
  heads.forEach((text, column) => {
    const button = element("button", { type: "button" }, text);
    const cell = element("th", { scope: "col" }, button);
    button.addEventListener("click", () => {
      const falls = cell.ariaSort === "ascending";
      for (const other of head.cells) other.removeAttribute("aria-sort");
      cell.ariaSort = falls ? "descending" : "ascending";
      const order = sorted(rows, column, falls, language);
      body.append(...order.map((index) => shown[index]));
    });
    head.append(cell);
  });
  const input = element("input", { type: "search" });
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLocaleLowerCase(language);
    for (const [index, row] of shown.entries())
      row.hidden = !String(rows[index][0]).toLocaleLowerCase(language).includes(wanted);
  });
  const table = element("table", {}, element("thead", {}, head), body);
  return [
    element("p", { class: "filter" }, element("label", {}, `${search} `, input)),
    element("div", { class: "scroll", tabIndex: 0, role: "region", ariaLabel: label }, table),
  ];
}

/** @returns {number[]} the places of the rows in the order of a column; what is not known is last */
export function sorted(rows, column, falls, language) {
  const sign = falls ? -1 : 1;
  return rows
    .map((row, index) => ({ value: row[column], index }))
    .sort((one, other) => {
      if (one.value === null || other.value === null)
        return (one.value === null) - (other.value === null);
      if (typeof one.value === "number") return sign * (one.value - other.value);
      return sign * one.value.localeCompare(other.value, language, { numeric: true });
    })
    .map(({ index }) => index);
}

function showRow([name, ...cells]) {
  const shown = cells.map((value) =>
    typeof value === "string"
      ? element("td", {}, value)
      : element("td", { class: "number" }, String(value ?? "-")),
  );
  return element("tr", {}, element("th", { scope: "row" }, name), ...shown);
}
