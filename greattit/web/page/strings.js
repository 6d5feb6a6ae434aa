// Every word of the page, by language. `{name}` is filled in by `say`.

const en = {
  title: "Great Tit: a credit line from the sky",
  map: "Map of the satellite tiles. Circle a field to see its credit line.",
  draw: "Circle my field",
  cancel: "Stop drawing",
  hint: "Drag around the edge of your field, then lift. Two fingers zoom.",
  hintMouse: "Hold the mouse button and go around the edge of your field.",
  simulated: "Simulated tiles: not a real place",
  asOf: "as of {day}",
  credit: "Picture of {days}",
  again: "Draw again",
  retry: "Try again",
  reload: "Load the page again",
  download: "Full record",
  downloadLabel: "Download the full record as JSON",
  fold: "Show less or more",
  unfold: "Show the result",
  asking: "Reading your field",
  askingMore: "The season's looks, the field's edge, the crop and its price. This takes a few seconds.",
  slow: "Still working. The first field of the day takes longer.",
  line: "Your credit line",
  due: "Repay by {day}",
  tenor: "in {days} days",
  refused: "No line for this field today",
  refusedMore: "This is not about you: it is what could and could not be seen of this one field.",
  todo: "What you can do",
  said: "Your line is {amount}, to be repaid by {day}.",
  saidRefused: "No line for this field today. {why}",
  rules: {
    advance: "Set by the harvest: a safe share of what it should be worth.",
    need: "Set by the need: what it costs to grow this crop on this field.",
    cap: "Set by the cap: the most that may be lent on one field.",
  },
  crop: "Crop",
  cropUnsure: "Not certain",
  certain: "{share} sure",
  orPerhaps: "or perhaps {crops}",
  perhaps: "perhaps {crops}",
  area: "Field",
  hectares: "{ha} ha · {mu} mu",
  drawn: "You drew {ha} ha ({mu} mu)",
  cutAway: "Left out: {parts}.",
  added: "Added along the edge: {ha} ha.",
  parts: { edge: "border", "other land": "other land", "tree or water or road": "trees, water or road" },
  harvest: "Harvest",
  harvestKg: "about {mid} t/ha",
  harvestRange: "between {low} and {high} t/ha, eight times in ten",
  worth: "Worth",
  worthRange: "between {low} and {high}",
  why: "Why this line",
  whyRefused: "Why",
  effects: { raises: "raises", lowers: "lowers", binds: "sets the line", refuses: "stops the line", informs: "" },
  season: "The season from above",
  seasonCaption: "Each dot is one look from space; the fainter, the less of the field was free of cloud. {looks} clear looks were counted.",
  seasonLabel: "Greenness of the field from {first} to {last}; greenest, {peak}, on {when}.",
  warnings: "Good to know",
  networkTitle: "No connection",
  networkOpen: "The server could not be reached. Check the connection and load the page again.",
  networkText: "The server could not be reached. Your drawing is kept: try again when the connection is back.",
  mapTitle: "The map cannot be shown",
  mapText: "This browser could not draw it. Try a newer browser, or switch on WebGL (hardware acceleration).",
  errorTitle: "That did not work",
  yourDrawing: "Your drawing {what}",
  tooSmall: "That was too small to be a field. Zoom in with two fingers and go all the way around.",
  remedies: {
    outside_region: "Lines are offered only in the regions we have yields and prices for. Ask your bank whether yours will follow.",
    no_area: "Draw the whole of one field, all the way around its edge.",
    too_few_looks: "Come back after some more clear days: each clear look helps.",
    crop_unknown: "Draw one field with one crop, or come back later in the season, when the crop shows more clearly.",
    not_a_crop: "If a crop does grow here, draw only that part, or come back when it is green.",
    failed_crop: "If the crop recovers or a new one is sown, draw the field again in some weeks.",
    flooded: "When the water has gone and the crop stands again, draw the field again. The part that stayed dry can be drawn by itself.",
    season_over: "Come back when the next crop is in the ground and green.",
    no_yield: "We do not know yet what this crop yields here. Ask your bank whether it will be added.",
    no_price: "We do not know yet what this crop sells for here. Ask your bank whether it will be added.",
    debt_exceeds: "Repay part of what is owed on this field, then draw it again.",
    too_small_line: "The field is worth less than the smallest line. Draw the whole field, or all of it that carries this crop.",
  },
  remedy: "Draw the field again a little inside its edge, or come back after some more clear days.",
};

export const strings = en;
export const language = "en";
const locale = "en-GB";

/** Fill `{name}` in a text with the values given. */
export function say(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

/** House name of a crop as plain words. */
export function cropName(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(locale, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);

export const percent = (share) => new Intl.NumberFormat(locale, { style: "percent" }).format(share);

/** Money as the policy gave it: cents only where there are some. */
export function money(amount, currency) {
  const whole = Number(amount) % 1 === 0;
  const style = currency ? { style: "currency", currency } : {};
  return new Intl.NumberFormat(locale, { ...style, minimumFractionDigits: whole ? 0 : 2, maximumFractionDigits: whole ? 0 : 2 }).format(amount);
}

export const dayName = (iso, short = false) =>
  new Intl.DateTimeFormat(locale, { day: "numeric", month: short ? "short" : "long", year: "numeric", timeZone: "UTC" }).format(new Date(iso));

export const monthName = (time) => new Intl.DateTimeFormat(locale, { month: "narrow", timeZone: "UTC" }).format(new Date(time));
