// The page's one loop: look, draw, ask, read, draw again.

import { createMap } from "./map.js";
import { el, find } from "./dom.js";
import * as sheet from "./sheet.js";
import { dayName, language, say, strings as t } from "./strings.js";

const PATIENCE = 90_000;
const SLOW = 6_000;
const TINY = 28;

const page = { place: null, map: null, drawing: null, asked: null, record: null, kept: [] };

function state(name) {
  document.body.dataset.state = name;
  find("draw").hidden = name !== "ready";
  find("cancel").hidden = name !== "drawing";
  find("hint").hidden = name !== "drawing";
  find("sheet").hidden = !["asking", "result", "kept", "trouble"].includes(name);
}

function show(parts, ...buttons) {
  find("sheet-body").replaceChildren(...parts);
  find("sheet-body").scrollTop = 0;
  find("sheet-actions").replaceChildren(...buttons.filter(Boolean));
  fold(false);
}

const button = (text, kind, onclick) => el("button", { type: "button", class: kind, onclick }, text);

function speak(text) {
  find("status").textContent = text;
}

function fold(folded) {
  find("sheet").classList.toggle("folded", folded);
  if (folded) find("sheet-body").scrollTop = 0;
  find("fold").setAttribute("aria-expanded", String(!folded));
  find("fold").setAttribute("aria-label", folded ? t.unfold : t.fold);
}

/** Room that the sheet takes from the map, so that the field is shown beside it. */
function padding() {
  const { offsetLeft, offsetTop, offsetWidth } = find("sheet");
  const beside = offsetWidth < innerWidth * 0.7;
  const head = find("top").getBoundingClientRect().bottom + 18;
  return { top: beside ? 90 : head, left: beside ? offsetLeft + offsetWidth + 24 : 28, right: 28, bottom: beside ? 48 : innerHeight - offsetTop + 24 };
}

function startDrawing() {
  page.asked?.abort();
  page.map.showDrawn(null);
  page.map.showField(null);
  page.map.showParts([], []);
  URL.revokeObjectURL(page.record);
  state("drawing");
  if (page.drawing) page.map.fit([page.drawing], { top: 190, bottom: 140, left: 60, right: 60 }, false);
  find("hint").textContent = matchMedia("(pointer: coarse)").matches ? t.hint : t.hintMouse;
  speak(find("hint").textContent);
  page.map.startDrawing(drawn);
}

function stopDrawing() {
  page.map.stopDrawing();
  state("ready");
  find("draw").focus();
}

function drawn(geometry) {
  if (page.map.sizeOf(geometry) < TINY) {
    page.map.restartDrawing();
    find("hint").textContent = t.tooSmall;
    speak(t.tooSmall);
    return;
  }
  page.drawing = geometry;
  page.map.stopDrawing();
  page.map.showDrawn(geometry);
  ask();
}

async function ask() {
  state("asking");
  show(sheet.asking());
  speak(t.asking);
  page.map.fit([page.drawing], padding());
  const asked = (page.asked = new AbortController());
  const slow = setTimeout(() => (find("asking-more").textContent = t.slow), SLOW);
  const giveUp = setTimeout(() => asked.abort(new Error("timeout")), PATIENCE);
  try {
    const answer = await fetch("api/appraisals", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ type: "Feature", id: "drawing", properties: {}, geometry: page.drawing }),
      signal: asked.signal,
    });
    const body = await answer.json();
    if (answer.ok) showResult(body);
    else showTrouble(t.errorTitle, body.error.startsWith("Plot") ? say(t.yourDrawing, body) : body.what, body.remedy);
  } catch {
    if (page.asked === asked) showTrouble(t.networkTitle, t.networkText, null, true);
  } finally {
    clearTimeout(slow);
    clearTimeout(giveUp);
  }
}

function showResult(appraisal) {
  page.record = URL.createObjectURL(new Blob([JSON.stringify(appraisal, null, 1)], { type: "application/json" }));
  const { segment, line } = appraisal;
  const parts = segment.parts ?? [];
  state("result");
  if (line.refused) show(sheet.result(appraisal), button(t.again, "primary", startDrawing), recordOf(appraisal));
  else show(sheet.result(appraisal), button(t.accept, "primary", () => keep(appraisal)), button(t.redraw, "quiet", startDrawing));
  page.map.showField(segment.outline, page.drawing);
  page.map.showParts(parts.map((part) => part.outline), parts.map(sheet.tag));
  page.map.fit([segment.outline, page.drawing], padding());
  speak(sheet.spoken(appraisal));
  find("sheet").focus({ preventScroll: true });
}

/** The farmer says that the outline is right: its line stays, on the map too, until the page is closed. */
function keep(appraisal) {
  page.kept.push(appraisal);
  page.map.showKept(page.kept.map((one) => one.segment.outline));
  state("kept");
  show(sheet.result(appraisal, true), recordOf(appraisal), button(t.another, "quiet", startDrawing));
  find("kept").hidden = false;
  find("kept").textContent = say(t.keptCount, { count: page.kept.length });
  speak(t.keptMore);
  find("sheet").focus({ preventScroll: true });
}

function recordOf(appraisal) {
  const attributes = { class: appraisal.line.refused ? "quiet" : "primary", href: page.record, download: `great-tit-${appraisal.day}.json`, id: "record" };
  return el("a", { ...attributes, "aria-label": t.downloadLabel }, t.download);
}

const sentence = (text) => (text ? `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}` : "");

function showTrouble(title, what, remedy, again = false) {
  state("trouble");
  show(
    sheet.trouble(title, sentence(what), sentence(remedy)),
    again ? button(t.retry, "primary", ask) : button(t.again, "primary", startDrawing),
    again && button(t.again, "quiet", startDrawing),
  );
  speak(`${title}. ${sentence(what)} ${sentence(remedy)}`);
  find("sheet").focus({ preventScroll: true });
}

function label() {
  document.documentElement.lang = language;
  document.title = t.title;
  find("map").setAttribute("aria-label", t.map);
  find("draw").textContent = t.draw;
  find("cancel").textContent = t.cancel;
  find("draw").addEventListener("click", startDrawing);
  find("cancel").addEventListener("click", stopDrawing);
  find("fold").addEventListener("click", () => fold(!find("sheet").classList.contains("folded")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.body.dataset.state === "drawing") stopDrawing();
  });
}

function introduce(place) {
  find("day").textContent = say(t.asOf, { day: dayName(place.day, true) });
  find("place").textContent = place.simulated ? place.name.replace(/\s*\(simulated\)/i, "") : place.name;
  find("simulated").textContent = t.simulated;
  find("simulated").hidden = !place.simulated;
  const days = place.picture.days.map((day) => dayName(day, true)).join(", ");
  find("credit").textContent = [days && say(t.credit, { days }), place.attribution].filter(Boolean).join(" · ");
}

async function open() {
  label();
  try {
    page.place = await placeOf();
  } catch {
    return closed(t.networkTitle, t.networkOpen);
  }
  introduce(page.place);
  try {
    page.map = createMap("map", page.place, t.map);
    await page.map.ready;
  } catch (error) {
    console.warn(error);
    return closed(t.mapTitle, t.mapText);
  }
  state("ready");
  find("draw").disabled = false;
}

async function placeOf() {
  const answer = await fetch("api/place");
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.json();
}

function closed(title, text) {
  state("trouble");
  show(sheet.trouble(title, text), button(t.reload, "primary", () => location.reload()));
  speak(`${title}. ${text}`);
}

window.greatTit = page;
open();
