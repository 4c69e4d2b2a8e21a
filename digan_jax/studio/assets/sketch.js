// A drawing of labels: one number for each pixel. The value is {width, height, labels: base64 of the rows}.
const canvas = element.querySelector('canvas');
const brush = element.querySelector('select');
const size = element.querySelector('input[type=range]');
const colour = label => label === 0 ? '#101010' : `hsl(${(label - 1) * 137.5 % 360} 70% 55%)`;
const pen = canvas.getContext('2d');
let width, height, pixels, cursor;

const keep = () => { props.value = {width, height, labels: btoa(Array.from(pixels, one => String.fromCharCode(one)).join(''))}; };
const fill = (x, y) => {
  const radius = size.value / 2, label = Number(brush.value);
  for (let j = Math.ceil(y - radius); j <= y + radius; j++) {
    for (let i = Math.ceil(x - radius); i <= x + radius; i++) {
      if (i < 0 || j < 0 || i >= width || j >= height || Math.hypot(i - x, j - y) > radius) continue;
      pixels[j * width + i] = label;
      pen.fillStyle = colour(label);
      pen.fillRect(i, j, 1, 1);
    }
  }
};
const at = event => {
  const r = canvas.getBoundingClientRect();
  return [(event.clientX - r.left) * width / r.width - 0.5, (event.clientY - r.top) * height / r.height - 0.5];
};
let from = null;
canvas.addEventListener('pointerdown', event => {
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  fill(...(from = at(event)));
});
canvas.addEventListener('pointermove', event => {
  if (!from) return;
  const to = at(event), steps = Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1])) || 1;
  for (let k = 1; k <= steps; k++) {
    fill(from[0] + (to[0] - from[0]) * k / steps, from[1] + (to[1] - from[1]) * k / steps);
  }
  from = to;
});
const end = () => { if (from) { from = null; keep(); } };
canvas.addEventListener('pointerup', end);
canvas.addEventListener('pointercancel', end);

// By keyboard: arrows move a cursor, space draws.
canvas.addEventListener('keydown', event => {
  const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  if (step) cursor = [0, 1].map(k => Math.min([width, height][k] - 1, Math.max(0, cursor[k] + step[k])));
  else if (event.key === ' ') { fill(...cursor); keep(); }
  else return;
  event.preventDefault();
  element.querySelector('p').textContent = `column ${cursor[0]}, row ${cursor[1]}`;
});
const clear = () => {
  pixels.fill(0);
  pen.fillStyle = colour(0);
  pen.fillRect(0, 0, width, height);
  keep();
};
element.querySelector('button').addEventListener('click', clear);

// Another run has other labels and another size: the drawing begins anew.
const begin = () => {
  ({width, height} = props);
  pixels = new Uint8Array(width * height);
  Object.assign(canvas, {width, height});
  cursor = [Math.floor(width / 2), Math.floor(height / 2)];
  brush.replaceChildren(...props.labels.map((name, label) => new Option(name, label, label === 1, label === 1)));
  clear();
};
watch(Object.keys({width, height, labels: 0}), begin);  // Gradio takes names in quotation marks here for events
begin();
