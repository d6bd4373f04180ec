// Who a character is, line by line: what is shown, and what can be changed. Bounds are those of the contract.

import { element } from "./work.js";

// `name` in the JSON, `label` of its field, `most` characters; `long` ones have a line to themselves.
export const FIELDS = [
  { name: "firstName", label: "First name", most: 80, needed: true },
  { name: "lastName", label: "Last name", most: 80 },
  { name: "age", label: "Age", number: true },
  { name: "gender", label: "Gender", most: 40, needed: true },
  { name: "species", label: "Species", most: 80, needed: true },
  { name: "profession", label: "Profession", most: 120, needed: true },
  { name: "home", label: "Lives", most: 200, long: true },
  { name: "physicalDescription", label: "Looks", most: 2000, rows: 3 },
  { name: "visualStyle", label: "Drawn in", most: 500, long: true },
  { name: "personality", label: "Nature", most: 2000, rows: 3 },
  { name: "traits", label: "Traits, with commas between", list: true, most: 760, long: true },
  { name: "strength", label: "Good at", most: 300 },
  { name: "flaw", label: "Flaw", most: 300 },
  { name: "goal", label: "Wants", most: 300 },
  { name: "fear", label: "Afraid of", most: 300 },
  { name: "habit", label: "Habit", most: 300 },
  { name: "treasure", label: "Treasure", most: 300 },
  { name: "history", label: "History", most: 20000, rows: 10 },
];

const SHOWN = ["profession", "home", "physicalDescription", "personality", "strength", "flaw", "goal", "fear", "habit",
  "treasure", "visualStyle"];

// Every field as a text, as it stands in a form.
export function textsOf({ details = {}, history = "" }) {
  const all = { ...details, history };
  return Object.fromEntries(FIELDS.map(({ name, list }) =>
    [name, list ? (all[name] || []).join(", ") : String(all[name] ?? "")]));
}

// The same as the JSON has it.
export function detailsOf(texts) {
  return Object.fromEntries(FIELDS.filter(({ name }) => name !== "history").map(({ name, list, number }) => {
    const text = texts[name].trim();
    if (list) return [name, text.split(",").map((each) => each.trim()).filter(Boolean)];
    return [name, number ? Number(text) || 0 : text];
  }));
}

export function showSheet(target, details) {
  const key = JSON.stringify(details);
  if (target.dataset.key === key) return;
  target.dataset.key = key;
  const { age, gender, species, traits = [] } = details;
  const who = [age && (age === 1 ? "1 year" : `${age} years`), gender !== "none" && gender, species].filter(Boolean);
  const labels = Object.fromEntries(FIELDS.map(({ name, label }) => [name, label]));
  const rows = [["Who", who.join(", ")], ...SHOWN.map((name) => [labels[name], details[name]])];
  const marks = element("ul", { className: "traits" }, ...traits.map((text) => element("li", { text })));
  rows.splice(5, 0, ["Traits", traits.length ? marks : ""]);
  target.replaceChildren(...rows.filter(([, value]) => value).flatMap(([label, value]) =>
    [element("dt", { text: label }), element("dd", {}, value)]));
}
