// Charts, as SVG. What they show is also in their label, for people who cannot see them.

import { el, svg } from "./dom.js";
import { view } from "./sandbox.js";

const COLOURS = 8;
const colour = (index) => `c${index % COLOURS}`;
const round = (number) => Number(number.toPrecision(3)).toLocaleString();

export function chart(block) {
  const shape = block.chart;
  const drawn = shape.type === "pie" ? slices(shape.segments) : axes(shape);
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", `${block.title}: ${inWords(shape)}`);
  const total = shape.type === "pie" && shape.segments.reduce((sum, each) => sum + each.value, 0);
  const names = shape.type === "pie"
    ? shape.segments.map((each) => `${each.label} ${round(each.value)} (${Math.round((100 * each.value) / total)}%)`)
    : shape.series.map((each) => each.name);
  return el("figure", { class: shape.type === "pie" ? "pie" : "" }, el("figcaption", {}, block.title), drawn,
    el("div", { class: "legend" }, names.map((name, index) => el("span", {}, el("i", { class: colour(index) }), name))));
}

function inWords(shape) {
  const pairs = (points) => points.map((each) => `${each.label} ${round(each.value)}`).join(", ");
  return shape.type === "pie" ? pairs(shape.segments) : shape.series.map((each) => `${each.name}: ${pairs(each.data)}`).join("; ");
}

const titled = (node, text) => { node.append(svg("title", {}, text)); return node; };

function slices(segments) {
  const total = segments.reduce((sum, each) => sum + each.value, 0);
  let at = 0;
  return svg("svg", { viewBox: "-62 -62 124 124" }, ...segments.map((each, index) => {
    const share = each.value / total;
    // A ring is a line around a circle that is 100 long.
    const ring = svg("circle", { r: 44, pathLength: 100, class: `ring ${colour(index)}`,
      "stroke-dasharray": `${Math.max(share * 100 - (segments.length > 1 ? .8 : 0), .4)} 100`, "stroke-dashoffset": -at * 100, transform: "rotate(-90)" });
    at += share;
    return titled(ring, `${each.label}: ${round(each.value)}`);
  }));
}

function axes(shape) {
  const labels = shape.axis_config.categories;
  const valueOf = (series, label) => (series.data.find((point) => point.label === label) || { value: 0 }).value;
  const values = shape.series.flatMap((series) => series.data.map((point) => point.value));
  const bottom = Math.min(...values, 0);
  const top = Math.max(...values, 0) || (bottom ? 0 : 1);
  // In a narrow pane it is drawn narrower rather than smaller, so that its texts stay readable.
  const whole = innerWidth <= 600 ? 300 : view.thread ? 420 : 520;
  const [left, width, height] = [40, whole - 50, 120];
  const step = width / labels.length;
  const x = (index) => left + step * (index + .5);
  const y = (value) => height + 10 - ((value - bottom) / (top - bottom)) * height;
  const lines = [bottom, (bottom + top) / 2, top].flatMap((value) => [
    svg("line", { class: "axis", x1: left, x2: left + width, y1: y(value), y2: y(value) }),
    svg("text", { x: left - 6, y: y(value) + 3, "text-anchor": "end" }, round(value)),
  ]);
  const longest = Math.max(...labels.map((label) => Math.min(label.length, 12)));
  const every = Math.ceil(labels.length / Math.floor(width / (longest * 6 + 10)));
  const names = labels.map((label, index) => index % every ? "" :
    svg("text", { x: x(index), y: height + 24, "text-anchor": "middle" }, label.slice(0, 12)));
  const said = (series, label) => `${label}, ${series.name}: ${round(valueOf(series, label))}`;
  const bars = (series, place) => labels.map((label, index) => {
    const wide = (step * .7) / shape.series.length;
    const value = valueOf(series, label);
    return titled(svg("rect", { class: `bar ${colour(place)}`, x: left + step * index + step * .15 + wide * place, y: y(Math.max(value, 0)),
      width: Math.max(wide - 1, 1), height: Math.abs(y(value) - y(0)), rx: 2 }), said(series, label));
  });
  const curve = (series, place) => {
    const points = labels.map((label, index) => `${x(index)},${y(valueOf(series, label))}`);
    const floor = [`${x(labels.length - 1)},${y(0)}`, `${x(0)},${y(0)}`];
    return [
      shape.type === "area" ? svg("polygon", { class: `area ${colour(place)}`, points: [...points, ...floor].join(" ") }) : "",
      svg("polyline", { class: `curve ${colour(place)}`, points: points.join(" ") }),
      ...labels.map((label, index) => titled(svg("circle", { class: `point ${colour(place)}`, cx: x(index), cy: y(valueOf(series, label)), r: 2.5 }), said(series, label))),
    ];
  };
  const drawn = shape.series.flatMap((series, place) => (shape.type === "bar" ? bars : curve)(series, place));
  return svg("svg", { viewBox: `0 0 ${whole} 150`, width: "100%" }, ...lines, ...drawn, ...names);
}
