// From the drawn ring to the one that was found: both as rings of the same number of points, turned alike.

const POINTS = 96;

/** The outer ring of the largest polygon of a geometry, without its closing point. */
function ringOf(geometry) {
  const rings = geometry.type === "MultiPolygon" ? geometry.coordinates.map((part) => part[0]) : [geometry.coordinates[0]];
  const ring = rings.reduce((a, b) => (Math.abs(areaOf(b)) > Math.abs(areaOf(a)) ? b : a)).slice(0, -1);
  return areaOf(ring) < 0 ? ring.reverse() : ring;
}

/** Twice the signed area: positive when the ring runs counter-clockwise. */
const areaOf = (ring) => ring.reduce((sum, [x, y], i) => { const [u, v] = ring[(i + 1) % ring.length]; return sum + x * v - u * y; }, 0);

/** Points evenly spaced along a ring. */
function evenly(ring) {
  const ends = ring.map((point, i) => [point, ring[(i + 1) % ring.length]]);
  const lengths = ends.map(([a, b]) => Math.hypot(b[0] - a[0], b[1] - a[1]));
  const step = lengths.reduce((a, b) => a + b, 0) / POINTS;
  const points = [];
  let gone = 0;
  ends.forEach(([a, b], i) => {
    while (points.length < POINTS && points.length * step <= gone + lengths[i]) {
      const t = lengths[i] ? (points.length * step - gone) / lengths[i] : 0;
      points.push([a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]);
    }
    gone += lengths[i];
  });
  while (points.length < POINTS) points.push(ring[0]);
  return points;
}

/** Turn `ring` so that its points lie as near as they can to those of `other`. */
function turned(ring, other) {
  const away = (by) => other.reduce((sum, [x, y], i) => { const [u, v] = ring[(i + by) % POINTS]; return sum + (u - x) ** 2 + (v - y) ** 2; }, 0);
  const best = ring.map((_, by) => away(by)).reduce((least, far, by, all) => (far < all[least] ? by : least), 0);
  return ring.map((_, i) => ring[(i + best) % POINTS]);
}

/** Return the way from one geometry to another: a function of how far, 0 to 1. */
export function way(from, to) {
  const start = evenly(ringOf(from));
  const end = turned(evenly(ringOf(to)), start);
  return (far) => {
    const ring = start.map(([x, y], i) => [x + (end[i][0] - x) * far, y + (end[i][1] - y) * far]);
    return { type: "Polygon", coordinates: [[...ring, ring[0]]] };
  };
}

/** The middle of a geometry's largest ring, where its number stands. */
export function middleOf(geometry) {
  const points = evenly(ringOf(geometry));
  return [0, 1].map((k) => points.reduce((sum, point) => sum + point[k], 0) / POINTS);
}
