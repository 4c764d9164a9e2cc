"""Checks of a page that a browser runs: what cannot be read, what has no name."""

CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
const parse = (colour) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const over = (top, below) => {
  const a = top[3] / 255;
  return [0, 1, 2].map((k) => top[k] * a + below[k] * (1 - a)).concat(255);
};
const light = (colour) => {
  const [r, g, b] = colour.map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
};
const ground = (one) => {
  const layers = [];
  for (let e = one; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 255]);
};
const elsewhere = "svg, .hidden, .sky, .skip, [aria-disabled], .out, option";
const found = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node; node = walk.nextNode();) {
  const one = node.parentElement;
  if (!node.data.trim() || !one.checkVisibility() || one.closest(elsewhere)) continue;
  const below = ground(one), top = over(parse(getComputedStyle(one).color), below);
  const [a, b] = [light(top), light(below)].sort((x, y) => y - x);
  const ratio = (a + .05) / (b + .05);
  if (ratio < 4.5) found.push(`${ratio.toFixed(2)} ${one.tagName}.${one.className}: ${node.data.trim().slice(0, 30)}`);
}
return [...new Set(found)];
"""
"""Texts whose contrast is below that of WCAG 2 AA."""

NAMELESS = """
return [...document.querySelectorAll("button, a, input, select, textarea, img")].filter((one) => {
  if (one.type === "hidden" || one.closest("svg, [hidden]")) return false;
  if (one.tagName === "IMG") return !one.hasAttribute("alt");
  return !(one.getAttribute("aria-label") || one.textContent.trim() || one.querySelector("img")?.alt
    || [...(one.labels ?? [])].map((label) => label.textContent.trim()).join(""));
}).map((one) => one.outerHTML.slice(0, 120));
"""
"""What a screen reader has no name for."""
