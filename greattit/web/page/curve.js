// The season's curve as an inline picture: one dot a look, a line through the looks that saw most of the field.

import { svg } from "./dom.js";
import { dayName, monthName, number, say, strings } from "./strings.js";

const WIDTH = 340;
const HEIGHT = 136;
const EDGE = { left: 6, right: 6, top: 24, bottom: 20 };
const YEAR = 366 * 864e5;

/** Two-band enhanced vegetation index (Jiang et al. 2008) of red and near infrared reflectance. */
const evi2 = (red, nir) => (2.5 * (nir - red)) / (nir + 2.4 * red + 1);

function looksOf(series) {
  const red = series.bands.indexOf("B04");
  const nir = series.bands.indexOf("B08");
  const only = series.bands.indexOf("ndvi");
  const looks = [];
  series.dates.forEach((day, row) => {
    const values = series.values[row];
    const [a, b] = [values[red] ?? null, values[nir] ?? null];
    const green = a !== null && b !== null ? evi2(a, b) : (values[only] ?? null);
    const seen = series.clear[row] ?? 0;
    if (green !== null && seen > 0) looks.push({ time: Date.parse(day), day, green, seen });
  });
  const last = looks.length ? looks[looks.length - 1].time : 0;
  return looks.filter((look) => last - look.time < YEAR);
}

/** Return the picture, or null when nothing was seen. */
export function curve(series, growth) {
  const looks = looksOf(series);
  if (looks.length < 2) return null;
  const [first, last] = [looks[0].time, looks[looks.length - 1].time];
  const top = Math.max(0.6, ...looks.map((look) => look.green));
  const x = (time) => EDGE.left + ((time - first) / (last - first)) * (WIDTH - EDGE.left - EDGE.right);
  const y = (green) => HEIGHT - EDGE.bottom - (Math.max(green, 0) / top) * (HEIGHT - EDGE.top - EDGE.bottom);
  const trusted = looks.filter((look) => look.seen >= 0.5);
  const path = trusted.map((look, i) => `${i ? "L" : "M"}${x(look.time).toFixed(1)} ${y(look.green).toFixed(1)}`).join("");
  const best = (trusted.length ? trusted : looks).reduce((a, b) => (b.green > a.green ? b : a));
  const label = say(strings.seasonLabel, {
    first: dayName(looks[0].day), last: dayName(looks[looks.length - 1].day), peak: number(best.green, 2), when: dayName(best.day),
  });
  return svg("svg", { class: "curve", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    months(first, last, x),
    svg("line", { class: "ground", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(0), y2: y(0) }),
    path && svg("path", { class: "area", d: `${path}L${x(trusted.at(-1).time)} ${y(0)}L${x(trusted[0].time)} ${y(0)}Z` }),
    path && svg("path", { class: "season", d: path }),
    looks.map((look) => svg("circle", { class: "look", cx: x(look.time).toFixed(1), cy: y(look.green).toFixed(1), r: 2.6, opacity: (0.15 + 0.85 * look.seen).toFixed(2) })),
    peak(growth, best, x, y));
}

function months(first, last, x) {
  const marks = [];
  const start = new Date(first);
  for (let month = start.getUTCMonth() + 1; ; month += 1) {
    const time = Date.UTC(start.getUTCFullYear(), month, 1);
    if (time > last) break;
    const middle = Math.min(time + 15 * 864e5, last);
    marks.push(svg("line", { class: "month", x1: x(time), x2: x(time), y1: EDGE.top, y2: HEIGHT - EDGE.bottom }));
    if (last - time > 20 * 864e5) marks.push(svg("text", { x: x(middle), y: HEIGHT - 6, "text-anchor": "middle" }, monthName(time)));
  }
  return marks;
}

function peak(growth, best, x, y) {
  const time = growth?.peak ? Date.parse(growth.peak) : best.time;
  const at = Math.min(Math.max(x(time), 44), WIDTH - 44);
  if (time < best.time - YEAR) return null;
  return svg("text", { class: "peak", x: at, y: Math.max(y(best.green) - 9, 11), "text-anchor": "middle" }, dayName(new Date(time).toISOString(), true));
}
