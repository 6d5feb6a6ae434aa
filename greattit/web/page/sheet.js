// The bottom sheet: a line, a refusal or an error, in words that a farmer can use and dispute.

import { curve } from "./curve.js";
import { el, svg } from "./dom.js";
import { anyOf, cropName, dayName, money, number, percent, say, strings as t } from "./strings.js";

const ICONS = {
  raises: "M8 13V4M4 8l4-4 4 4",
  lowers: "M8 3v9M4 8l4 4 4-4",
  binds: "M5 7V5a3 3 0 0 1 6 0v2M4 7h8v6H4z",
  refuses: "M4.500 4.500l7 7M11.500 4.500l-7 7",
  informs: "M8 7.500V12M8 4.200v.1",
};

const icon = (effect) =>
  el("span", { class: `icon ${effect}`, "aria-hidden": "true" },
    svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16 }, svg("path", { d: ICONS[effect] ?? ICONS.informs })));

const MU = 15;
const LEAST = 0.005;
const both = (ha) => ({ ha: number(ha, 2), mu: number(ha * MU, 1) });
const area = (ha) => (ha === null || ha === undefined ? t.unknown : say(t.hectares, both(ha)));

/** Loading: what is being done, with a bar that moves. */
export function asking() {
  return [el("h1", { id: "sheet-title", class: "small" }, t.asking), el("div", { class: "bar" }, el("span")), el("p", { class: "soft", id: "asking-more" }, t.askingMore)];
}

/** An error: `what` happened, what to do. */
export function trouble(title, what, remedy) {
  return [el("h1", { id: "sheet-title", class: "small" }, title), el("p", {}, what), remedy && el("p", { class: "todo" }, remedy)].filter(Boolean);
}

/** An appraisal: offered, with the question whether the outline is right; refused; or kept. */
export function result(appraisal, kept = false) {
  const refused = appraisal.line.refused;
  const asked = !refused && !kept;
  const head = refused ? refusal(appraisal) : offer(appraisal, asked ? "h2" : "h1");
  const outline = found(appraisal.segment, asked ? t.isIt : t.found, asked ? "h1" : "h2");
  return [
    kept && el("p", { class: "keptnote", id: "keptnote" }, t.keptMore),
    asked ? outline : head,
    asked ? head : outline,
    !refused && appraisal.line.rule && el("p", { class: "rule" }, t.rules[appraisal.line.rule] ?? appraisal.line.rule),
    facts(appraisal),
    reasons(appraisal),
    season(appraisal),
    goodToKnow(appraisal),
  ].flat().filter(Boolean);
}

function offer({ line }, heading) {
  return el("section", { class: "offer" },
    el(heading, { id: heading === "h1" ? "sheet-title" : null, class: "eyebrow" }, t.line),
    el("p", { class: "amount" }, el("data", { id: "amount", value: line.limit }, money(line.limit, line.currency))),
    line.due && el("p", { class: "due" }, say(t.due, { day: dayName(line.due) }), el("span", { class: "soft" }, say(t.tenor, { days: number(line.tenor_days) }))),
  );
}

/** The outline that was found: how large, how sure, what was left out and added, and the fields it may be. */
function found(segment, title, heading) {
  const cut = Object.entries(segment.cut_away).filter(([, ha]) => ha >= LEAST).sort((a, b) => b[1] - a[1]);
  return el("section", { id: "found" },
    el(heading, { id: heading === "h1" ? "sheet-title" : null, class: heading === "h1" ? "small" : null }, title),
    el("p", { class: "area", id: "area" }, key("field"), area(segment.area_ha?.p50)),
    el("p", { class: "soft sure" }, sure(segment)),
    el("dl", { class: "away" },
      el("dt", {}, t.drew), el("dd", {}, key("drawn"), area(segment.drawn_ha)),
      cut.length > 0 && [el("dt", {}, t.leftOut), cut.map(([cause, ha]) => el("dd", {}, say(t.causeOf, { ...both(ha), cause: t.causes[cause] ?? cause })))],
      segment.added_ha >= LEAST && [el("dt", {}, t.added), el("dd", {}, say(t.addedOf, both(segment.added_ha)))]),
    several(segment.parts ?? []),
  );
}

/** How sure the area is: nine times in ten where that is known, else eight times in ten. */
function sure({ area_90_ha: nine, area_ha: eight }) {
  const known = nine?.every((one) => one !== null);
  const [low, high] = known ? nine : [eight?.p10, eight?.p90];
  if (low === null || low === undefined) return t.unsure;
  const [least, most] = [both(low), both(high)];
  return say(known ? t.nine : t.eight, { low: least.mu, high: most.mu, lowHa: least.ha, highHa: most.ha });
}

/** What stands on the map beside each of several fields. */
export const tag = (part, i) => say(t.tag, { number: number(i + 1), share: percent(part.share) });

function several(parts) {
  if (!parts.length) return null;
  const rows = parts.map((part, i) => el("li", {}, el("span", { class: "tag" }, number(i + 1)), el("span", {}, say(t.partOf, { share: percent(part.share), area: area(part.area_ha.p50) }))));
  return el("div", { class: "several", id: "several" }, el("p", {}, key("part"), el("strong", {}, say(t.several, { count: number(parts.length) }))), el("ol", {}, rows), el("p", { class: "soft" }, t.severalMore));
}

/** The reasons that refuse, first of all the one that the line names. */
function refusing({ line }) {
  return line.reasons.filter((reason) => reason.effect === "refuses").sort((a, b) => (b.code === line.refused) - (a.code === line.refused));
}

function refusal(appraisal) {
  const code = appraisal.line.refused;
  return [
    el("h1", { id: "sheet-title", class: "no" }, t.refused),
    refusing(appraisal).slice(0, 1).map((reason) => el("p", { class: "because", lang: "en" }, reason.text)),
    el("p", { class: "todo" }, el("strong", {}, `${t.todo}: `), t.remedies[code] ?? t.remedy),
    el("p", { class: "soft" }, t.refusedMore),
  ].flat();
}

/** One sentence for a screen reader. */
export function spoken(appraisal) {
  const { line } = appraisal;
  if (line.refused) return say(t.saidRefused, { why: refusing(appraisal)[0]?.text ?? "" });
  const values = { amount: money(line.limit, line.currency), day: line.due ? dayName(line.due) : "", area: area(appraisal.segment.area_ha?.p50) };
  return `${say(t.said, values)} ${say(t.saidFound, values)}`;
}

const fact = (name, ...lines) => el("div", { class: "fact" }, el("dt", {}, name), lines.filter(Boolean).map((line, i) => el("dd", { class: i ? "soft" : "main" }, line)));

function facts(appraisal) {
  return el("dl", { class: "facts" }, cropFact(appraisal.call), harvestFact(appraisal), worthFact(appraisal));
}

function cropFact(call) {
  const others = call.likely.filter((name) => name !== call.crop).map((name) => cropName(name).toLowerCase());
  const perhaps = others.length ? say(call.crop ? t.orPerhaps : t.perhaps, { crops: anyOf(others.slice(0, 3)) }) : null;
  if (!call.crop) return fact(t.crop, t.cropUnsure, perhaps ?? call.abstained);
  return fact(t.crop, cropName(call.crop), say(t.certain, { share: percent(call.certainty) }), perhaps);
}

/** The line's colour on the map, beside the figure that it stands for. */
const key = (kind) => el("span", { class: `key ${kind}`, "aria-hidden": "true" });

function harvestFact({ yields, worth, call }) {
  const of = yields.find((one) => one.crop === (call.crop ?? worth?.crop)) ?? yields[0];
  if (!of || of.kg_ha.p50 === null) return null;
  const tonnes = (kg) => number(kg / 1000, 1);
  return fact(
    t.harvest,
    say(t.harvestKg, { mid: tonnes(of.kg_ha.p50) }),
    say(t.harvestRange, { low: tonnes(of.kg_ha.p10), high: tonnes(of.kg_ha.p90) }),
  );
}

function worthFact({ worth, call }) {
  if (!worth || worth.money.p50 === null) return null;
  const whole = (amount) => money(Math.round(amount), worth.currency);
  return fact(
    t.worth,
    whole(worth.money.p50),
    say(t.worthRange, { low: whole(worth.money.p10), high: whole(worth.money.p90) }),
    worth.crop !== call.crop && say(t.worthAs, { crop: cropName(worth.crop).toLowerCase() }),
  );
}

function reasons({ line }) {
  if (!line.reasons.length) return null;
  const items = line.reasons.map((reason) =>
    el("li", {}, icon(reason.effect), el("span", {}, reason.text, " ", el("small", { class: `effect ${reason.effect}` }, t.effects[reason.effect] ?? reason.effect)),
    ));
  return el("section", {}, el("h2", {}, line.refused ? t.whyRefused : t.why), el("ul", { class: "reasons", lang: "en" }, items));
}

function season({ series, growth }) {
  const picture = curve(series, growth);
  if (!picture) return null;
  return el("section", {}, el("h2", {}, t.season), el("figure", {}, picture, el("figcaption", { class: "soft" }, say(t.seasonCaption, { looks: growth.looks }))));
}

function goodToKnow({ plot, warnings }) {
  const notes = [...new Set([...(plot.mended ?? []), ...(warnings ?? [])])];
  if (!notes.length) return null;
  return el("details", {}, el("summary", {}, `${t.warnings} (${notes.length})`), el("ul", { class: "notes", lang: "en" }, notes.map((note) => el("li", {}, note))));
}
