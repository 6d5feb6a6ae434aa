// The map: our own picture below, the farmer's drawing and the measured field above.

import * as maplibre from "maplibre-gl";
import { TerraDraw, TerraDrawFreehandMode } from "terra-draw";
import { TerraDrawMapLibreGLAdapter } from "terra-draw-maplibre-gl-adapter";
import { el } from "./dom.js";
import { middleOf, way } from "./snap.js";

const INK = "#0c1714";
const DRAWN = "#ffd84a";
const FIELD = "#ffffff";
const PART = "#7fd4ff";
const KEPT = "#8fe3ae";
const SNAP = 750;
const NOTHING = { type: "FeatureCollection", features: [] };

function style(place, maxzoom) {
  const tiles = new URL(".", document.baseURI).href + place.picture.tiles;
  return {
    version: 8,
    sources: {
      picture: { type: "raster", tiles: [tiles], tileSize: 512, bounds: place.bounds, maxzoom },
      field: { type: "geojson", data: NOTHING },
      drawn: { type: "geojson", data: NOTHING },
      parts: { type: "geojson", data: NOTHING },
      kept: { type: "geojson", data: NOTHING },
    },
    layers: [
      { id: "ground", type: "background", paint: { "background-color": "#16241f" } },
      { id: "picture", type: "raster", source: "picture", paint: { "raster-fade-duration": 150 } },
      { id: "kept-fill", type: "fill", source: "kept", paint: { "fill-color": KEPT, "fill-opacity": 0.18 } },
      ...line("kept", KEPT, 2.5),
      { id: "field-fill", type: "fill", source: "field", paint: { "fill-color": FIELD, "fill-opacity": 0.16 } },
      ...line("drawn", DRAWN, 1.6, { "line-dasharray": [3, 2.5] }),
      ...line("field", FIELD, 4.5),
      ...line("parts", PART, 2),
    ],
  };
}

/** A line and its dark shade below it, which keeps it readable on any ground. */
function line(source, colour, width, more = {}) {
  const layout = { "line-join": "round" };
  return [
    { id: `${source}-shade`, type: "line", source, layout, paint: { "line-color": INK, "line-width": width + 2, "line-opacity": 0.5 } },
    { id: `${source}-line`, type: "line", source, layout, paint: { "line-color": colour, "line-width": width, ...more } },
  ];
}

/** west, south, east, north of a GeoJSON geometry. */
function boundsOf(geometry) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  (function visit(part) {
    if (typeof part[0] !== "number") return part.forEach(visit);
    const [x, y] = part;
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  })(geometry.coordinates);
  return box;
}

const placed = (geometry) => geometry?.coordinates?.length > 0;
const feature = (geometry) => ({ type: "Feature", properties: {}, geometry });
const collection = (geometries) => ({ type: "FeatureCollection", features: geometries.filter(placed).map(feature) });

/** Come nearer, one zoom level at most, where the whole place would leave much of a tall screen empty. */
function fillScreen(map, [west, south, east, north]) {
  const [a, b] = [map.project([west, north]), map.project([east, south])];
  const { clientWidth, clientHeight } = map.getContainer();
  const cover = Math.log2(Math.max(clientWidth / (b.x - a.x), clientHeight / (b.y - a.y)));
  map.setZoom(map.getZoom() + Math.min(Math.max(cover, 0), 1));
}

/** Make the map in `container`; resolves when its first picture is there. */
export function createMap(container, place, label) {
  const [west, south, east, north] = place.bounds;
  const [wide, high] = [east - west, north - south];
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const map = new maplibre.Map({
    container,
    style: style(place, place.picture.maxzoom),
    bounds: place.bounds,
    fitBoundsOptions: { padding: 8 },
    maxBounds: [west - 2 * wide, south - 2 * high, east + 2 * wide, north + 2 * high],
    maxZoom: place.picture.maxzoom + 2,
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    locale: { "Map.Title": label },
  });
  fillScreen(map, place.bounds);
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibre.ScaleControl({ maxWidth: 90 }), "bottom-left");
  const draw = new TerraDraw({
    adapter: new TerraDrawMapLibreGLAdapter({ map }),
    modes: [
      new TerraDrawFreehandMode({
        drawInteraction: "click-drag",
        minDistance: 6,
        pointerDistance: 12,
        preventPointsNearClose: false,
        showCoordinatePoints: false,
        styles: { fillColor: DRAWN, fillOpacity: 0.18, outlineColor: DRAWN, outlineWidth: 4, closingPointColor: DRAWN, closingPointWidth: 6 },
      }),
    ],
  });
  const ready = new Promise((resolve) => map.once("load", resolve));
  return { ready, ...tools(map, draw, still) };
}

/** Fingers that zoom must not draw: a second finger drops the stroke, and drawing goes on once all are lifted. */
function onPinch(map, begin) {
  const down = new Set();
  let resume = null;
  const lift = (event) => {
    down.delete(event.pointerId);
    if (!down.size && resume) setTimeout(resume);
    if (!down.size) resume = null;
  };
  const press = (event) => {
    down.add(event.pointerId);
    if (down.size === 2) resume = begin();
  };
  map.getCanvasContainer().addEventListener("pointerdown", press, { capture: true });
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, lift, { capture: true });
}

/** Pause a drawing that is under way; returns what resumes it, or null when none is. */
function drawing(draw, map) {
  if (!draw.enabled) return null;
  draw.setMode("static");
  draw.clear();
  map.dragPan.enable();
  return () => draw.enabled && draw.setMode("freehand");
}

function tools(map, draw, still) {
  let finished = null;
  draw.on("finish", (id) => {
    const drawn = draw.getSnapshotFeature(id);
    if (finished && drawn) finished(drawn.geometry);
  });
  onPinch(map, () => drawing(draw, map));
  const show = (source, ...geometries) => map.getSource(source).setData(collection(geometries));
  const field = fieldOn(map, show, still);
  let tags = [];
  return {
    startDrawing(whenDone) {
      finished = whenDone;
      draw.start();
      draw.setMode("freehand");
    },
    stopDrawing() {
      finished = null;
      if (draw.enabled) draw.stop();
      map.dragPan.enable();
    },
    restartDrawing() {
      draw.clear();
    },
    /** Pixels across the drawing on the screen. */
    sizeOf(geometry) {
      const [w, s, e, n] = boundsOf(geometry);
      const [a, b] = [map.project([w, n]), map.project([e, s])];
      return Math.hypot(b.x - a.x, b.y - a.y);
    },
    showDrawn: (geometry) => show("drawn", geometry),
    /** Show the field that was found; from a drawing, the outline moves from there to where it belongs. */
    showField: field.show,
    /** Outline each of several fields, with its number and what stands beside it. */
    showParts(geometries, texts) {
      tags.forEach((tag) => tag.remove());
      tags = geometries.map((geometry, i) => new maplibre.Marker({ element: el("span", { class: "tag" }, texts[i]) }).setLngLat(middleOf(geometry)).addTo(map));
      show("parts", ...geometries);
    },
    showKept: (geometries) => show("kept", ...geometries),
    /** Show the first of the geometries that has a place, clear of what covers the map. */
    fit(geometries, padding, animate = !still) {
      const geometry = geometries.find(placed);
      map.fitBounds(boundsOf(geometry), { padding, maxZoom: 16.2, animate, duration: 700 });
    },
    /** What is shown of one kind, as GeoJSON. */
    shown: (source) => map.getSource(source).serialize().data,
    canvas: () => map.getCanvas(),
    project: (point) => map.project(point),
    moving: () => map.isMoving() || !map.areTilesLoaded() || field.snapping(),
  };
}

/** The outline that was found, and its way there from the drawing. */
function fieldOn(map, show, still) {
  let frame = null;
  const end = () => {
    cancelAnimationFrame(frame);
    frame = null;
  };
  return {
    snapping: () => frame !== null,
    show(geometry, from = null) {
      end();
      if (still || !placed(geometry) || !placed(from)) return show("field", geometry);
      const at = way(from, geometry);
      let begun = null;
      const step = (now) => {
        begun ??= now;
        const gone = Math.min((now - begun) / SNAP, 1);
        show("field", gone < 1 ? at(1 - (1 - gone) ** 3) : geometry);
        if (gone < 1) frame = requestAnimationFrame(step);
        else end();
      };
      frame = requestAnimationFrame(step);
    },
  };
}
