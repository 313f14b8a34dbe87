
"use strict";
const part = (id) => document.getElementById(id);
const pairs = JSON.parse(part("pairs").textContent);
const study = part("page").dataset.study;
const QUESTIONS = ["preference", "left_artefact", "right_artefact"];
let reader = "";
let answers = {};
let at = 0;

const place = () => `medsr-reading-${study}-${reader}`;
const complete = (number) => QUESTIONS.every((name) => answers[number]?.[name] !== undefined);
const nAnswered = () => pairs.filter((_, n) => complete(n + 1)).length;
const radios = (name) => [...document.querySelectorAll(`input[name=${name}]`)];
const say = (text) => { part("status").textContent = text; };

function kept() {
  try {
    return JSON.parse(localStorage.getItem(place())) ?? {};
  } catch {
    return {};
  }
}

function keep() {
  try {
    localStorage.setItem(place(), JSON.stringify(answers));
  } catch {
    say("This browser keeps nothing: save your answers as a file before you close the page.");
  }
}

function show(n) {
  at = n;
  const pair = pairs[n];
  for (const name of ["left", "right", "reference"]) Object.assign(part(name), { src: pair[name], width: pair.width, height: pair.height });
  part("place").textContent = pair.place;
  for (const name of QUESTIONS)
    for (const radio of radios(name)) radio.checked = radio.value === answers[n + 1]?.[name];
  part("back").disabled = n === 0;
  part("next").disabled = n === pairs.length - 1;
  follow();
}

function follow() {
  const chosen = answers[at + 1]?.preference !== undefined;
  part("wait").hidden = chosen;
  part("reference").hidden = part("truth").hidden = !chosen;
  part("open").disabled = nAnswered() === pairs.length;
  part("progress").textContent = `Pair ${at + 1} of ${pairs.length}, ${nAnswered()} answered`;
}

function turn(n) {
  say("");
  show(n);
  part("progress").focus();
  window.scrollTo(0, 0);
}

function answer(name, value) {
  const before = nAnswered();
  answers[at + 1] = { ...answers[at + 1], [name]: value };
  say("");
  keep();
  follow();
  if (before < pairs.length && nAnswered() === pairs.length) say("Every pair is answered: save your answers as a file.");
}

function save() {
  const rows = pairs.map((_, n) => n + 1).filter(complete);
  const lines = rows.map((number) => [study, reader, number, ...QUESTIONS.map((name) => answers[number][name])].join(","));
  const text = [["study", "reader", "pair", ...QUESTIONS].join(","), ...lines, ""].join("\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = `reading_${study}_${reader}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
  const left = pairs.length - rows.length;
  say(left ? `Saved ${rows.length} answers; ${left} pairs are open.` : `Saved all ${rows.length} answers.`);
}

function begin() {
  const code = part("reader").value.trim();
  if (!/^[A-Za-z0-9_-]{1,16}$/.test(code)) {
    part("reader").setAttribute("aria-invalid", "true");
    say("Take a code of 1 to 16 letters, digits, hyphens or underscores.");
    return part("reader").focus();
  }
  reader = code;
  answers = kept();
  part("start").hidden = true;
  part("reading").hidden = false;
  turn(Math.max(0, pairs.findIndex((_, n) => !complete(n + 1))));
}

part("begin").addEventListener("click", begin);
part("reader").addEventListener("keydown", (event) => { if (event.key === "Enter") begin(); });
part("back").addEventListener("click", () => turn(at - 1));
part("next").addEventListener("click", () => turn(at + 1));
part("open").addEventListener("click", () => turn(pairs.findIndex((_, n) => !complete(n + 1))));
part("save").addEventListener("click", save);
for (const name of QUESTIONS)
  for (const radio of radios(name)) radio.addEventListener("change", () => answer(name, radio.value));
part("without").hidden = true;
part("start").hidden = false;
