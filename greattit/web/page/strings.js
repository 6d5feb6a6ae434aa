// Every word of the page, by language; the reasons themselves come from the server, in English. `say` fills in `{name}`.

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
  saidFound: "The field found is {area}. Is this your field?",
  saidRefused: "No line for this field today. {why}",
  rules: {
    advance: "Set by the harvest: a safe share of what it should be worth.",
    need: "Set by the need: what it costs to grow this crop on this field.",
    cap: "Set by the cap: the most that is lent on one field without a loan officer.",
  },
  crop: "Crop",
  cropUnsure: "Not certain",
  certain: "{share} sure",
  orPerhaps: "or perhaps {crops}",
  perhaps: "perhaps {crops}",
  isIt: "Is this your field?",
  found: "The field that was found",
  accept: "Yes, keep this line",
  redraw: "No, draw again",
  another: "Another field",
  keptMore: "Kept on this page until you close it. Save the full record to take the line to your bank.",
  keptCount: "Lines kept: {count}",
  hectares: "{mu} mu · {ha} ha",
  unknown: "not known",
  nine: "Nine times in ten between {low} and {high} mu ({lowHa} to {highHa} ha).",
  eight: "Eight times in ten between {low} and {high} mu ({lowHa} to {highHa} ha).",
  unsure: "How sure that is cannot be said.",
  drew: "You drew",
  leftOut: "Left out",
  causeOf: "{mu} mu: {cause}",
  causes: {
    "mixed border": "edge that is only partly field",
    "water, road or building": "water, road or building",
    "other land": "land unlike this field",
    "land outside the tiles": "outside the satellite picture",
  },
  added: "Added",
  addedOf: "{mu} mu along the edge",
  several: "Your drawing holds {count} fields",
  tag: "{number}\n{share}",
  partOf: "{area} ({share} of it)",
  severalMore: "The figures here are for the white outline as a whole. Draw each field by itself for a line of its own.",
  harvest: "Harvest",
  harvestKg: "about {mid} t/ha",
  harvestRange: "between {low} and {high} t/ha, eight times in ten",
  worth: "Worth",
  worthRange: "between {low} and {high}",
  worthAs: "reckoned as {crop}, the likely crop that is worth least",
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
  crops: {},
};

const zh = {
  title: "Great Tit：来自卫星的授信额度",
  map: "卫星影像地图。圈出地块，即可查看授信额度。",
  draw: "圈出我的地块",
  cancel: "停止圈画",
  hint: "用手指沿地块边缘画一圈，然后抬起。双指可缩放。",
  hintMouse: "按住鼠标，沿地块边缘画一圈。",
  simulated: "模拟影像：并非真实地点",
  asOf: "截至{day}",
  credit: "影像日期 {days}",
  again: "重新圈画",
  retry: "重试",
  reload: "重新载入",
  download: "完整记录",
  downloadLabel: "下载完整记录（JSON）",
  fold: "收起或展开",
  unfold: "展开结果",
  asking: "正在查看您的地块",
  askingMore: "正在读取本季影像、地块边界、作物和价格，需要几秒钟。",
  slow: "仍在计算。当天的第一块地需要更久一些。",
  line: "您的授信额度",
  due: "还款日 {day}",
  tenor: "期限 {days} 天",
  refused: "这块地今天暂无额度",
  refusedMore: "这与您本人无关，只取决于卫星能看清这块地多少。",
  todo: "您可以",
  said: "您的额度为 {amount}，还款日 {day}。",
  saidFound: "找到的地块为 {area}。这是您的地块吗？",
  saidRefused: "这块地今天暂无额度。{why}",
  rules: {
    advance: "由收成决定：预期价值中稳妥的一部分。",
    need: "由需求决定：在这块地上种植该作物的成本。",
    cap: "由上限决定：无需信贷员审核时单块地的最高额度。",
  },
  crop: "作物",
  cropUnsure: "无法确定",
  certain: "把握 {share}",
  orPerhaps: "也可能是{crops}",
  perhaps: "可能是{crops}",
  isIt: "这是您的地块吗？",
  found: "找到的地块",
  accept: "是的，保留额度",
  redraw: "不是，重新圈画",
  another: "再圈一块地",
  keptMore: "已保留在本页，关闭页面后失效。请保存完整记录，带去银行办理。",
  keptCount: "已保留额度：{count}",
  hectares: "{mu} 亩 · {ha} 公顷",
  unknown: "未知",
  nine: "十次中有九次在 {low} 至 {high} 亩之间（{lowHa} 至 {highHa} 公顷）。",
  eight: "十次中有八次在 {low} 至 {high} 亩之间（{lowHa} 至 {highHa} 公顷）。",
  unsure: "无法说明其准确程度。",
  drew: "您圈了",
  leftOut: "未计入",
  causeOf: "{mu} 亩：{cause}",
  causes: {
    "mixed border": "只有部分属于地块的边缘",
    "water, road or building": "水面、道路或建筑",
    "other land": "与这块地不同的土地",
    "land outside the tiles": "卫星影像范围之外",
  },
  added: "补入",
  addedOf: "沿边缘 {mu} 亩",
  several: "您圈住了 {count} 块地",
  tag: "{number}\n{share}",
  partOf: "{area}（占 {share}）",
  severalMore: "此处数字按白色轮廓整体计算。请逐块圈画，每块地会有各自的额度。",
  harvest: "收成",
  harvestKg: "约 {mid} 吨/公顷",
  harvestRange: "十次中有八次在 {low} 至 {high} 吨/公顷之间",
  worth: "价值",
  worthRange: "{low} 至 {high} 之间",
  worthAs: "按可能作物中价值最低的{crop}计算",
  why: "额度的理由",
  whyRefused: "原因",
  effects: { raises: "提高", lowers: "降低", binds: "决定额度", refuses: "不予授信", informs: "" },
  season: "从空中看本季",
  seasonCaption: "每个点是一次卫星观测；颜色越淡，地块被云遮住越多。共计 {looks} 次清晰观测。",
  seasonLabel: "地块从 {first} 到 {last} 的绿度；最绿为 {peak}，在 {when}。",
  warnings: "补充说明",
  networkTitle: "没有连接",
  networkOpen: "无法连接服务器。请检查网络后重新载入。",
  networkText: "无法连接服务器。您圈的地块已保留，恢复连接后请重试。",
  mapTitle: "无法显示地图",
  mapText: "此浏览器无法绘制地图。请换用较新的浏览器，或打开 WebGL（硬件加速）。",
  errorTitle: "没有成功",
  yourDrawing: "您的圈画：{what}",
  tooSmall: "太小，不像一块地。请双指放大，再沿边缘画一整圈。",
  remedies: {
    outside_region: "目前只在有产量和价格数据的地区授信。可向您的银行询问何时开通。",
    no_area: "请沿一块地的边缘完整画一圈。",
    too_few_looks: "过些晴天再来：每一次清晰观测都有帮助。",
    crop_unknown: "请只圈一块种一种作物的地，或等作物长势更明显时再来。",
    not_a_crop: "如果这里确有作物，请只圈那一部分，或等它变绿后再来。",
    failed_crop: "如果作物恢复或重新播种，过几周再圈一次。",
    flooded: "等水退去、作物恢复后再圈一次。未被淹的部分可以单独圈出。",
    season_over: "等下一季作物出苗变绿后再来。",
    no_yield: "我们还没有这种作物在本地的产量数据。可向您的银行询问是否会补充。",
    no_price: "我们还没有这种作物在本地的价格数据。可向您的银行询问是否会补充。",
    debt_exceeds: "请先偿还这块地上的部分欠款，再重新圈画。",
    too_small_line: "这块地的价值低于最小额度。请圈出整块地，或种有该作物的全部部分。",
  },
  remedy: "请稍向内重新圈画，或过些晴天再来。",
  crops: {
    apple: "苹果", barley: "大麦", bean: "豆类", cabbage: "卷心菜", carrot: "胡萝卜", cotton: "棉花", garlic: "大蒜", grassland: "草地",
    maize: "玉米", oats: "燕麦", onion: "洋葱", other_legume: "其他豆科", other_legume_permanent: "多年生豆科", pea: "豌豆", pear: "梨",
    pepper: "辣椒", potato: "马铃薯", rapeseed: "油菜", rice: "水稻", rye: "黑麦", sesame: "芝麻", sorghum: "高粱", soybean: "大豆",
    spring_barley: "春大麦", spring_wheat: "春小麦", sugar_beet: "甜菜", sugarcane: "甘蔗", sunflower: "向日葵", triticale: "小黑麦",
    wheat: "小麦", winter_barley: "冬大麦", winter_rye: "冬黑麦", winter_wheat: "冬小麦",
  },
};

const chinese = (navigator.language ?? "").toLowerCase().startsWith("zh");
export const languages = { en, zh };
export const strings = chinese ? zh : en;
export const language = chinese ? "zh" : "en";
const locale = chinese ? "zh-CN" : "en-GB";

/** Fill `{name}` in a text with the values given. */
export function say(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

/** House name of a crop as plain words. */
export function cropName(name) {
  if (strings.crops[name]) return strings.crops[name];
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(locale, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);

/** "a, b or c" */
export const anyOf = (names) => new Intl.ListFormat(locale, { type: "disjunction" }).format(names);

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
